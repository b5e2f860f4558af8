import type { ChangeSet } from "./change-set.ts";
import type { IndexTable } from "./index-table.ts";
import type { RowTable } from "./row-change.ts";

/** Records by one key that never changes, each a row of its own; one key to watch for all of them. */
export interface RecordTable<T> {
  get(key: string): T | undefined;
  all(): Iterable<T>;
  put(changes: ChangeSet, record: T): void;
  remove(changes: ChangeSet, record: T): void;
  load(record: T): void;
}

/** Another way to find the records, told of each that comes and goes; one that is replaced goes first. */
export interface SecondaryIndex<T> {
  add(record: T): void;
  remove(record: T): void;
}

export function createRecordTable<T>(
  indexes: IndexTable,
  options: {
    readonly table: RowTable;
    readonly watchKey: string;
    readonly keyOf: (record: T) => string;
    readonly secondary?: readonly SecondaryIndex<T>[];
  },
): RecordTable<T> {
  const { table, watchKey, keyOf, secondary = [] } = options;
  const byKey = new Map<string, T>();

  const unlink = (record: T): void => {
    byKey.delete(keyOf(record));
    for (const index of secondary) index.remove(record);
  };
  const link = (record: T): void => {
    byKey.set(keyOf(record), record);
    for (const index of secondary) index.add(record);
  };
  return {
    get: (key) => byKey.get(key),
    all: () => byKey.values(),
    load: link,
    put(changes, record) {
      const previous = byKey.get(keyOf(record));
      if (previous !== undefined) unlink(previous);
      link(record);
      changes.put(table, keyOf(record), record);
      indexes.touch(changes, watchKey);
    },
    remove(changes, record) {
      unlink(record);
      changes.remove(table, keyOf(record));
      indexes.touch(changes, watchKey);
    },
  };
}
