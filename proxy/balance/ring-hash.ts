import { mustGet } from "../../lib/base/assert.ts";
import type { BalancerConfig } from "../../lib/contract/proxy-cluster.ts";
import type { Candidate, Gate, Policy } from "./candidate.ts";
import { HashRing, type RingMember } from "./hash-ring.ts";
import { chanceOf } from "./text-hash.ts";

interface Member<T> extends RingMember {
  candidate: T | undefined;
  weight: number;
}

/** Points that may be passed over before everybody is looked at: that happens only around failures. */
const maxPassedOver = 512;

/**
 * Consistent hashing as Ketama's: a key belongs to the first point of the ring from its hash on, and who may not be chosen leaves
 * just his keys to those after him. Points per member are Envoy's: in proportion to weight, at least `minRingSize` in all, one per member
 * at least. The ring depends on the members only, not on how it came about, so all proxies agree.
 *
 * Changes are put off until the next choice, which takes in all of them in one pass over the ring.
 */
export class RingHash<T extends Candidate> implements Policy<T> {
  readonly #members = new Map<T, Member<T>>();
  readonly #ring = new HashRing<Member<T>>();
  readonly #settings: Pick<BalancerConfig, "minRingSize" | "maxRingSize">;
  /** Who has left since the last pass. */
  #leaving: Member<T>[] = [];
  #isStale = false;

  constructor(settings: Pick<BalancerConfig, "minRingSize" | "maxRingSize">) {
    this.#settings = settings;
  }

  /** Points of the ring. */
  get ringSize(): number {
    this.#refresh();
    return this.#ring.size;
  }

  add(candidate: T): void {
    const { address, weight } = candidate;
    this.#members.set(candidate, { candidate, address, weight, points: 0, target: 0, slot: -1 });
    this.#isStale = true;
  }

  remove(candidate: T): void {
    const member = mustGet(this.#members.get(candidate), "only what was added is removed");
    this.#members.delete(candidate);
    member.candidate = undefined;
    this.#leaving.push(member);
    this.#isStale = true;
  }

  reweigh(candidate: T): void {
    mustGet(this.#members.get(candidate), "only what was added is weighed").weight = candidate.weight;
    this.#isStale = true;
  }

  pick(gate: Gate<T>, hash: number): T | undefined {
    this.#refresh();
    const { size } = this.#ring;
    if (size === 0) return undefined;
    let at = this.#ring.find(hash);
    let last: T | undefined;
    for (let passedOver = 0; passedOver < Math.min(size, maxPassedOver); passedOver++) {
      const { candidate, slot } = this.#ring.ownerAt(at);
      if (candidate !== undefined && candidate !== last && gate.admits(candidate, chanceOf(hash, slot)))
        return candidate;
      last = candidate;
      at = at + 1 === size ? 0 : at + 1;
    }
    for (const candidate of this.#members.keys()) if (gate.admits(candidate, 0)) return candidate;
    return undefined;
  }

  #refresh(): void {
    if (!this.#isStale) return;
    this.#isStale = false;
    let total = 0;
    let least = Number.POSITIVE_INFINITY;
    for (const { weight } of this.#members.values()) {
      total += weight;
      if (weight < least) least = weight;
    }
    const { minRingSize, maxRingSize } = this.#settings;
    const size = Math.min((Math.ceil((least / total) * minRingSize) / least) * total, maxRingSize);
    const changed: Member<T>[] = [];
    for (const member of this.#members.values()) {
      member.target = Math.max(1, Math.round((size * member.weight) / total));
      if (member.target !== member.points) changed.push(member);
    }
    for (const member of this.#leaving) member.target = 0;
    changed.push(...this.#leaving);
    this.#leaving = [];
    this.#ring.apply(changed);
  }
}
