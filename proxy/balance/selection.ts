import type { BalancerConfig } from "../../lib/contract/proxy-cluster.ts";
import type { Candidate, Policy } from "./candidate.ts";
import { type ChoiceGate, laxest, strictest } from "./choice-gate.ts";
import { FailoverGroup } from "./failover-group.ts";
import { chooseByLoad, failoverLoads } from "./failover.ts";
import type { Placement } from "./group.ts";
import { chanceOf } from "./text-hash.ts";

/** What the chances for priority and zone are asked about, where a hash decides. */
const aboutPriority = 101;
const aboutZone = 102;

/** Where a candidate stands among the others. */
export interface Place {
  /** Of all requests, the share of its failover group, 0 to 1. */
  readonly load: number;
  /** Of those, the share of its zone; undefined where no zone is preferred. */
  readonly zoneShare: number | undefined;
  /** Its group is in panic. */
  readonly ignoresHealth: boolean;
}

/** Candidates to choose from, all of them or a subset: failover groups in order, and which of them a request goes to. */
export class Selection<T extends Candidate> {
  readonly #config: BalancerConfig;
  readonly #random: () => number;
  readonly #isHashing: boolean;
  /** By priority; none is empty. */
  readonly #groups: FailoverGroup<T>[] = [];
  #loads: readonly number[] = [];
  #size = 0;
  #isUnsettled = true;
  /** The only structure there is to choose from, where neither failover nor zones have a say: the usual case. */
  #only: Policy<T> | undefined;
  #isOnlyPanicking = false;

  constructor(config: BalancerConfig, options: { readonly random: () => number; readonly isHashing: boolean }) {
    this.#config = config;
    this.#random = options.random;
    this.#isHashing = options.isHashing;
  }

  get isEmpty(): boolean {
    return this.#size === 0;
  }

  add(candidate: T, placement: Placement): void {
    this.#isUnsettled = true;
    this.#size++;
    let group = this.#groups.find(({ priority }) => priority === placement.priority);
    if (group === undefined) {
      group = new FailoverGroup(placement.priority, this.#config, this.#random);
      this.#groups.push(group);
      this.#groups.sort((a, b) => a.priority - b.priority);
    }
    group.add(candidate, placement);
  }

  remove(candidate: T, placement: Placement): void {
    this.#isUnsettled = true;
    this.#size--;
    const at = this.#groups.findIndex(({ priority }) => priority === placement.priority);
    const group = this.#groups[at];
    group?.remove(candidate, placement);
    if (group?.everybody.total === 0) this.#groups.splice(at, 1);
  }

  /** In one of the groups so few are healthy that health is ignored. */
  get isPanicking(): boolean {
    if (this.#isUnsettled) this.#settle();
    return this.#groups.some((group) => group.isPanicking);
  }

  /** Weight or health of a member are others. */
  refresh(candidate: T, placement: Placement): void {
    this.#isUnsettled = true;
    this.#groups.find(({ priority }) => priority === placement.priority)?.refresh(candidate, placement);
  }

  /** What falls on a failover group and on one of its zones. */
  placeOf(priority: number, zone: string): Place | undefined {
    if (this.#isUnsettled) this.#settle();
    const at = this.#groups.findIndex((group) => group.priority === priority);
    const group = this.#groups[at];
    if (group === undefined) return undefined;
    return { load: this.#loads[at] ?? 0, zoneShare: group.shareOf(zone), ignoresHealth: group.isPanicking };
  }

  pick(gate: ChoiceGate<T>, hash: number): T | undefined {
    if (this.#isUnsettled) this.#settle();
    if (this.#only !== undefined) {
      gate.ignoresHealth = this.#isOnlyPanicking;
      gate.laxity = this.#size === 1 ? laxest : strictest;
      const found = this.#only.pick(gate, hash);
      if (found !== undefined) return found;
    }
    const chosen = this.#groups.length > 1 ? chooseByLoad(this.#loads, this.#chance(hash, aboutPriority)) : 0;
    const first = this.#groups[chosen];
    if (first === undefined) return undefined;
    // Of one there is nothing to choose.
    for (gate.laxity = this.#size === 1 ? laxest : strictest; gate.laxity <= laxest; gate.laxity++) {
      const found = this.#pickFrom(first, gate, hash) ?? this.#pickFromOthers(first, gate, hash);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #pickFrom(group: FailoverGroup<T>, gate: ChoiceGate<T>, hash: number): T | undefined {
    gate.ignoresHealth = group.isPanicking;
    return group.pick(gate, hash, group.prefersZone ? this.#chance(hash, aboutZone) : 0);
  }

  #pickFromOthers(first: FailoverGroup<T>, gate: ChoiceGate<T>, hash: number): T | undefined {
    for (const group of this.#groups) {
      const found = group === first ? undefined : this.#pickFrom(group, gate, hash);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Where a hash decides it decides everything, so that a key stays where it is. */
  #chance(hash: number, about: number): number {
    return this.#isHashing ? chanceOf(hash, about) : this.#random();
  }

  #settle(): void {
    this.#isUnsettled = false;
    const { loads, panics } = failoverLoads(
      this.#groups.map(({ everybody }) => everybody),
      this.#config,
    );
    this.#loads = loads;
    for (const [i, group] of this.#groups.entries()) group.settle(panics[i] === true);
    const [first, second] = this.#groups;
    const isOnly = first !== undefined && second === undefined && !first.prefersZone;
    this.#only = isOnly ? first.everybody.policy : undefined;
    this.#isOnlyPanicking = panics[0] === true;
  }
}
