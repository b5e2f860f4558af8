import type { BalancerConfig } from "../../lib/contract/proxy-cluster.ts";
import type { Candidate, Policy } from "./candidate.ts";
import { PowerOfChoices } from "./power-of-choices.ts";

/** Of two random ones (`choices`) the one with fewer requests under way by its weight. */
export function createLeastRequest<T extends Candidate>(
  { choices }: Pick<BalancerConfig, "choices">,
  random: () => number,
): Policy<T> {
  return new PowerOfChoices<T>({
    choices,
    random,
    costOf: (candidate, relativeWeight) => candidate.activeCount / relativeWeight,
  });
}
