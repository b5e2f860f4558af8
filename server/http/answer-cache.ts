/**
 * The last serialised answer of each watched URL, so that one change is serialised once however many watch it. The state
 * returns the same object for as long as its value stands still, so the object itself says whether the bytes still hold.
 */
export interface AnswerCache {
  /** The bytes for `key` made of `value`: those of last time if it was made of the same object, else what `build` makes. */
  get(key: string, value: unknown, build: () => Buffer): Buffer;
}

export interface AnswerCacheLimits {
  readonly maxEntries: number;
  readonly maxBytes: number;
}

export function createAnswerCache(limits: AnswerCacheLimits): AnswerCache {
  // Insertion order is age: an entry that is used moves to the end, the first one is dropped when space is needed.
  const entries = new Map<string, { readonly value: unknown; readonly bytes: Buffer }>();
  let totalBytes = 0;

  const drop = (key: string): void => {
    totalBytes -= entries.get(key)?.bytes.length ?? 0;
    entries.delete(key);
  };

  return {
    get(key, value, build) {
      const known = entries.get(key);
      const bytes = known !== undefined && known.value === value ? known.bytes : build();
      drop(key);
      if (bytes.length > limits.maxBytes) return bytes;
      entries.set(key, { value, bytes });
      totalBytes += bytes.length;
      for (const oldest of entries.keys()) {
        if (entries.size <= limits.maxEntries && totalBytes <= limits.maxBytes) break;
        drop(oldest);
      }
      return bytes;
    },
  };
}
