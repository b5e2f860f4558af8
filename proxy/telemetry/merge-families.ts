import type { Family, Sample } from "./exposition.ts";

/**
 * One set of metrics from those of several processes: counters, histogram buckets and most gauges added, others the highest or the
 * lowest. Also makes one series of those that stand twice in `own`, as while a listener drains and its address is taken again.
 */
export function mergeFamilies(own: readonly Family[], others: readonly (readonly Family[])[]): Family[] {
  return own.map((family) => {
    const merged = new Map<string, Sample>();
    const add = (sample: Sample): void => {
      const key = seriesKey(sample);
      const known = merged.get(key);
      const value = known === undefined ? sample.value : combine(family.merge, known.value, sample.value);
      merged.set(key, { ...sample, value });
    };
    for (const sample of family.samples) add(sample);
    for (const other of others) {
      for (const sample of other.find(({ name }) => name === family.name)?.samples ?? []) add(sample);
    }
    return { ...family, samples: [...merged.values()] };
  });
}

/** The counters of a process that is gone: without them the sums would fall, which looks like a restart of everything. */
export function countersOf(families: readonly Family[]): Family[] {
  return families.filter(({ type }) => type !== "gauge");
}

/** Leaves out what belongs to listeners that `live` no longer has. */
export function keepListeners(families: readonly Family[], live: readonly Family[]): Family[] {
  const listeners = new Set(live.flatMap(({ samples }) => samples.map(({ labels }) => labels["listener"])));
  return families.map((family) => ({
    ...family,
    samples: family.samples.filter(({ labels }) => listeners.has(labels["listener"])),
  }));
}

/** Of families with a budget leaves out the series that no process has now. */
export function keepBudgeted(families: readonly Family[], live: readonly (readonly Family[])[]): Family[] {
  return families.map((family) => {
    if (family.isBudgeted !== true) return family;
    const keys = new Set(
      live
        .flatMap((one) => one.find(({ name }) => name === family.name)?.samples ?? [])
        .map((sample) => seriesKey(sample)),
    );
    return { ...family, samples: family.samples.filter((sample) => keys.has(seriesKey(sample))) };
  });
}

function combine(how: Family["merge"], a: number, b: number): number {
  if (how === "max") return Math.max(a, b);
  return how === "min" ? Math.min(a, b) : a + b;
}

function seriesKey({ labels, suffix }: Sample): string {
  return `${suffix ?? ""}|${JSON.stringify(labels)}`;
}
