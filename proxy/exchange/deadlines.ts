import type { Clock, Timer } from "../../lib/base/clock.ts";

export interface Expiring {
  onDeadline(): void;
}

/** Deadlines are met within this, or within a 32nd of their time, whichever is more; never early. */
const finestMs = 8;
const slotsPerTimeout = 32;
/** Longer ones are as good as none: 24 days. */
const longestMs = 2 ** 31;
/** The longest that the timer sleeps: timers of the system overflow where ours do not. */
const longestSleepMs = 3_600_000;

/**
 * The deadlines of all exchanges of one listener, with one timer for them all. Those that end at about the same time share a
 * slot, so that there are few: a long timeout is rounded more than a short one. Adding and removing cost a look into a map.
 */
export class Deadlines {
  readonly #clock: Clock;
  readonly #slots = new Map<number, Set<Expiring>>();
  #timer: Timer | undefined;
  #wakeMs = Number.POSITIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    let count = 0;
    for (const slot of this.#slots.values()) count += slot.size;
    return count;
  }

  /** Returns the slot, which `remove` wants back. `timeoutMs` is more than 0. */
  add(timeoutMs: number, one: Expiring): number {
    const bounded = Math.min(timeoutMs, longestMs);
    const granularityMs = Math.max(finestMs, 2 ** Math.floor(Math.log2(bounded / slotsPerTimeout)));
    const slotMs = Math.ceil((this.#clock.monotonicMs() + bounded) / granularityMs) * granularityMs;
    const slot = this.#slots.get(slotMs);
    if (slot === undefined) this.#slots.set(slotMs, new Set([one]));
    else slot.add(one);
    if (slotMs < this.#wakeMs) this.#sleepUntil(slotMs);
    return slotMs;
  }

  remove(slotMs: number, one: Expiring): void {
    const slot = this.#slots.get(slotMs);
    if (slot === undefined) return;
    slot.delete(one);
    if (slot.size > 0) return;
    this.#slots.delete(slotMs);
    // The timer for a slot that is gone wakes once for nothing: cheaper than to look for the next one at every removal.
    if (this.#slots.size === 0) this.stop();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#wakeMs = Number.POSITIVE_INFINITY;
    this.#slots.clear();
  }

  #sleepUntil(slotMs: number): void {
    this.#timer?.cancel();
    this.#wakeMs = slotMs;
    const leftMs = Math.max(0, slotMs - this.#clock.monotonicMs());
    this.#timer = this.#clock.after(Math.min(leftMs, longestSleepMs), () => this.#wake());
  }

  #wake(): void {
    const nowMs = this.#clock.monotonicMs();
    this.#timer = undefined;
    this.#wakeMs = Number.POSITIVE_INFINITY;
    for (const [slotMs, slot] of [...this.#slots]) {
      if (slotMs > nowMs) continue;
      // In place, so that who is taken back meanwhile is not told.
      for (const one of slot) one.onDeadline();
      this.#slots.delete(slotMs);
    }
    let nextMs = Number.POSITIVE_INFINITY;
    for (const slotMs of this.#slots.keys()) nextMs = Math.min(nextMs, slotMs);
    if (nextMs < this.#wakeMs) this.#sleepUntil(nextMs);
  }
}
