/**
 * Milliseconds during which the process could hear its peers. One that stood still (its machine paused, its core taken, a long
 * turn) finds all its timers due at once and what its peers sent long ago unread: they are not late, it is. Measured: 26
 * handshakes that had just been accepted refused together after five seconds without a core.
 */
export class AwakeTime {
  readonly #tickMs: number;
  #seenMs: number;
  #stoodStillMs = 0;

  /** `tickMs` is the time between two calls of `tick`. */
  constructor(nowMs: number, tickMs: number) {
    this.#seenMs = nowMs;
    this.#tickMs = tickMs;
  }

  /** As of the last tick. */
  get ms(): number {
    return this.#seenMs - this.#stoodStillMs;
  }

  /** A tick that is late by more than another one counts as one. */
  tick(nowMs: number): void {
    const lateMs = nowMs - this.#seenMs - this.#tickMs;
    if (lateMs > this.#tickMs) this.#stoodStillMs += lateMs;
    this.#seenMs = nowMs;
  }
}
