import { AtollError } from "../lib/contract/error-codes.ts";
import type { CliCommand } from "./command.ts";
import { formatUsage, parseFlags } from "./flags.ts";
import { createHttpApi, httpFlags } from "./http-api.ts";

const flags = {
  "http-addr": httpFlags["http-addr"],
  prune: { type: "boolean", summary: "Forget the node at once, so that it is not listed as one that left." },
} as const;

/** `atoll force-leave`: an operator says that a node is gone. */
export const forceLeaveCommand: CliCommand = {
  usage: formatUsage({
    synopsis: "atoll force-leave [options] <node>",
    description:
      "Takes a node whose agent is gone out of the catalog, for good. A node whose agent is alive stays: its next renewal, some seconds away, says so.",
    flags,
    examples: ["atoll force-leave vm-17", "atoll force-leave -prune vm-17"],
  }),
  async run(args, io) {
    const { flags: given, positionals } = parseFlags({ args, flags, maxPositionals: 1 });
    const [node] = positionals;
    if (node === undefined)
      throw new AtollError("INVALID_ARGUMENT", "A single node name must be specified to force leave.");
    await createHttpApi({ address: given["http-addr"], env: io.env }).call({
      method: "PUT",
      path: `/v1/agent/force-leave/${encodeURIComponent(node)}`,
      ...(given.prune === true ? { query: { prune: "1" } } : {}),
    });
    return 0;
  },
};
