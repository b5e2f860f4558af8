import { mustGet } from "../../lib/base/assert.ts";
import type { Candidate, Gate, Policy } from "./candidate.ts";

interface Entry<T> {
  readonly candidate: T;
  /** Virtual time at which its turn is. */
  dueAt: number;
  period: number;
  position: number;
}

/** Turns that may be passed over before everybody is looked at: that happens only around failures. */
const maxPassedOver = 16;
/** Virtual time starts again from here, so that it stays exact. */
const maxVirtualTime = 2 ** 20;

/**
 * Takes turns, weighted and smooth: each has its turn once in a period of 1 / weight, the earliest first, from a heap. Turns are as evenly
 * spread as with nginx's smooth weighted round robin, for O(log n) instead of O(n). Everybody begins at a random point of its
 * period, or all proxies of a mesh would send their first requests to the same endpoint.
 */
export class RoundRobin<T extends Candidate> implements Policy<T> {
  readonly #heap: Entry<T>[] = [];
  readonly #entries = new Map<T, Entry<T>>();
  readonly #random: () => number;
  #now = 0;

  constructor(random: () => number) {
    this.#random = random;
  }

  add(candidate: T): void {
    const period = 1 / candidate.weight;
    const entry = { candidate, period, dueAt: this.#now + period * this.#random(), position: this.#heap.length };
    this.#entries.set(candidate, entry);
    this.#heap.push(entry);
    this.#siftUp(entry);
  }

  remove(candidate: T): void {
    const entry = mustGet(this.#entries.get(candidate), "only what was added is removed");
    this.#entries.delete(candidate);
    const last = mustGet(this.#heap.pop(), "it has the one to be removed");
    if (last === entry) return;
    this.#place(last, entry.position);
    this.#siftUp(last);
    this.#siftDown(last);
  }

  reweigh(candidate: T): void {
    const entry = mustGet(this.#entries.get(candidate), "only what was added is weighed");
    const period = 1 / candidate.weight;
    // What is left of its period stays the same share of it.
    entry.dueAt = this.#now + (entry.dueAt - this.#now) * (period / entry.period);
    entry.period = period;
    this.#siftUp(entry);
    this.#siftDown(entry);
  }

  pick(gate: Gate<T>): T | undefined {
    for (let passedOver = 0; passedOver < maxPassedOver; passedOver++) {
      const entry = this.#heap[0];
      if (entry === undefined) return undefined;
      const { candidate } = entry;
      this.#takeTurn(entry);
      if (gate.admits(candidate, candidate.joinedAtMs < 0 ? 0 : this.#random())) return candidate;
    }
    let next: Entry<T> | undefined;
    for (const entry of this.#heap) {
      if ((next === undefined || entry.dueAt < next.dueAt) && gate.admits(entry.candidate, 0)) next = entry;
    }
    if (next !== undefined) this.#takeTurn(next);
    return next?.candidate;
  }

  #takeTurn(entry: Entry<T>): void {
    this.#now = Math.max(this.#now, this.#heap[0]?.dueAt ?? 0);
    entry.dueAt = Math.max(entry.dueAt, this.#now) + entry.period;
    this.#siftDown(entry);
    if (this.#now < maxVirtualTime) return;
    for (const each of this.#heap) each.dueAt -= this.#now;
    this.#now = 0;
  }

  #place(entry: Entry<T>, position: number): void {
    this.#heap[position] = entry;
    entry.position = position;
  }

  #siftUp(entry: Entry<T>): void {
    let { position } = entry;
    while (position > 0) {
      const above = (position - 1) >> 1;
      const parent = this.#heap[above];
      if (parent === undefined || parent.dueAt <= entry.dueAt) break;
      this.#place(parent, position);
      position = above;
    }
    this.#place(entry, position);
  }

  #siftDown(entry: Entry<T>): void {
    let { position } = entry;
    for (;;) {
      const below = 2 * position + 1;
      const left = this.#heap[below];
      const right = this.#heap[below + 1];
      const child = right !== undefined && left !== undefined && right.dueAt < left.dueAt ? right : left;
      if (child === undefined || child.dueAt >= entry.dueAt) break;
      const next = child.position;
      this.#place(child, position);
      position = next;
    }
    this.#place(entry, position);
  }
}
