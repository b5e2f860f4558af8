import type { BalancerConfig } from "../../lib/contract/proxy-cluster.ts";
import type { Candidate, Policy } from "./candidate.ts";
import { PowerOfChoices } from "./power-of-choices.ts";

/**
 * Of two random ones the one with the lower product of response time (see `latency-estimate.ts`) and requests under way, the new one
 * included: Finagle's and Linkerd's. With other than equal weights those under way count by weight.
 */
export function createPeakEwma<T extends Candidate>(
  { decayMs }: Pick<BalancerConfig, "decayMs">,
  random: () => number,
): Policy<T> {
  return new PowerOfChoices<T>({
    choices: 2,
    random,
    costOf: (candidate, relativeWeight, gate) =>
      candidate.latency.valueMs(gate.nowMs(), decayMs) * (candidate.activeCount / relativeWeight + 1),
  });
}
