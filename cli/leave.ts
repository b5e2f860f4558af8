import type { CliCommand } from "./command.ts";
import { formatUsage, parseFlags } from "./flags.ts";
import { createHttpApi, httpFlags } from "./http-api.ts";

const flags = { "http-addr": httpFlags["http-addr"] } as const;

/** `atoll leave`: a running agent takes its node out of the catalog, drains its proxies and ends. */
export const leaveCommand: CliCommand = {
  usage: formatUsage({
    synopsis: "atoll leave [options]",
    description:
      "Has a running agent take its node out of the catalog, drain its proxies and end. What is registered there stays on its disk for the next start.",
    flags,
    examples: ["atoll leave"],
  }),
  async run(args, io) {
    const { flags: given } = parseFlags({ args, flags });
    await createHttpApi({ address: given["http-addr"], env: io.env }).call({ method: "PUT", path: "/v1/agent/leave" });
    io.stdout("Graceful leave begun\n");
    return 0;
  },
};
