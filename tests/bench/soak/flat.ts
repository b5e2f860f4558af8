/**
 * When memory counts as flat. The straight line through the readings of tenths 3 to 10 (least squares, so that neither one reading
 * nor the last decides) may not rise by more than a tenth of the reading at tenth 3. The first two tenths are warming up: code is
 * compiled, heaps and pools grow to what this load needs.
 */
const firstTenth = 3;
const allowedRise = 0.1;

export interface Trend {
  /** From tenth 3 to the last one, as a share of the reading at tenth 3. */
  readonly rise: number;
  readonly isFlat: boolean;
}

/** `byTenth[0]` is the reading at tenth 1. */
export function trendOf(byTenth: readonly number[]): Trend {
  const readings = byTenth.slice(firstTenth - 1);
  const [base = Number.NaN] = readings;
  const rise = (slopeOf(readings) * (readings.length - 1)) / base;
  return { rise, isFlat: rise <= allowedRise };
}

/** Per step. */
function slopeOf(values: readonly number[]): number {
  const middle = (values.length - 1) / 2;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  let covariance = 0;
  let variance = 0;
  for (const [i, value] of values.entries()) {
    covariance += (i - middle) * (value - mean);
    variance += (i - middle) ** 2;
  }
  return covariance / variance;
}
