import type { BalancerConfig } from "../../lib/contract/proxy-cluster.ts";
import type { Candidate, Gate, Policy } from "./candidate.ts";
import { createPolicy, isHashing } from "./policies.ts";

/** What a structure knows of a candidate: as it was when it was put there. */
export interface Placement {
  readonly weight: number;
  readonly zone: string;
  readonly priority: number;
  readonly isHealthy: boolean;
}

/** Candidates that are alike for failover and zones, with a policy over those of them that may be chosen. */
export class Group<T extends Candidate> {
  readonly #policy: Policy<T>;
  readonly #members = new Map<T, Placement>();
  /** Policies that hash pass over the unhealthy themselves; others do not have them. */
  readonly #keepsUnhealthy: boolean;
  #ignoresHealth = false;
  #healthyWeight = 0;
  #healthy = 0;

  constructor(config: BalancerConfig, random: () => number) {
    this.#policy = createPolicy(config, random);
    this.#keepsUnhealthy = isHashing(config);
  }

  get total(): number {
    return this.#members.size;
  }

  get healthy(): number {
    return this.#healthy;
  }

  get healthyWeight(): number {
    return this.#healthyWeight;
  }

  add(candidate: T, placement: Placement): void {
    this.#members.set(candidate, placement);
    this.#count(placement, 1);
    if (this.#isChosenFrom(placement)) this.#policy.add(candidate);
  }

  remove(candidate: T): void {
    const placement = this.#members.get(candidate);
    if (placement === undefined) return;
    this.#members.delete(candidate);
    this.#count(placement, -1);
    if (this.#isChosenFrom(placement)) this.#policy.remove(candidate);
  }

  /** Weight or health are others. */
  refresh(candidate: T, placement: Placement): void {
    const before = this.#members.get(candidate);
    if (before === undefined) return;
    this.#members.set(candidate, placement);
    this.#count(before, -1);
    this.#count(placement, 1);
    const was = this.#isChosenFrom(before);
    const is = this.#isChosenFrom(placement);
    if (was && !is) this.#policy.remove(candidate);
    else if (!was && is) this.#policy.add(candidate);
    else if (is && before.weight !== placement.weight) this.#policy.reweigh(candidate);
  }

  setIgnoresHealth(ignoresHealth: boolean): void {
    if (ignoresHealth === this.#ignoresHealth) return;
    this.#ignoresHealth = ignoresHealth;
    if (this.#keepsUnhealthy) return;
    for (const [candidate, { isHealthy }] of this.#members) {
      if (isHealthy) continue;
      if (ignoresHealth) this.#policy.add(candidate);
      else this.#policy.remove(candidate);
    }
  }

  get policy(): Policy<T> {
    return this.#policy;
  }

  pick(gate: Gate<T>, hash: number): T | undefined {
    return this.#policy.pick(gate, hash);
  }

  #isChosenFrom({ isHealthy }: Placement): boolean {
    return isHealthy || this.#ignoresHealth || this.#keepsUnhealthy;
  }

  #count({ isHealthy, weight }: Placement, by: 1 | -1): void {
    if (!isHealthy) return;
    this.#healthy += by;
    this.#healthyWeight += by * weight;
  }
}
