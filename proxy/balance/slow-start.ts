import type { BalancerConfig } from "../../lib/contract/proxy-cluster.ts";

export type SlowStart = Pick<BalancerConfig, "slowStartMs" | "slowStartAggression" | "slowStartMinWeightPercent">;

/** The part of its weight that an endpoint has so long after it joined: Envoy's formula, from the minimum to 1. */
export function slowStartShare(ageMs: number, config: SlowStart): number {
  if (ageMs >= config.slowStartMs) return 1;
  const time = Math.max(0, ageMs) / config.slowStartMs;
  return Math.max(config.slowStartMinWeightPercent / 100, time ** (1 / config.slowStartAggression));
}
