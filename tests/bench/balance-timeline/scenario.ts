/** Backends by name and failover group, and what happens to them when: seconds from the first request. */
export const backends: readonly { readonly name: string; readonly priority: number }[] = [
  { name: "a", priority: 0 },
  { name: "b", priority: 0 },
  { name: "c", priority: 0 },
  { name: "d", priority: 0 },
  { name: "e", priority: 1 },
  { name: "f", priority: 1 },
  { name: "g", priority: 1 },
];

export interface Step {
  readonly second: number;
  readonly what: string;
  readonly fail?: readonly string[];
  readonly work?: readonly string[];
}

export const steps: readonly Step[] = [
  { second: 3, what: "a fails", fail: ["a"] },
  { second: 8, what: "a works again", work: ["a"] },
  { second: 24, what: "all of priority 0 fail", fail: ["a", "b", "c", "d"] },
  { second: 29, what: "they work again", work: ["a", "b", "c", "d"] },
  { second: 46, what: "all but g fail", fail: ["a", "b", "c", "d", "e", "f"] },
  { second: 51, what: "all work again", work: ["a", "b", "c", "d", "e", "f"] },
];

export const lastSecond = 66;

/** Times are a tenth of the defaults, so that there is something to see within a minute. */
export const clusterSettings = {
  balancer: { policy: "round-robin", slowStartMs: 5_000 },
  outlierDetection: { baseEjectionTimeMs: 3_000, intervalMs: 2_000, maxEjectionPercent: 100 },
} as const;
