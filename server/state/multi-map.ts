import { mustGet } from "../../lib/base/assert.ts";

/**
 * A secondary index: the set of values under each key. Keys without values are not kept. Most keys have one value, which is
 * kept without a set: that is 200 bytes less for each instance of a large catalog.
 */
export interface MultiMap<T> {
  add(key: string, value: T): void;
  remove(key: string, value: T): void;
  /** The same as removing one value and adding the other, without giving up the key in between. */
  replace(key: string, value: T, by: T): void;
  /** Read it before the next change. */
  get(key: string): ReadonlySet<T>;
  has(key: string): boolean;
  keys(): Iterable<string>;
}

/** Tells several values from a single one, whatever that is. */
class Several<T> extends Set<T> {}

export function createMultiMap<T>(): MultiMap<T> {
  const entries = new Map<string, T | Several<T>>();
  const empty: ReadonlySet<T> = new Set();
  const add = (key: string, value: T): void => {
    const known = entries.get(key);
    if (known instanceof Several) known.add(value);
    else if (!entries.has(key)) entries.set(key, value);
    else if (known !== undefined && known !== value) entries.set(key, new Several([known, value]));
  };
  const remove = (key: string, value: T): void => {
    const known = entries.get(key);
    if (known === value) entries.delete(key);
    else if (known instanceof Several && known.delete(value) && known.size === 0) entries.delete(key);
  };
  return {
    add,
    remove,
    replace(key, value, by) {
      const known = mustGet(entries.get(key), "a value that is replaced is there");
      if (known instanceof Several) {
        known.delete(value);
        known.add(by);
      } else entries.set(key, by);
    },
    get(key) {
      const known = entries.get(key);
      if (known === undefined) return empty;
      return known instanceof Several ? known : new Set([known]);
    },
    has: (key) => entries.has(key),
    keys: () => entries.keys(),
  };
}
