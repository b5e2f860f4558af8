import type { RateLimit } from "./limits.ts";

/** A token bucket on a clock that is handed in. */
export class RateBucket {
  readonly #limit: RateLimit;
  #level: number;
  #updatedMs = -1;

  constructor(limit: RateLimit) {
    this.#limit = limit;
    this.#level = limit.burst;
  }

  /** Takes one; false when there is none left. */
  take(nowMs: number): boolean {
    if (this.#updatedMs < 0) this.#updatedMs = nowMs;
    if (this.#level < 1) {
      const refill = ((nowMs - this.#updatedMs) * this.#limit.perSecond) / 1000;
      if (refill > 0) {
        this.#level = Math.min(this.#limit.burst, this.#level + refill);
        this.#updatedMs = nowMs;
      }
      if (this.#level < 1) return false;
    }
    this.#level--;
    return true;
  }

  /** Something legitimate happened that allows the peer `count` more. */
  allow(count: number): void {
    this.#level = Math.min(this.#limit.burst, this.#level + count);
  }
}
