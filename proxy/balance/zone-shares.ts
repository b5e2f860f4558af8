export interface Zone {
  readonly name: string;
  /** Sum of the weights of its healthy candidates. */
  readonly healthyWeight: number;
}

/**
 * Envoy's zone-aware routing, for callers that are taken to be spread evenly over the zones that have endpoints (those that are unknown
 * aside): of Z zones each owes the callers in it 1/Z of the healthy capacity. With as much or more our zone takes all of our load. With a
 * smaller share of the capacity it takes Z times that share, and the rest goes to the zones that have more than 1/Z, in
 * proportion to what they have more. So every endpoint gets about the same, and no more leaves a zone than must.
 *
 * Undefined when no zone is to be preferred: ours has no endpoints, or is the only one.
 */
export function zoneShares(zones: readonly Zone[], localZone: string): readonly number[] | undefined {
  const known = zones.filter(({ name }) => name !== "");
  if (known.length < 2 || !known.some(({ name }) => name === localZone)) return undefined;
  const capacity = zones.reduce((sum, { healthyWeight }) => sum + healthyWeight, 0);
  if (capacity === 0) return undefined;
  const fair = 1 / known.length;
  const shares = zones.map(({ healthyWeight }) => healthyWeight / capacity);
  const local = Math.min(1, (shares[zones.findIndex(({ name }) => name === localZone)] ?? 0) / fair);
  const spare = zones.map(({ name }, i) =>
    // Those in no known zone owe nobody anything.
    name === localZone ? 0 : Math.max(0, (shares[i] ?? 0) - (name === "" ? 0 : fair)),
  );
  const allSpare = spare.reduce((a, b) => a + b, 0);
  return zones.map(({ name }, i) =>
    name === localZone ? local : allSpare === 0 ? 0 : ((1 - local) * (spare[i] ?? 0)) / allSpare,
  );
}
