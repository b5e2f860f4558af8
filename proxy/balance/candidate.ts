import type { LatencyEstimate } from "./latency-estimate.ts";

/** What a balancer looks at. Times are those of the balancer's clock. */
export interface Candidate {
  /** Names it for hashing: one byte per character. */
  readonly address: string;
  /** A whole number from 1. */
  readonly weight: number;
  readonly zone: string;
  /** Failover group: 0 is used first. */
  readonly priority: number;
  readonly tags: Readonly<Record<string, string>>;
  /** False when health checks or outlier detection have taken it out. */
  readonly isHealthy: boolean;
  /** Requests or connections under way. */
  readonly activeCount: number;
  /** A connection attempt has failed a moment ago: chosen only when nothing else is left. */
  readonly isSuspect: boolean;
  /** Until then it has asked to be left alone: passed over while others remain. */
  readonly backoffUntilMs: number;
  /** When it joined, for slow start; -Infinity for one that was there from the beginning. */
  readonly joinedAtMs: number;
  readonly latency: LatencyEstimate;
}

/** Candidates that must not be chosen, as they have been tried. */
export type Excluded<T> = Pick<ReadonlySet<T>, "size" | "has">;

/** Chooses among the candidates of one group. Both calls of a change are cheap: no more than O(log n), or put off until the next choice. */
export interface Policy<T extends Candidate> {
  add(candidate: T): void;
  remove(candidate: T): void;
  /** Its weight is another one. */
  reweigh(candidate: T): void;
  /** One that the gate admits, if there is any. `hash` is unsigned, 32 bits; policies that do not hash ignore it. */
  pick(gate: Gate<T>, hash: number): T | undefined;
}

/** Says who may be chosen now. */
export interface Gate<T> {
  /** `chance`, in [0, 1), decides about one in slow start: of equally distributed ones its present share passes. 0 always does. */
  admits(candidate: T, chance: number): boolean;
  nowMs(): number;
}
