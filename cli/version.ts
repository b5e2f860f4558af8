import { AtollError } from "../lib/contract/error-codes.ts";
import { buildInfo, consulVersion } from "./build-info.ts";
import type { CliCommand } from "./command.ts";
import { formatUsage, parseFlags } from "./flags.ts";

const flags = {
  format: { type: "string", placeholder: "pretty|json", summary: "Form of the output: pretty (the default) or json." },
} as const;

/**
 * `atoll version`: for people one fact per line, as JSON the keys of Consul's `version -format=json`. Under the name `consul` the
 * version is that of the Consul whose behaviour it has, since scripts compare it; Atoll's own is beside it.
 */
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
    const isConsul = io.program === "consul";
    io.stdout(format === "json" ? versionJson(isConsul) : versionText(isConsul));
    return 0;
  },
};

function versionText(isConsul: boolean): string {
  const revision = buildInfo.revision === "" ? "none (running from sources)" : buildInfo.revision;
  const date = buildInfo.date === "" ? "" : `Build Date ${buildInfo.date}\n`;
  const name = isConsul ? `Consul v${consulVersion}\nAtoll v${buildInfo.version}` : `Atoll v${buildInfo.version}`;
  return `${name}\nRevision ${revision}\n${date}Runtime ${buildInfo.runtime}\n`;
}

function versionJson(isConsul: boolean): string {
  const [version = "", prerelease = ""] = buildInfo.version.split("-", 2);
  const answer = {
    Version: isConsul ? consulVersion : version,
    Revision: buildInfo.revision,
    Prerelease: isConsul ? "" : prerelease,
    BuildDate: buildInfo.date,
    ...(isConsul && { FIPS: "", Atoll: buildInfo.version }),
    Runtime: buildInfo.runtime,
  };
  return `${JSON.stringify(answer, null, 4)}\n`;
}
