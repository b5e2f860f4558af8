import { mustGet } from "../../lib/base/assert.ts";
import type { BalancerConfig } from "../../lib/contract/proxy-cluster.ts";
import type { Candidate, Gate, Policy } from "./candidate.ts";
import { chanceOf, hashText } from "./text-hash.ts";

interface Member<T> {
  readonly candidate: T;
  readonly address: string;
  readonly hash: number;
  readonly offset: number;
  readonly skip: number;
}

/** Entries that may be passed over before everybody is looked at: that happens only around failures. */
const maxPassedOver = 512;

/**
 * Maglev hashing (Eisenbud et al., NSDI 2016, section 3.4): a table in which members take turns to fill the next free entry of
 * their own permutations, turns in proportion to weight; a key belongs to the member in its entry. More even than a ring, and a choice is
 * one look; when members change, a few more keys than theirs move. The table depends on the members only, so all proxies agree.
 *
 * It is built at the first choice after a change, 6 to 8 ms for 10,000 members in 65,537 entries. Who is unhealthy or was tried already stays in it: his
 * keys go on by a step of their own, and no others move.
 */
export class Maglev<T extends Candidate> implements Policy<T> {
  readonly #size: number;
  /** By hash and address: what has to be the same in all proxies. */
  readonly #members: Member<T>[] = [];
  readonly #byCandidate = new Map<T, Member<T>>();
  readonly #table: Int32Array;
  #isStale = false;

  constructor({ tableSize }: Pick<BalancerConfig, "tableSize">) {
    this.#size = tableSize;
    this.#table = new Int32Array(tableSize);
  }

  add(candidate: T): void {
    const { address } = candidate;
    const hash = hashText(address);
    const offset = hash % this.#size;
    const member = { candidate, address, hash, offset, skip: (hashText(address, 1) % (this.#size - 1)) + 1 };
    this.#members.splice(this.#placeOf(member), 0, member);
    this.#byCandidate.set(candidate, member);
    this.#isStale = true;
  }

  remove(candidate: T): void {
    const member = mustGet(this.#byCandidate.get(candidate), "only what was added is removed");
    this.#byCandidate.delete(candidate);
    this.#members.splice(this.#placeOf(member), 1);
    this.#isStale = true;
  }

  reweigh(): void {
    this.#isStale = true;
  }

  pick(gate: Gate<T>, hash: number): T | undefined {
    if (this.#members.length === 0) return undefined;
    if (this.#isStale) this.#build();
    let at = hash % this.#size;
    let step = 0;
    for (let passedOver = 0; passedOver < Math.min(this.#size, maxPassedOver); passedOver++) {
      const member = this.#members[this.#table[at] ?? 0];
      if (member !== undefined && gate.admits(member.candidate, chanceOf(hash, member.hash))) return member.candidate;
      if (step === 0) step = 1 + Math.floor(chanceOf(hash, 0) * (this.#size - 1));
      at = (at + step) % this.#size;
    }
    for (const { candidate } of this.#members) if (gate.admits(candidate, 0)) return candidate;
    return undefined;
  }

  #placeOf(member: Member<T>): number {
    let low = 0;
    let high = this.#members.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = this.#members[middle];
      const isBefore =
        other !== undefined &&
        (other.hash < member.hash || (other.hash === member.hash && other.address < member.address));
      if (isBefore) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Turn k of a member comes in round ceil(k x heaviest / weight): a queue of members per round, so that the light cost nothing between. */
  #build(): void {
    this.#isStale = false;
    const size = this.#size;
    const members = this.#members;
    const table = this.#table;
    // A bit for each entry that is filled: of the many looks at it that there are, all are in the nearest cache.
    const isFilled = new Int32Array((size >> 5) + 1);
    let heaviest = 1;
    for (const { candidate } of members) heaviest = Math.max(heaviest, candidate.weight);
    const positions = Int32Array.from(members, ({ offset }) => offset);
    const skips = Int32Array.from(members, ({ skip }) => skip);
    const periods = Float64Array.from(members, ({ candidate }) => heaviest / candidate.weight);
    const turns = new Int32Array(members.length);
    const following = new Int32Array(members.length);
    const queues = new Int32Array(size + 2).fill(-1);
    const enqueue = (i: number): void => {
      const turn = (turns[i] ?? 0) + 1;
      turns[i] = turn;
      const round = Math.ceil(turn * (periods[i] ?? 1));
      if (round > size) return;
      following[i] = queues[round] ?? -1;
      queues[round] = i;
    };
    for (let i = members.length - 1; i >= 0; i--) enqueue(i);
    let filled = 0;
    for (let round = 1; round <= size && filled < size; round++) {
      let next = 0;
      for (let i = queues[round] ?? -1; i >= 0 && filled < size; i = next) {
        next = following[i] ?? -1;
        const skip = skips[i] ?? 1;
        let position = positions[i] ?? 0;
        while ((((isFilled[position >> 5] ?? 0) >>> (position & 31)) & 1) === 1) {
          position += skip;
          if (position >= size) position -= size;
        }
        table[position] = i;
        isFilled[position >> 5] = (isFilled[position >> 5] ?? 0) | (1 << (position & 31));
        filled++;
        position += skip;
        positions[i] = position >= size ? position - size : position;
        enqueue(i);
      }
    }
  }
}
