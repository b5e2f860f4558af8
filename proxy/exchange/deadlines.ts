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

/** A ticket that is nobody's. */
const none = -1;

/**
 * The deadlines of all exchanges of one listener, with one timer for them all. Those that end at about the same time share a
 * slot, so that there are few: a long timeout is rounded more than a short one. Adding and removing cost a look into a map.
 *
 * Who waits has a ticket, a place in these arrays, and those of one slot are a ring: a Set per slot would be one of those
 * tables that keep alive what was in them (`proxy/http2/open-streams.ts`).
 */
export class Deadlines {
  readonly #clock: Clock;
  /** The first ticket of each slot, by its time. */
  readonly #slots = new Map<number, number>();
  /** By ticket: who waits, the time of its slot, and its neighbours in the ring. */
  readonly #owners: (Expiring | undefined)[] = [];
  readonly #slotMs: number[] = [];
  readonly #next: number[] = [];
  readonly #previous: number[] = [];
  /** Tickets that are nobody's, each linked to the next by `#next`. */
  #free = none;
  #size = 0;
  #timer: Timer | undefined;
  #wakeMs = Number.POSITIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#size;
  }

  /** Returns a ticket, from 0 on, which `remove` wants back and which ends with the call of `onDeadline`. `timeoutMs` is more than 0. */
  add(timeoutMs: number, one: Expiring): number {
    const bounded = Math.min(timeoutMs, longestMs);
    const granularityMs = Math.max(finestMs, 2 ** Math.floor(Math.log2(bounded / slotsPerTimeout)));
    const slotMs = Math.ceil((this.#clock.monotonicMs() + bounded) / granularityMs) * granularityMs;
    const ticket = this.#takeTicket();
    this.#owners[ticket] = one;
    this.#slotMs[ticket] = slotMs;
    this.#size++;
    const first = this.#slots.get(slotMs);
    if (first === undefined) {
      this.#slots.set(slotMs, ticket);
      this.#link(ticket, ticket);
    } else {
      this.#link(this.#previous[first] ?? none, ticket);
      this.#link(ticket, first);
    }
    if (slotMs < this.#wakeMs) this.#sleepUntil(slotMs);
    return ticket;
  }

  /** Takes a deadline back; nothing where the ticket is not this one's any more. */
  remove(ticket: number, one: Expiring): void {
    if (this.#owners[ticket] !== one) return;
    this.#release(ticket);
    // The timer for a slot that is gone wakes once for nothing: cheaper than to look for the next one at every removal.
    if (this.#size === 0) this.stop();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#wakeMs = Number.POSITIVE_INFINITY;
    for (const first of [...this.#slots.values()]) this.#clear(first, () => undefined);
  }

  #takeTicket(): number {
    const ticket = this.#free;
    if (ticket === none) return this.#owners.length;
    this.#free = this.#next[ticket] ?? none;
    return ticket;
  }

  #link(before: number, after: number): void {
    this.#next[before] = after;
    this.#previous[after] = before;
  }

  #release(ticket: number): void {
    const slotMs = this.#slotMs[ticket] ?? 0;
    const next = this.#next[ticket] ?? none;
    if (next === ticket) this.#slots.delete(slotMs);
    else {
      this.#link(this.#previous[ticket] ?? none, next);
      if (this.#slots.get(slotMs) === ticket) this.#slots.set(slotMs, next);
    }
    this.#owners[ticket] = undefined;
    this.#next[ticket] = this.#free;
    this.#free = ticket;
    this.#size--;
  }

  /** Empties the slot of this first ticket, one by one: who is taken back meanwhile is not told. */
  #clear(first: number, tell: (one: Expiring) => void): void {
    const slotMs = this.#slotMs[first] ?? 0;
    for (let ticket: number | undefined = first; ticket !== undefined; ticket = this.#slots.get(slotMs)) {
      const one = this.#owners[ticket];
      this.#release(ticket);
      if (one !== undefined) tell(one);
    }
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
    for (const [slotMs] of [...this.#slots]) {
      const first = slotMs > nowMs ? undefined : this.#slots.get(slotMs);
      if (first !== undefined) this.#clear(first, (one) => one.onDeadline());
    }
    let nextMs = Number.POSITIVE_INFINITY;
    for (const slotMs of this.#slots.keys()) nextMs = Math.min(nextMs, slotMs);
    if (nextMs < this.#wakeMs) this.#sleepUntil(nextMs);
  }
}
