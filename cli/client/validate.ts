import { type HostFacts, resolveAgentOptions } from "../../agent/config/agent-options.ts";
import type { AgentSettings } from "../../agent/config/agent-settings.ts";
import { readConfigFiles } from "../../agent/config/config-file.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { readHostFacts } from "../agent-process.ts";
import type { CliCommand } from "../command.ts";
import { formatUsage, parseFlags } from "../flags.ts";

const flags = {
  quiet: { type: "boolean", summary: "Print nothing when the configuration is valid." },
  "config-format": {
    type: "string",
    placeholder: "json|hcl",
    summary: "Form of all files, whatever their names.",
  },
} as const;

/** `atoll validate`: whether an agent could start with these files. */
export const validateCommand: CliCommand = {
  usage: formatUsage({
    synopsis: "atoll validate [options] <file or directory>...",
    description:
      "Checks configuration files of the agent as a start would. Exits with 1 when an agent could not start with them. Unknown keys are told, and do not make a configuration invalid.",
    flags,
    examples: ["atoll validate /etc/consul.d"],
  }),
  async run(args, io) {
    const { flags: given, positionals } = parseFlags({ args, flags, maxPositionals: 1_000 });
    if (positionals.length === 0) throw new AtollError("INVALID_ARGUMENT", "name at least one file or directory");
    const format = given["config-format"];
    if (format !== undefined && format !== "json" && format !== "hcl") {
      throw new AtollError("INVALID_ARGUMENT", `flag -config-format must be json or hcl, found "${format}"`);
    }
    const host = readHostFacts();
    try {
      const { settings, warnings } = await readConfigFiles(positionals, { format });
      resolveAgentOptions(withPeers(settings, host), host);
      for (const warning of warnings) io.stderr(`warning: ${warning}\n`);
    } catch (thrown) {
      if (!(thrown instanceof AtollError)) throw thrown;
      throw new AtollError("CONFIG_INVALID", `Config validation failed: ${thrown.message}`, { cause: thrown });
    }
    if (given.quiet !== true) io.stdout("Configuration is valid!\n");
    return 0;
  },
};

/** Whom to join may well be said on the command line of the agent, which nobody can see here. */
function withPeers(settings: AgentSettings, host: HostFacts): AgentSettings {
  const isAlone = settings.isServer === true && (settings.bootstrapExpect ?? 1) <= 1;
  return settings.join.length > 0 || isAlone ? settings : { ...settings, join: [host.hostName] };
}
