/**
 * Texts by the question "which of them does this begin with?": their lengths are few, so one look-up for each length does.
 */
export interface PrefixLengths {
  add(prefix: string): void;
  remove(prefix: string): void;
  /** Every length that `text` is long enough for: the caller looks up that much of it. */
  upTo(text: string): Iterable<number>;
}

export function createPrefixLengths(): PrefixLengths {
  const counts = new Map<number, number>();
  return {
    add: ({ length }) => void counts.set(length, (counts.get(length) ?? 0) + 1),
    remove({ length }) {
      const count = counts.get(length) ?? 0;
      if (count > 1) counts.set(length, count - 1);
      else counts.delete(length);
    },
    *upTo(text) {
      for (const length of counts.keys()) if (length <= text.length) yield length;
    },
  };
}
