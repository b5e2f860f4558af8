import { AtollError } from "../../../lib/contract/error-codes.ts";
import type { CliCommand } from "../../command.ts";
import { commandGroup } from "../../subcommands.ts";
import { argument, clientCommand } from "../client-command.ts";
import { readInput } from "../input-file.ts";
import { authMethodCommand } from "./auth-method.ts";
import { bindingRuleCommand } from "./binding-rule.ts";
import { formatFlag } from "./grants.ts";
import { policyCommand } from "./policy.ts";
import { roleCommand } from "./role.ts";
import { print, put, tokenCommand } from "./token.ts";

const bootstrap = clientCommand({
  synopsis: "acl bootstrap [options] [<file>]",
  summary: "Create the first management token.",
  description: "Works once. The file holds the secret to give it, - is standard input; by default it is a random one.",
  maxPositionals: 1,
  flags: formatFlag,
  async run({ api, flags, positionals, io }) {
    const [path] = positionals;
    const secret = path === undefined ? "" : (await readInput(path, io)).trim();
    return print(io, await put(api, "/v1/acl/bootstrap", secret === "" ? {} : { BootstrapSecret: secret }), flags);
  },
});

/** Names of tokens as people say them, and as the API does. */
const tokenNames: ReadonlyMap<string, string> = new Map([
  ["default", "default"],
  ["agent", "agent"],
  ["recovery", "agent_recovery"],
  ["master", "agent_recovery"],
  ["replication", "replication"],
  ["config_file_service_registration", "config_file_service_registration"],
  ["dns", "dns"],
]);

const setAgentToken = clientCommand({
  synopsis: "acl set-agent-token [options] <name> <secret>",
  summary: "Set a token that the local agent uses itself.",
  description: `The name is one of ${[...tokenNames.keys()].join(", ")}.`,
  maxPositionals: 2,
  examples: ["acl set-agent-token default 4b9b9c5b-..."],
  flags: {},
  async run({ api, positionals, io }) {
    const name = argument(positionals, 0, "the name of the token");
    const secret = argument(positionals, 1, "the token's secret");
    const known = tokenNames.get(name);
    if (known === undefined) {
      const names = [...tokenNames.keys()].join(", ");
      throw new AtollError("INVALID_ARGUMENT", `Unknown token type "${name}": it is one of ${names}`);
    }
    await api.call({ method: "PUT", path: `/v1/agent/token/${known}`, body: JSON.stringify({ Token: secret }) });
    io.stdout(`ACL token "${name}" set successfully\n`);
    return 0;
  },
});

/** `atoll acl`: access control. */
export const aclCommand: CliCommand = commandGroup({
  name: "atoll acl",
  description: "Manages access control.",
  commands: new Map([
    ["auth-method", authMethodCommand],
    ["binding-rule", bindingRuleCommand],
    ["bootstrap", bootstrap],
    ["policy", policyCommand],
    ["role", roleCommand],
    ["set-agent-token", setAgentToken],
    ["token", tokenCommand],
  ]),
});
