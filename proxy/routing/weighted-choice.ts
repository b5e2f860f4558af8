import { weightSteps } from "../../lib/contract/proxy-routes.ts";

/** Picks one of several by chance, in proportion to their weights. What has weight 0 is never picked. */
export class WeightedChoice {
  /** Sums of the weights up to each, in whole steps so that none is lost in rounding. */
  readonly #bounds: readonly number[];
  readonly #total: number;
  readonly #only: number;
  /** Of each, 1 in sum. */
  readonly shares: readonly number[];

  /** At least one of the weights is above 0. */
  constructor(weights: readonly number[]) {
    let total = 0;
    this.#bounds = weights.map((weight) => {
      total += Math.round(weight * weightSteps);
      return total;
    });
    this.#total = total;
    this.shares = weights.map((weight) => Math.round(weight * weightSteps) / total);
    const positive = weights.flatMap((weight, i) => (weight > 0 ? [i] : []));
    this.#only = positive.length === 1 ? (positive[0] ?? -1) : -1;
  }

  /** `random` gives from 0 to below 1, and is asked only where there is a choice. */
  pick(random: () => number): number {
    if (this.#only >= 0) return this.#only;
    const at = Math.floor(random() * this.#total);
    let i = 0;
    while ((this.#bounds[i] ?? this.#total) <= at) i++;
    return i;
  }
}
