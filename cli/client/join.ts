import { AtollError } from "../../lib/contract/error-codes.ts";
import { clientCommand } from "./client-command.ts";

const flags = {
  wan: { type: "boolean", summary: "Accepted for Consul's sake: there is one pool." },
} as const;
const maxAddresses = 32;

/** `atoll join`: tells a running agent of servers that it may dial. */
export const joinCommand = clientCommand({
  synopsis: "join [options] <address>...",
  summary: "Tells a running agent of one or more servers, host or host:port.",
  description: "Each is dialled at once: one that is not of the agent's cluster is refused.",
  flags,
  maxPositionals: maxAddresses,
  examples: ["join 10.0.0.4", "join 10.0.0.4:8300"],
  async run({ api, positionals, io }) {
    if (positionals.length === 0)
      throw new AtollError("INVALID_ARGUMENT", "At least one address to join must be given");
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
});
