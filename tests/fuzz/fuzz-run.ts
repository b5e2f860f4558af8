import { createRng, type Rng } from "../sim/random.ts";

/** A fuzz case: what went wrong with it, or undefined. Anything it throws went wrong, too. */
export type FuzzCase = (rng: Rng) => string | undefined;

export interface FuzzOptions {
  readonly seed: string;
  readonly first: number;
  readonly count: number;
}

/** Runs cases `first` to `first + count` of a seed; returns the first that fails, with what is needed to run it again. */
export function runCases(run: FuzzCase, { seed, first, count }: FuzzOptions): string | undefined {
  for (let i = first; i < first + count; i++) {
    let problem: string | undefined;
    try {
      problem = run(createRng(`${seed}/${i}`));
    } catch (error) {
      problem = error instanceof Error ? (error.stack ?? error.message) : String(error);
    }
    if (problem !== undefined) return `--seed ${seed} --first ${i} --cases 1: ${problem}`;
  }
  return undefined;
}
