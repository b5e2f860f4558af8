import type { KvRecord, KvTombstone } from "../../lib/contract/kv.ts";
import type { ChangeSet } from "./change-set.ts";
import { createGraveyard, tombstoneRowKey } from "./graveyard.ts";
import type { IndexTable } from "./index-table.ts";
import { kvRowKey } from "./kv-row-key.ts";
import { createMultiMap } from "./multi-map.ts";
import { compareText } from "./order.ts";
import { createSortedRecords } from "./sorted-records.ts";
import { watchKeys } from "./watch-keys.ts";

/**
 * Keys and values in key order, by the session that holds them and by the time when they end, and what remains of deleted
 * ones. Indexes are those of records and tombstones: they need no entries of their own.
 */
export interface KvTable {
  get(key: string): KvRecord | undefined;
  /** In key order. */
  under(prefix: string): readonly KvRecord[];
  keysUnder(prefix: string, separator: string): readonly string[];
  hasUnder(prefix: string): boolean;
  /** The index of one key, whether it is there or not. */
  indexOf(key: string): number;
  indexUnder(prefix: string): number;
  /** Everything that a session holds, in key order. */
  heldBy(session: string): readonly KvRecord[];
  /** At most `limit` of those that end at `nowMs` or before, the earliest first. */
  endedBy(nowMs: number, limit: number): readonly KvRecord[];
  put(changes: ChangeSet, record: KvRecord): void;
  remove(changes: ChangeSet, record: KvRecord): void;
  /** Everything below the prefix, with one tombstone; false when there was nothing. */
  removeTree(changes: ChangeSet, prefix: string): boolean;
  /** Forgets tombstones up to an index; false when there were none. */
  reap(changes: ChangeSet, index: number): boolean;
  /** Its index; 0 when there is none. */
  newestTombstone(): number;
  load(record: KvRecord): void;
  loadTombstone(tombstone: KvTombstone): void;
  all(): Iterable<KvRecord>;
  tombstones(): Iterable<KvTombstone>;
}

export function createKvTable(indexes: IndexTable): KvTable {
  const records = createSortedRecords<KvRecord>((record) => record.ModifyIndex);
  const graveyard = createGraveyard();
  const bySession = createMultiMap<string>();
  const byEnd = createSortedRecords<KvRecord>(() => 0);

  const unlink = (record: KvRecord): void => {
    if (record.Session !== "") bySession.remove(record.Session, record.Key);
    if (record.Expiry !== undefined) byEnd.delete(endKey(record.Expiry.atMs, record.Key));
  };
  const link = (record: KvRecord): void => {
    records.set(record.Key, record);
    if (record.Session !== "") bySession.add(record.Session, record.Key);
    if (record.Expiry !== undefined) byEnd.set(endKey(record.Expiry.atMs, record.Key), record);
  };
  const drop = (record: KvRecord): void => {
    unlink(record);
    records.delete(record.Key);
  };
  const bury = (changes: ChangeSet, tombstone: KvTombstone): void => {
    const previous = graveyard.get(tombstone);
    graveyard.put(tombstone);
    changes.onUndo?.(() => {
      if (previous === undefined) graveyard.delete(tombstone);
      else graveyard.put(previous);
    });
    changes.put("kv-tombstones", tombstoneRowKey(tombstone), tombstone);
  };
  const floor = (): number => indexes.latest([watchKeys.kvRestored]);
  const missingFloor = (): number => indexes.latest([watchKeys.kvRestored, watchKeys.kvReaped]);

  return {
    get: records.get,
    under: records.under,
    keysUnder: records.keysUnder,
    hasUnder: records.hasUnder,
    indexOf(key) {
      const record = records.get(key);
      if (record !== undefined) return Math.max(record.ModifyIndex, floor());
      return Math.max(graveyard.indexOf(key), missingFloor());
    },
    indexUnder(prefix) {
      const known = Math.max(records.highestUnder(prefix), graveyard.highestUnder(prefix), floor());
      // What is below the prefix now is newer than any larger tree that was removed.
      return records.hasUnder(prefix) ? known : Math.max(known, graveyard.treeIndexOver(prefix), missingFloor());
    },
    heldBy: (session) =>
      [...bySession.get(session)].sort(compareText).flatMap((key) => {
        const record = records.get(key);
        return record === undefined ? [] : [record];
      }),
    endedBy(nowMs, limit) {
      const ended: KvRecord[] = [];
      for (const record of byEnd.all()) {
        if (ended.length >= limit || (record.Expiry?.atMs ?? Number.POSITIVE_INFINITY) > nowMs) break;
        ended.push(record);
      }
      return ended;
    },
    put(changes, record) {
      const previous = records.get(record.Key);
      if (previous !== undefined) unlink(previous);
      link(record);
      changes.onUndo?.(() => {
        drop(record);
        if (previous !== undefined) link(previous);
      });
      changes.put("kv", kvRowKey(record.Key), record);
      changes.touch(watchKeys.kv(record.Key));
    },
    remove(changes, record) {
      drop(record);
      changes.onUndo?.(() => link(record));
      changes.remove("kv", kvRowKey(record.Key));
      changes.touch(watchKeys.kv(record.Key));
      bury(changes, { key: record.Key, isTree: false, index: changes.index });
    },
    removeTree(changes, prefix) {
      const removed = records.under(prefix);
      if (removed.length === 0) return false;
      records.deleteUnder(prefix);
      for (const record of removed) {
        unlink(record);
        changes.remove("kv", kvRowKey(record.Key));
        changes.touch(watchKeys.kv(record.Key));
      }
      changes.onUndo?.(() => {
        for (const record of removed) link(record);
      });
      bury(changes, { key: prefix, isTree: true, index: changes.index });
      return true;
    },
    reap(changes, index) {
      let highest = 0;
      for (const tombstone of [...graveyard.all()]) {
        if (tombstone.index > index) continue;
        graveyard.delete(tombstone);
        highest = Math.max(highest, tombstone.index);
        changes.remove("kv-tombstones", tombstoneRowKey(tombstone));
      }
      if (highest > indexes.latest([watchKeys.kvReaped])) {
        indexes.load(watchKeys.kvReaped, highest);
        changes.put("indexes", watchKeys.kvReaped, highest);
      }
      return highest > 0;
    },
    newestTombstone: () => graveyard.highestUnder(""),
    load: link,
    loadTombstone: graveyard.put,
    all: records.all,
    tombstones: graveyard.all,
  };
}

/** Orders by time first. */
function endKey(atMs: number, key: string): string {
  return `${String(atMs).padStart(16, "0")}/${key}`;
}
