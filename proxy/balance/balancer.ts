/**
 * Chooses the endpoint for a request: the door of this folder. A `Balancer` holds the candidates of one cluster and is told when one
 * of them has changed; everything is pure, with clock and random handed in.
 *
 * A choice goes: subset -> failover group -> zone -> policy. Of those the policy draws, whoever has been tried, is unhealthy, cannot be
 * reached, has asked to be left alone, or is in slow start and not due is passed over (`choice-gate.ts`), for as long as others remain:
 * first in the group chosen, then in the others; then also those who asked to be left alone; then also those who could not be reached.
 */
import type { BalancerConfig } from "../../lib/contract/proxy-cluster.ts";
import type { Candidate, Excluded } from "./candidate.ts";
import { ChoiceGate } from "./choice-gate.ts";
import type { Placement } from "./group.ts";
import { isHashing } from "./policies.ts";
import { type Place, Selection } from "./selection.ts";
import type { SubsetSelector } from "./subset.ts";

export interface BalancerOptions {
  /** Milliseconds that never go back, from 0 on. */
  readonly nowMs: () => number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

/** Instead of a hash: nothing of the request is to be hashed. */
export const noHash = -1;
/** Subsets kept ready; routes name a few. */
const maxSubsets = 1_000;

interface Entry<T extends Candidate> extends Placement {
  readonly tags: T["tags"];
}

export class Balancer<T extends Candidate> {
  readonly #options: BalancerOptions;
  readonly #gate: ChoiceGate<T>;
  #config: BalancerConfig;
  #isHashing: boolean;
  #records = new Map<T, Entry<T>>();
  #all: Selection<T>;
  readonly #subsets = new Map<string, { readonly selector: SubsetSelector; readonly selection: Selection<T> }>();

  constructor(config: BalancerConfig, options: BalancerOptions) {
    this.#options = options;
    this.#config = config;
    this.#isHashing = isHashing(config);
    this.#gate = new ChoiceGate<T>(options.nowMs, config, new Set<T>());
    this.#all = this.#createSelection();
  }

  /** Takes other settings, if they are: then everything is built anew. */
  configure(config: BalancerConfig): void {
    if (JSON.stringify(config) === JSON.stringify(this.#config)) return;
    this.#config = config;
    this.#isHashing = isHashing(config);
    this.#gate.configure(config);
    this.#subsets.clear();
    this.#all = this.#createSelection();
    for (const [candidate, record] of this.#records) this.#all.add(candidate, record);
  }

  /** Makes `candidates` the ones to choose from. Costs as much as there are, and little for those that are as they were. */
  update(candidates: readonly T[]): void {
    if (this.#records.size > 0) {
      const staying = new Set(candidates);
      for (const candidate of this.#records.keys()) if (!staying.has(candidate)) this.remove(candidate);
    }
    for (const candidate of candidates) this.changed(candidate);
  }

  remove(candidate: T): void {
    const record = this.#records.get(candidate);
    if (record === undefined) return;
    this.#records.delete(candidate);
    this.#all.remove(candidate, record);
    for (const { selector, selection } of this.#subsets.values()) {
      if (selector.matches(record.tags)) selection.remove(candidate, record);
    }
  }

  /** One is there, new or with another weight, zone, priority, health or tags. */
  changed(candidate: T): void {
    const before = this.#records.get(candidate);
    const { weight, zone, priority, isHealthy, tags } = candidate;
    if (before !== undefined) {
      const isMoved = before.zone !== zone || before.priority !== priority || before.tags !== tags;
      if (!isMoved && before.weight === weight && before.isHealthy === isHealthy) return;
      if (isMoved) this.remove(candidate);
    }
    const record = { weight, zone, priority, isHealthy, tags };
    const isNew = !this.#records.has(candidate);
    this.#records.set(candidate, record);
    this.#place(this.#all, candidate, record, isNew);
    for (const { selector, selection } of this.#subsets.values()) {
      if (selector.matches(tags)) this.#place(selection, candidate, record, isNew);
    }
  }

  /** So few are healthy, in one of the failover groups, that health is ignored there. */
  get isPanicking(): boolean {
    return this.#all.isPanicking;
  }

  /** `hash` is unsigned, 32 bits, or {@link noHash}. Undefined when nobody may be chosen. */
  pick(excluded: Excluded<T>, hash: number = noHash, subset?: SubsetSelector): T | undefined {
    this.#gate.begin(excluded);
    const selection = subset === undefined ? this.#all : this.#selectionFor(subset);
    const point = this.#isHashing && hash < 0 ? Math.floor(this.#options.random() * 0x1_0000_0000) : hash;
    return selection.pick(this.#gate, point);
  }

  /** Whether `candidate` is one of those that are chosen from for `subset`. */
  admits(candidate: T, subset: SubsetSelector): boolean {
    return subset.matches(candidate.tags) || this.#selectionFor(subset) === this.#all;
  }

  /** Where `candidate` is chosen now; undefined where it is not among those of `subset`. */
  placeOf({ priority, zone, tags }: T, subset?: SubsetSelector): Place | undefined {
    const selection = subset === undefined ? this.#all : this.#selectionFor(subset);
    if (selection !== this.#all && subset?.matches(tags) === false) return undefined;
    return selection.placeOf(priority, zone);
  }

  #selectionFor(subset: SubsetSelector): Selection<T> {
    const selection = this.#subsetOf(subset);
    return selection.isEmpty && subset.fallback === "any-endpoint" ? this.#all : selection;
  }

  #place(selection: Selection<T>, candidate: T, record: Entry<T>, isNew: boolean): void {
    if (isNew) selection.add(candidate, record);
    else selection.refresh(candidate, record);
  }

  #subsetOf(selector: SubsetSelector): Selection<T> {
    const known = this.#subsets.get(selector.key);
    if (known !== undefined) return known.selection;
    // Routes that named the others may be gone: whoever is still named comes back.
    if (this.#subsets.size >= maxSubsets) this.#subsets.clear();
    const selection = this.#createSelection();
    for (const [candidate, record] of this.#records) {
      if (selector.matches(record.tags)) selection.add(candidate, record);
    }
    this.#subsets.set(selector.key, { selector, selection });
    return selection;
  }

  #createSelection(): Selection<T> {
    return new Selection<T>(this.#config, { random: this.#options.random, isHashing: this.#isHashing });
  }
}
