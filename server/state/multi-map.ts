import { mustGet } from "../../lib/base/assert.ts";

/** A secondary index: the set of values under each key. Keys without values are not kept. */
export interface MultiMap<T> {
  add(key: string, value: T): void;
  remove(key: string, value: T): void;
  /** The same as removing one value and adding the other, without giving up the key in between. */
  replace(key: string, value: T, by: T): void;
  get(key: string): ReadonlySet<T>;
  has(key: string): boolean;
  keys(): Iterable<string>;
}

export function createMultiMap<T>(): MultiMap<T> {
  const sets = new Map<string, Set<T>>();
  const empty: ReadonlySet<T> = new Set();
  return {
    add(key, value) {
      const set = sets.get(key);
      if (set === undefined) sets.set(key, new Set([value]));
      else set.add(value);
    },
    remove(key, value) {
      const set = sets.get(key);
      if (set?.delete(value) === true && set.size === 0) sets.delete(key);
    },
    replace(key, value, by) {
      const set = mustGet(sets.get(key), "a value that is replaced is there");
      set.delete(value);
      set.add(by);
    },
    get: (key) => sets.get(key) ?? empty,
    has: (key) => sets.has(key),
    keys: () => sets.keys(),
  };
}
