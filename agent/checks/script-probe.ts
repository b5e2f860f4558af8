import { formatDurationMs } from "../../lib/base/duration.ts";
import type { CheckStatus } from "../../lib/contract/catalog.ts";
import type { CheckProbe } from "../service-definition.ts";
import { type ProbeLimits, type ProbeResult, capOutput } from "./probe-result.ts";
import { type ProcessOutput, runProcess } from "./run-process.ts";

export type ScriptProbe = Extract<CheckProbe, { type: "script" }>;

/** A program's word on health: exit code 0 is passing, 1 warning, all others (no end in time included) critical. */
export async function probeScript(
  probe: Pick<ScriptProbe, "args" | "timeoutMs">,
  limits: ProbeLimits & { readonly env: Readonly<Record<string, string>> },
): Promise<ProbeResult> {
  const { outputMaxBytes } = limits;
  const end = await runProcess({
    command: probe.args,
    env: limits.env,
    signal: limits.signal,
    keptBytes: outputMaxBytes,
  });
  switch (end.kind) {
    case "exited":
      return { status: statusOfExit(end.code), output: keptOutput(end.output, outputMaxBytes) };
    case "killed":
      return { status: "critical", output: keptOutput(end.output, outputMaxBytes) || `ended by ${end.by}` };
    case "aborted":
      return { status: "critical", output: `Timed out (${formatDurationMs(probe.timeoutMs)}) running check` };
    case "not-started":
      return { status: "critical", output: capOutput(end.error.message, outputMaxBytes) };
  }
}

/** Of scripts and of what is run within a container. */
export function statusOfExit(code: number): CheckStatus {
  if (code === 0) return "passing";
  return code === 1 ? "warning" : "critical";
}

/** The end of the output, since that is where programs say what went wrong. */
export function keptOutput({ text, totalBytes }: ProcessOutput, maxBytes: number): string {
  if (totalBytes <= maxBytes) return text;
  return `Captured ${maxBytes} of ${totalBytes} bytes\n...\n${text}`;
}
