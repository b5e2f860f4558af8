import { createSeededRandom } from "../../../../lib/base/random.ts";

/** The seed of this run: `ATOLL_TEST_SEED` takes back the one that a failure printed. */
export const testSeed = Number(process.env["ATOLL_TEST_SEED"] ?? Math.floor(Math.random() * 2 ** 31));

export function seededRandom(seed: number): () => number {
  return createSeededRandom(seed).float;
}
