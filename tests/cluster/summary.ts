import type { RoundsReport } from "./rounds.ts";

/** One line for people and logs. */
export function summaryOf(report: RoundsReport): string {
  const faults = Object.entries(report.injected).map(([kind, count]) => `${kind} ${count}`);
  return [
    `${report.servers} servers, seed ${report.seed}`,
    `faults: ${faults.join(", ") || "none"}`,
    `writes acknowledged ${report.acknowledged}, unknown ${report.unknown}, refused ${report.refused}`,
    `writes lost ${report.lost.length}`,
    `stale consistent reads ${report.staleReads.length}`,
    `${report.operations} operations ${report.violation === "" ? "linearizable" : "NOT LINEARIZABLE"}`,
    `longest recovery ${Math.round(report.longestRecoveryMs)} ms`,
  ].join("; ");
}

export function isClean(report: RoundsReport): boolean {
  return report.lost.length === 0 && report.staleReads.length === 0 && report.violation === "";
}
