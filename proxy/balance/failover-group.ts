import type { BalancerConfig } from "../../lib/contract/proxy-cluster.ts";
import type { Candidate, Gate } from "./candidate.ts";
import { chooseByLoad } from "./failover.ts";
import { Group, type Placement } from "./group.ts";
import { zoneShares } from "./zone-shares.ts";

/** The candidates of one priority: all together, and by zone where one zone is preferred. */
export class FailoverGroup<T extends Candidate> {
  readonly priority: number;
  readonly everybody: Group<T>;
  readonly #config: BalancerConfig;
  readonly #random: () => number;
  readonly #zones = new Map<string, Group<T>>();
  /** Those of `#zones` in order, and the share of each; none when no zone is preferred now. */
  #zoneGroups: readonly Group<T>[] = [];
  #shares: readonly number[] = [];
  #isPanicking = false;

  constructor(priority: number, config: BalancerConfig, random: () => number) {
    this.priority = priority;
    this.#config = config;
    this.#random = random;
    this.everybody = new Group(config, random);
  }

  get isPanicking(): boolean {
    return this.#isPanicking;
  }

  get prefersZone(): boolean {
    return this.#shares.length > 0;
  }

  /** Of the group's load; undefined where no zone is preferred. */
  shareOf(zone: string): number | undefined {
    if (!this.prefersZone) return undefined;
    return this.#shares[[...this.#zones.keys()].indexOf(zone)] ?? 0;
  }

  add(candidate: T, placement: Placement): void {
    this.everybody.add(candidate, placement);
    if (this.#config.localZone === "") return;
    let zone = this.#zones.get(placement.zone);
    if (zone === undefined) {
      zone = new Group(this.#config, this.#random);
      this.#zones.set(placement.zone, zone);
    }
    zone.add(candidate, placement);
  }

  remove(candidate: T, { zone }: Placement): void {
    this.everybody.remove(candidate);
    const group = this.#zones.get(zone);
    group?.remove(candidate);
    if (group?.total === 0) this.#zones.delete(zone);
  }

  refresh(candidate: T, placement: Placement): void {
    this.everybody.refresh(candidate, placement);
    this.#zones.get(placement.zone)?.refresh(candidate, placement);
  }

  /** Something has changed: works out which share of the load each zone gets. */
  settle(isPanicking: boolean): void {
    this.#isPanicking = isPanicking;
    this.everybody.setIgnoresHealth(isPanicking);
    this.#shares = [];
    // In panic the numbers that zones go by mean nothing.
    if (isPanicking || this.everybody.total < this.#config.minZoneEndpoints || this.#zones.size < 2) return;
    this.#zoneGroups = [...this.#zones.values()];
    const zones = [...this.#zones].map(([name, { healthyWeight }]) => ({ name, healthyWeight }));
    this.#shares = zoneShares(zones, this.#config.localZone) ?? [];
  }

  /** `chance`, in [0, 1), chooses the zone. */
  pick(gate: Gate<T>, hash: number, chance: number): T | undefined {
    const zone = this.#zoneGroups[chooseByLoad(this.#shares, chance)];
    return zone?.pick(gate, hash) ?? this.everybody.pick(gate, hash);
  }
}
