import type { OutlierDetectionConfig } from "../../../lib/contract/proxy-outlier.ts";

/** How the requests of one endpoint went in the interval at hand. */
export class Tally {
  requests = 0;
  successes = 0;

  add(isSuccess: boolean): void {
    this.requests++;
    if (isSuccess) this.successes++;
  }

  clear(): void {
    this.requests = 0;
    this.successes = 0;
  }

  get failurePercent(): number {
    return this.requests === 0 ? 0 : (100 * (this.requests - this.successes)) / this.requests;
  }
}

export interface RateOutliers<T> {
  readonly bySuccessRate: readonly T[];
  readonly byFailurePercentage: readonly T[];
}

/**
 * Envoy's two looks at an interval: whose success rate is below the mean by more than so many standard deviations, and of whose requests
 * more than so many percent have failed. Only those who had enough requests are looked at, and only where they are enough.
 */
export function findRateOutliers<T>(
  tallies: readonly (readonly [T, Tally])[],
  config: OutlierDetectionConfig,
): RateOutliers<T> {
  return {
    bySuccessRate: bySuccessRate(tallies, config),
    byFailurePercentage: byFailurePercentage(tallies, config),
  };
}

function bySuccessRate<T>(tallies: readonly (readonly [T, Tally])[], config: OutlierDetectionConfig): readonly T[] {
  const { successRateMinimumHosts, successRateRequestVolume, successRateStdevFactor } = config;
  const busy = tallies.filter(([, { requests }]) => requests >= successRateRequestVolume);
  if (busy.length < successRateMinimumHosts) return [];
  const threshold = ejectionThreshold(
    busy.map(([, tally]) => 100 - tally.failurePercent),
    successRateStdevFactor,
  );
  return busy.filter(([, tally]) => 100 - tally.failurePercent < threshold).map(([one]) => one);
}

function byFailurePercentage<T>(
  tallies: readonly (readonly [T, Tally])[],
  config: OutlierDetectionConfig,
): readonly T[] {
  const { failurePercentageMinimumHosts, failurePercentageRequestVolume, failurePercentageThreshold } = config;
  const busy = tallies.filter(([, { requests }]) => requests >= failurePercentageRequestVolume);
  if (busy.length < failurePercentageMinimumHosts) return [];
  return busy.filter(([, { failurePercent }]) => failurePercent >= failurePercentageThreshold).map(([one]) => one);
}

/** The mean less `factor` standard deviations, of all there are and not of a sample. `rates` is not empty. */
export function ejectionThreshold(rates: readonly number[], factor: number): number {
  const mean = rates.reduce((a, b) => a + b, 0) / rates.length;
  const variance = rates.reduce((sum, rate) => sum + (rate - mean) ** 2, 0) / rates.length;
  return mean - factor * Math.sqrt(variance);
}
