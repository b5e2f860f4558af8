import { AtollError } from "../lib/contract/error-codes.ts";
import type { CliCommand } from "./command.ts";
import { formatUsage, parseFlags } from "./flags.ts";
import { createHttpApi, httpFlags } from "./http-api.ts";

const flags = {
  "http-addr": httpFlags["http-addr"],
  wan: { type: "boolean", summary: "Accepted for Consul's sake: there is one pool." },
} as const;
const maxAddresses = 32;

/** `atoll join`: tells a running agent of servers that it may dial. */
export const joinCommand: CliCommand = {
  usage: formatUsage({
    synopsis: "atoll join [options] <address>...",
    description:
      "Tells a running agent of one or more servers, host or host:port. Each is dialled at once: one that is not of the agent's cluster is refused.",
    flags,
    examples: ["atoll join 10.0.0.4", "atoll join 10.0.0.4:8300"],
  }),
  async run(args, io) {
    const { flags: given, positionals } = parseFlags({ args, flags, maxPositionals: maxAddresses });
    if (positionals.length === 0)
      throw new AtollError("INVALID_ARGUMENT", "At least one address to join must be given");
    const api = createHttpApi({ address: given["http-addr"], env: io.env });
    let joined = 0;
    for (const address of positionals) {
      try {
        await api.call({ method: "PUT", path: `/v1/agent/join/${encodeURIComponent(address)}` });
        joined++;
      } catch (thrown) {
        if (!(thrown instanceof AtollError)) throw thrown;
        io.stderr(`Error joining address '${address}': ${thrown.message}\n`);
      }
    }
    if (joined > 0) io.stdout(`Successfully joined cluster by contacting ${joined} nodes.\n`);
    return joined === positionals.length ? 0 : 1;
  },
};
