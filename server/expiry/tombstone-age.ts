/** Tombstones are kept for so long: a client that has not asked for longer reads anew anyway. */
const keepMs = 15 * 60_000;
const sampleEveryMs = 30_000;

/** Up to which index tombstones are old enough to be forgotten, told by looking at the newest one now and then. */
export interface TombstoneAge {
  /** `newest` is the index of the newest tombstone, 0 for none. Undefined when nothing is old enough. */
  look(newest: number, nowMs: number): number | undefined;
  forget(): void;
}

export function createTombstoneAge(): TombstoneAge {
  let samples: { readonly index: number; readonly atMs: number }[] = [];
  return {
    look(newest, nowMs) {
      if (newest === 0) {
        samples = [];
        return undefined;
      }
      const last = samples.at(-1);
      const isDue = last === undefined || (last.index !== newest && nowMs - last.atMs >= sampleEveryMs);
      if (isDue) samples.push({ index: newest, atMs: nowMs });
      const old = samples.filter(({ atMs }) => nowMs - atMs >= keepMs);
      samples = samples.slice(old.length);
      return old.at(-1)?.index;
    },
    forget() {
      samples = [];
    },
  };
}
