/** What a balancer looks at. */
export interface Candidate {
  readonly weight: number;
  /** Requests or connections under way. */
  readonly activeCount: number;
  /** A connection attempt has failed a moment ago: chosen only when nothing else is left. */
  readonly isSuspect: boolean;
}

/**
 * Least request among two random choices, weighted by load per weight (Mitzenmacher, "The power of two choices"): as good
 * as looking at all of them, at constant cost. Suspects and candidates in `excluded` are left out while others remain.
 */
export function pickLeastRequest<T extends Candidate>(
  candidates: readonly T[],
  excluded: ReadonlySet<T>,
  random: () => number,
): T | undefined {
  const first = candidates[0];
  if (candidates.length === 1 && first !== undefined) return excluded.has(first) ? undefined : first;
  const a = candidates[Math.floor(random() * candidates.length)];
  const b = candidates[Math.floor(random() * candidates.length)];
  const isUsable = (candidate: T | undefined): candidate is T =>
    candidate !== undefined && !candidate.isSuspect && !excluded.has(candidate);
  if (isUsable(a) && isUsable(b)) return loadOf(b) < loadOf(a) ? b : a;
  if (isUsable(a)) return a;
  if (isUsable(b)) return b;
  // Both choices were poor: look at everything, which happens only around failures.
  return leastLoaded(candidates.filter(isUsable)) ?? leastLoaded(candidates.filter((one) => !excluded.has(one)));
}

function loadOf(candidate: Candidate): number {
  return (candidate.activeCount + 1) / candidate.weight;
}

function leastLoaded<T extends Candidate>(candidates: readonly T[]): T | undefined {
  return candidates.reduce<T | undefined>(
    (best, candidate) => (best === undefined || loadOf(candidate) < loadOf(best) ? candidate : best),
    undefined,
  );
}
