import type { BalancerConfig } from "../../lib/contract/proxy-cluster.ts";
import type { Candidate, Policy } from "./candidate.ts";
import { createLeastRequest } from "./least-request.ts";
import { Maglev } from "./maglev.ts";
import { createPeakEwma } from "./peak-ewma.ts";
import { createRandom } from "./random.ts";
import { RingHash } from "./ring-hash.ts";
import { RoundRobin } from "./round-robin.ts";

/** An empty structure of the configured policy. */
export function createPolicy<T extends Candidate>(config: BalancerConfig, random: () => number): Policy<T> {
  switch (config.policy) {
    case "least-request":
      return createLeastRequest(config, random);
    case "peak-ewma":
      return createPeakEwma(config, random);
    case "random":
      return createRandom(random);
    case "round-robin":
      return new RoundRobin(random);
    case "ring-hash":
      return new RingHash(config);
    case "maglev":
      return new Maglev(config);
  }
}

/** Policies that hash keep the unhealthy, so that nothing else moves when one of them comes and goes. */
export function isHashing({ policy }: BalancerConfig): boolean {
  return policy === "ring-hash" || policy === "maglev";
}
