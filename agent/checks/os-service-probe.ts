import type { CheckProbe } from "../service-definition.ts";
import { type ProbeLimits, type ProbeResult, capOutput } from "./probe-result.ts";
import { runProcess } from "./run-process.ts";

export type OsServiceProbe = Extract<CheckProbe, { type: "os_service" }>;

const maxAnswerBytes = 4_096;

/** Whether a service of this machine runs, as systemd sees it. Where there is no systemd the check is critical and says so. */
export async function probeOsService(
  { service }: Pick<OsServiceProbe, "service">,
  limits: ProbeLimits & { readonly env: Readonly<Record<string, string>> },
): Promise<ProbeResult> {
  const critical = (reason: string): ProbeResult => ({
    status: "critical",
    output: capOutput(`Failed to check "${service}": ${reason}`, limits.outputMaxBytes),
  });
  const end = await runProcess({
    command: ["systemctl", "show", "--property=LoadState,ActiveState,SubState", "--", service],
    env: limits.env,
    signal: limits.signal,
    keptBytes: maxAnswerBytes,
  });
  if (end.kind === "aborted") return critical("systemctl did not answer in time");
  if (end.kind === "not-started") {
    return critical("os_service checks need systemd, and its systemctl cannot be run on this machine");
  }
  if (end.kind === "killed" || end.code !== 0) return critical(end.output.text.trim() || "systemctl failed");
  return stateResult(service, end.output.text, limits.outputMaxBytes);
}

/** The meaning of systemd's properties, one `Name=value` a line. */
export function stateResult(service: string, text: string, maxBytes: number): ProbeResult {
  const states = new Map(text.split("\n").map((line): [string, string] => splitOnce(line.trim())));
  const active = states.get("ActiveState") ?? "unknown";
  const detail = `${active}${states.has("SubState") ? ` (${states.get("SubState")})` : ""}`;
  if (states.get("LoadState") === "not-found") {
    return { status: "critical", output: capOutput(`Service "${service}" was not found.`, maxBytes) };
  }
  if (active === "active")
    return { status: "passing", output: capOutput(`Service "${service}" is healthy.`, maxBytes) };
  const status = active === "activating" || active === "reloading" ? "warning" : "critical";
  return { status, output: capOutput(`Service "${service}" is not healthy: ${detail}.`, maxBytes) };
}

function splitOnce(line: string): [string, string] {
  const at = line.indexOf("=");
  return at < 0 ? [line, ""] : [line.slice(0, at), line.slice(at + 1)];
}
