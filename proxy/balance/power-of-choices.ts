import type { Candidate, Gate, Policy } from "./candidate.ts";
import { WeightedSampler } from "./weighted-sampler.ts";

/** What one more request costs at a candidate; `relativeWeight` is its weight by the mean one. */
export type CostOf<T> = (candidate: T, relativeWeight: number, gate: Gate<T>) => number;

export interface PowerOfChoicesOptions<T> {
  readonly choices: number;
  readonly random: () => number;
  readonly costOf: CostOf<T>;
}

/** Rounds in which nobody drawn may be chosen, before everybody is looked at: that happens only around failures. */
const maxRounds = 8;

/**
 * The best of a few that are drawn at random (Mitzenmacher, "The power of two choices"): as good as looking at all of them, at
 * constant cost. They are drawn in proportion to their weights and without drawing one twice in a row; the first one wins a tie. So
 * an idle group is used in proportion to weight, and a loaded one has its load so.
 */
export class PowerOfChoices<T extends Candidate> implements Policy<T> {
  readonly #sampler = new WeightedSampler<T>();
  readonly #choices: number;
  readonly #random: () => number;
  readonly #costOf: CostOf<T>;

  constructor({ choices, random, costOf }: PowerOfChoicesOptions<T>) {
    this.#choices = choices;
    this.#random = random;
    this.#costOf = costOf;
  }

  add(candidate: T): void {
    this.#sampler.add(candidate);
  }

  remove(candidate: T): void {
    this.#sampler.remove(candidate);
  }

  reweigh(candidate: T): void {
    this.#sampler.reweigh(candidate);
  }

  pick(gate: Gate<T>): T | undefined {
    const sampler = this.#sampler;
    if (sampler.size < 2) {
      const only = sampler.at(0);
      return only !== undefined && gate.admits(only, 0) ? only : undefined;
    }
    for (let round = 0; round < maxRounds; round++) {
      let position = sampler.draw(this.#random());
      let best = this.#admitted(sampler.at(position), gate);
      for (let choice = 1; choice < this.#choices; choice++) {
        position = sampler.drawOther(this.#random(), position);
        const other = this.#admitted(sampler.at(position), gate);
        if (best === undefined) best = other;
        else if (other !== undefined) best = this.#cheaper(best, other, gate);
      }
      if (best !== undefined) return best;
    }
    return this.#bestOfAll(gate);
  }

  #admitted(candidate: T | undefined, gate: Gate<T>): T | undefined {
    if (candidate === undefined) return undefined;
    return gate.admits(candidate, candidate.joinedAtMs < 0 ? 0 : this.#random()) ? candidate : undefined;
  }

  #cheaper(first: T, second: T, gate: Gate<T>): T {
    const mean = this.#sampler.meanWeight;
    const cost = this.#costOf(first, first.weight / mean, gate);
    return this.#costOf(second, second.weight / mean, gate) < cost ? second : first;
  }

  #bestOfAll(gate: Gate<T>): T | undefined {
    const sampler = this.#sampler;
    const mean = sampler.meanWeight;
    const start = sampler.draw(this.#random());
    let best: T | undefined;
    let bestCost = Number.POSITIVE_INFINITY;
    for (let i = 0; i < sampler.size; i++) {
      const candidate = sampler.at((start + i) % sampler.size);
      if (candidate === undefined || !gate.admits(candidate, 0)) continue;
      const cost = this.#costOf(candidate, candidate.weight / mean, gate);
      if (best !== undefined && cost >= bestCost) continue;
      best = candidate;
      bestCost = cost;
    }
    return best;
  }
}
