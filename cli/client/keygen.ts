import { randomBytes } from "node:crypto";
import type { CliCommand } from "../command.ts";
import { formatUsage, parseFlags } from "../flags.ts";

/** `atoll keygen`: what Consul's scripts expect; Atoll itself has no gossip to encrypt. */
export const keygenCommand: CliCommand = {
  usage: formatUsage({
    synopsis: "atoll keygen",
    description:
      "Prints 32 random bytes in base64, as Consul's keygen does. Atoll has no gossip: a configuration's encrypt has no effect.",
    flags: {},
  }),
  async run(args, io) {
    parseFlags({ args, flags: {} });
    io.stdout(`${randomBytes(32).toString("base64")}\n`);
    return 0;
  },
};
