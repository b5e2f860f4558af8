import { AtollError } from "../../lib/contract/error-codes.ts";
import { clientCommand } from "./client-command.ts";

const flags = {
  prune: { type: "boolean", summary: "Forget the node at once, so that it is not listed as one that left." },
} as const;

/** `atoll force-leave`: an operator says that a node is gone. */
export const forceLeaveCommand = clientCommand({
  synopsis: "force-leave [options] <node>",
  summary: "Takes a node whose agent is gone out of the catalog, for good.",
  description: "A node whose agent is alive stays: its next renewal, some seconds away, says so.",
  flags,
  maxPositionals: 1,
  examples: ["force-leave vm-17", "force-leave -prune vm-17"],
  async run({ api, flags: given, positionals: [node] }) {
    if (node === undefined)
      throw new AtollError("INVALID_ARGUMENT", "A single node name must be specified to force leave.");
    await api.call({
      method: "PUT",
      path: `/v1/agent/force-leave/${encodeURIComponent(node)}`,
      ...(given.prune === true ? { query: { prune: "1" } } : {}),
    });
    return 0;
  },
});
