import type { Clock } from "../../../lib/base/clock.ts";
import type { FaultConfig } from "../../../lib/contract/proxy-fault.ts";

/** How long a fault is injected: a forgotten one ends by itself. */
export class FaultTerm {
  readonly #clock: Clock;
  /** By the wall clock. */
  readonly #expiresAtMs: number;
  /** By the monotonic one. */
  readonly #ttlEndMs: number;

  /** Begins now. */
  constructor({ expiresAt, ttlMs }: Pick<FaultConfig, "expiresAt" | "ttlMs">, clock: Clock) {
    this.#clock = clock;
    this.#expiresAtMs = expiresAt === undefined ? Number.POSITIVE_INFINITY : Date.parse(expiresAt);
    this.#ttlEndMs = ttlMs === undefined ? Number.POSITIVE_INFINITY : clock.monotonicMs() + ttlMs;
  }

  get isOver(): boolean {
    return this.#clock.nowMs() >= this.#expiresAtMs || this.#clock.monotonicMs() >= this.#ttlEndMs;
  }
}
