import { clientCommand } from "./client-command.ts";

/** `atoll leave`: a running agent takes its node out of the catalog, drains its proxies and ends. */
export const leaveCommand = clientCommand({
  synopsis: "leave [options]",
  summary: "Has a running agent take its node out of the catalog, drain its proxies and end.",
  description: "What is registered there stays on its disk for the next start.",
  flags: {},
  examples: ["leave"],
  async run({ api, io }) {
    await api.call({ method: "PUT", path: "/v1/agent/leave" });
    io.stdout("Graceful leave begun\n");
    return 0;
  },
});
