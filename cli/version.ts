import { AtollError } from "../lib/contract/error-codes.ts";
import { buildInfo } from "./build-info.ts";
import type { CliCommand } from "./command.ts";
import { formatUsage, parseFlags } from "./flags.ts";

const flags = {
  format: { type: "string", placeholder: "pretty|json", summary: "Form of the output: pretty (the default) or json." },
} as const;

/** `atoll version`: for people one fact per line, as JSON the keys of Consul's `version -format=json`. */
export const versionCommand: CliCommand = {
  usage: formatUsage({
    synopsis: "atoll version [options]",
    description: "Prints the version of this executable and what it was built from.",
    flags,
    examples: ["atoll version", "atoll version -format=json"],
  }),
  async run(args, io) {
    const format = parseFlags({ args, flags }).flags.format ?? "pretty";
    if (format !== "pretty" && format !== "json") {
      throw new AtollError("INVALID_ARGUMENT", `flag -format must be pretty or json, found "${format}"`);
    }
    io.stdout(format === "json" ? versionJson() : versionText());
    return 0;
  },
};

function versionText(): string {
  const revision = buildInfo.revision === "" ? "none (running from sources)" : buildInfo.revision;
  const date = buildInfo.date === "" ? "" : `Build Date ${buildInfo.date}\n`;
  return `Atoll v${buildInfo.version}\nRevision ${revision}\n${date}Runtime ${buildInfo.runtime}\n`;
}

function versionJson(): string {
  const [version = "", prerelease = ""] = buildInfo.version.split("-", 2);
  const answer = {
    Version: version,
    Revision: buildInfo.revision,
    Prerelease: prerelease,
    BuildDate: buildInfo.date,
    Runtime: buildInfo.runtime,
  };
  return `${JSON.stringify(answer, null, 4)}\n`;
}
