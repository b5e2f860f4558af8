/** How many candidates a failover group has. */
export interface GroupHealth {
  readonly total: number;
  readonly healthy: number;
}

export interface FailoverRules {
  readonly overprovisioningPercent: number;
  readonly panicThresholdPercent: number;
}

export interface FailoverLoads {
  /** Share of the load for each group, 1 in sum, or nothing for anybody. */
  readonly loads: readonly number[];
  /** Groups in which health is ignored. */
  readonly panics: readonly boolean[];
}

/**
 * Envoy's priority levels: a group can take its healthy share times the overprovisioning factor, at most all; what one cannot
 * take goes to the next. When all of them together cannot take everything, each takes in proportion, and those whose healthy share is
 * below the panic threshold ignore health. When all are below it, the load goes by number of candidates.
 */
export function failoverLoads(groups: readonly GroupHealth[], rules: FailoverRules): FailoverLoads {
  const factor = rules.overprovisioningPercent / 100;
  const capacities = groups.map(({ total, healthy }) => (total === 0 ? 0 : Math.min(1, (healthy / total) * factor)));
  const sum = capacities.reduce((a, b) => a + b, 0);
  const threshold = rules.panicThresholdPercent / 100;
  const panics = groups.map(({ total, healthy }) => sum < 1 && total > 0 && healthy / total < threshold);
  if (groups.every(({ total }, i) => total === 0 || panics[i] === true)) {
    const everybody = groups.reduce((count, { total }) => count + total, 0);
    return { loads: groups.map(({ total }) => (everybody === 0 ? 0 : total / everybody)), panics };
  }
  let left = 1;
  const loads = capacities.map((capacity) => {
    const load = sum === 0 ? 0 : Math.min(left, capacity / Math.min(1, sum));
    left -= load;
    return load;
  });
  return { loads, panics };
}

/** The group that `chance` in [0, 1) falls on; -1 when there is no load for anybody. */
export function chooseByLoad(loads: readonly number[], chance: number): number {
  let chosen = -1;
  for (let i = 0; i < loads.length; i++) {
    const load = loads[i] ?? 0;
    if (load === 0) continue;
    if (chance < load) return i;
    chance -= load;
    chosen = i;
  }
  return chosen;
}
