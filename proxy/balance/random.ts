import type { Candidate, Policy } from "./candidate.ts";
import { PowerOfChoices } from "./power-of-choices.ts";

/** Any one, in proportion to weights. */
export function createRandom<T extends Candidate>(random: () => number): Policy<T> {
  return new PowerOfChoices<T>({ choices: 1, random, costOf: () => 0 });
}
