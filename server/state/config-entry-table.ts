import type { ConfigEntryKind, ConfigEntryRecord } from "../../lib/contract/config-entries.ts";
import type { ChangeSet } from "./change-set.ts";
import type { IndexTable } from "./index-table.ts";
import { createMultiMap } from "./multi-map.ts";
import { watchKeys } from "./watch-keys.ts";

/** Config entries by kind and name, and the destinations of intentions by the sources that they name. */
export interface ConfigEntryTable {
  get(kind: ConfigEntryKind, name: string): ConfigEntryRecord | undefined;
  ofKind(kind: ConfigEntryKind): Iterable<ConfigEntryRecord>;
  /** Names of the `service-intentions` entries that have a rule for this very source name. */
  destinationsOf(source: string): ReadonlySet<string>;
  put(changes: ChangeSet, record: ConfigEntryRecord): void;
  remove(changes: ChangeSet, record: ConfigEntryRecord): void;
  load(record: ConfigEntryRecord): void;
  all(): Iterable<ConfigEntryRecord>;
}

export function createConfigEntryTable(indexes: IndexTable): ConfigEntryTable {
  const byKey = new Map<string, ConfigEntryRecord>();
  const byKind = createMultiMap<ConfigEntryRecord>();
  const destinationsBySource = createMultiMap<string>();

  const unlink = (record: ConfigEntryRecord): void => {
    byKey.delete(watchKeys.configEntry(record.Kind, record.Name));
    byKind.remove(record.Kind, record);
    for (const source of sourcesOf(record)) destinationsBySource.remove(source, record.Name);
  };
  const link = (record: ConfigEntryRecord): void => {
    byKey.set(watchKeys.configEntry(record.Kind, record.Name), record);
    byKind.add(record.Kind, record);
    for (const source of sourcesOf(record)) destinationsBySource.add(source, record.Name);
  };
  const touch = (changes: ChangeSet, record: ConfigEntryRecord): void => {
    indexes.touch(changes, watchKeys.configKind(record.Kind));
    indexes.touch(changes, watchKeys.configEntry(record.Kind, record.Name));
    for (const source of sourcesOf(record)) indexes.touch(changes, watchKeys.intentionSource(source));
  };
  const leaveSources = (changes: ChangeSet, record: ConfigEntryRecord): void => {
    for (const source of sourcesOf(record)) {
      const key = watchKeys.intentionSource(source);
      indexes.touch(changes, key);
      if (!destinationsBySource.has(source)) indexes.retire(changes, key);
    }
  };

  return {
    get: (kind, name) => byKey.get(watchKeys.configEntry(kind, name)),
    ofKind: byKind.get,
    destinationsOf: destinationsBySource.get,
    all: () => byKey.values(),
    load: link,
    put(changes, record) {
      const previous = byKey.get(watchKeys.configEntry(record.Kind, record.Name));
      if (previous !== undefined) unlink(previous);
      link(record);
      if (previous !== undefined) leaveSources(changes, previous);
      changes.put("config-entries", watchKeys.configEntry(record.Kind, record.Name), record);
      touch(changes, record);
    },
    remove(changes, record) {
      unlink(record);
      leaveSources(changes, record);
      changes.remove("config-entries", watchKeys.configEntry(record.Kind, record.Name));
      indexes.touch(changes, watchKeys.configKind(record.Kind));
      indexes.retire(changes, watchKeys.configEntry(record.Kind, record.Name));
    },
  };
}

function sourcesOf(record: ConfigEntryRecord): readonly string[] {
  return record.Kind === "service-intentions" ? record.Sources.map((source) => source.Name) : [];
}
