import { latencyBoundsMs } from "../../telemetry/http-counters.ts";
import { zeroes } from "../../telemetry/zeroes.ts";

/** How checks end. `overflow`: there were too many under way to begin it; `cancelled`: its request was over first. */
export const checkResults = ["ok", "denied", "error", "timeout", "overflow", "cancelled"] as const;
export type CheckResult = (typeof checkResults)[number];

/** Of one listener's checks, for as long as it lives. */
export class ExtAuthzCounters {
  readonly checks: Record<CheckResult, number> = zeroes(checkResults);
  /** Requests that went on because nobody could say. */
  failureModeAllowed = 0;
  /** Requests that nobody was asked about. */
  bypassed = 0;
  /** Requests that a dry run let through. */
  dryRunDenials = 0;
  /** Changes that an authorizer may not make. */
  ignoredChanges = 0;
  /** Of the checks that were answered, denied or late: one more than the bounds of requests. */
  readonly latencyBuckets = new Float64Array(latencyBoundsMs.length + 1);
  latencySumMs = 0;

  /** `latencyMs` is left out for a check that was never sent or that nobody waited for. */
  count(result: CheckResult, latencyMs?: number): void {
    this.checks[result]++;
    if (latencyMs === undefined) return;
    this.latencySumMs += latencyMs;
    let bucket = 0;
    while (bucket < latencyBoundsMs.length && latencyMs > (latencyBoundsMs[bucket] ?? 0)) bucket++;
    this.latencyBuckets[bucket] = (this.latencyBuckets[bucket] ?? 0) + 1;
  }
}
