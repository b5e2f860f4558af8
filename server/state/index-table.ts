import type { ChangeSet } from "./change-set.ts";
import { watchFamily } from "./watch-keys.ts";

/**
 * The index of the last change of everything that can be watched. A member of a family that no longer exists has no
 * entry of its own (names are unbounded); it gets the index at which the last member of its family disappeared, which is
 * at least its own last one, so the index of a name never goes backwards (Consul's extinction index).
 */
export interface IndexTable {
  /** The largest index of the keys; at least 1, since 0 means "do not block" on the wire. */
  latest(watchKeys: readonly string[]): number;
  /** The thing changed; its new index becomes a row. */
  touch(changes: ChangeSet, watchKey: string): void;
  /**
   * The thing changed by a record that is being put and has the index as its ModifyIndex: no row is needed, since loading
   * the record brings the index back. When the record goes or leaves the thing, `touch` or `retire` has to say so.
   */
  touchWithRecord(changes: ChangeSet, watchKey: string): void;
  /** A record that touches the thing was loaded. */
  loadRecord(watchKey: string, modifyIndex: number): void;
  /** The member no longer exists. */
  retire(changes: ChangeSet, watchKey: string): void;
  load(key: string, index: number): void;
  entries(): Iterable<readonly [string, number]>;
  /** How far the catalog's indexes are ahead of the log's: 0 until a snapshot of a longer log is restored. */
  offset(): number;
  /** The entry that holds the offset; it stands for nothing that can be watched. */
  readonly offsetKey: string;
  /** The entry that stands for the members of a family that are gone. */
  extinctKey(family: string): string;
}

const extinctionPrefix = "extinct:";
const offsetKey = "offset:log";

export function createIndexTable(): IndexTable {
  const indexes = new Map<string, number>();

  const putBack = (key: string, index: number | undefined): void => {
    if (index === undefined) indexes.delete(key);
    else indexes.set(key, index);
  };
  const rememberForUndo = (changes: ChangeSet, key: string): void => {
    if (changes.onUndo === undefined) return;
    const index = indexes.get(key);
    changes.onUndo(() => putBack(key, index));
  };
  const set = (changes: ChangeSet, key: string): void => {
    rememberForUndo(changes, key);
    indexes.set(key, changes.index);
    changes.put("indexes", key, changes.index);
  };
  const raise = (key: string, index: number): void => {
    if ((indexes.get(key) ?? 0) < index) indexes.set(key, index);
  };
  const indexOf = (key: string): number => {
    const own = indexes.get(key);
    if (own !== undefined) return own;
    const family = watchFamily(key);
    return family === undefined ? 0 : (indexes.get(extinctionPrefix + family) ?? 0);
  };

  return {
    latest: (keys) => keys.reduce((latest, key) => Math.max(latest, indexOf(key)), 1),
    touch(changes, key) {
      set(changes, key);
      changes.touch(key);
    },
    touchWithRecord(changes, key) {
      rememberForUndo(changes, key);
      indexes.set(key, changes.index);
      changes.touch(key);
    },
    loadRecord: raise,
    retire(changes, key) {
      const family = watchFamily(key);
      rememberForUndo(changes, key);
      if (family === undefined || !indexes.delete(key)) return;
      changes.remove("indexes", key);
      set(changes, extinctionPrefix + family);
      changes.touch(key);
    },
    load: raise,
    entries: () => indexes.entries(),
    offset: () => indexes.get(offsetKey) ?? 0,
    offsetKey,
    extinctKey: (family) => extinctionPrefix + family,
  };
}
