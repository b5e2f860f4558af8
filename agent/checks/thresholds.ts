import type { CheckStatus } from "../../lib/contract/catalog.ts";

export interface ThresholdOptions {
  readonly successBeforePassing: number;
  readonly failuresBeforeWarning: number;
  readonly failuresBeforeCritical: number;
}

/**
 * Counts results in a row, so that one lost packet takes no instance out of rotation and one lucky answer brings none
 * back. Returns the status to report, or undefined while there are too few results to report a change.
 */
export interface Thresholds {
  judge(status: CheckStatus): CheckStatus | undefined;
}

export function createThresholds(options: ThresholdOptions): Thresholds {
  let successes = 0;
  let failures = 0;
  return {
    judge(status) {
      if (status !== "critical") {
        successes++;
        failures = 0;
        return successes >= options.successBeforePassing ? status : undefined;
      }
      failures++;
      successes = 0;
      if (failures >= options.failuresBeforeCritical) return "critical";
      return failures >= options.failuresBeforeWarning ? "warning" : undefined;
    },
  };
}
