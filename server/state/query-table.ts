import type { PreparedQueryRecord } from "../../lib/contract/prepared-queries.ts";
import type { ChangeSet } from "./change-set.ts";
import type { IndexTable } from "./index-table.ts";
import { createMultiMap } from "./multi-map.ts";
import { watchKeys } from "./watch-keys.ts";

/** Prepared queries by ID and by name, templates by the names that they begin, and all by session. */
export interface QueryTable {
  get(id: string): PreparedQueryRecord | undefined;
  /** One that is no template. */
  named(name: string): PreparedQueryRecord | undefined;
  templateNamed(name: string): PreparedQueryRecord | undefined;
  /** The template with the longest name that `name` begins with. */
  templateFor(name: string): PreparedQueryRecord | undefined;
  ofSession(session: string): ReadonlySet<PreparedQueryRecord>;
  all(): Iterable<PreparedQueryRecord>;
  put(changes: ChangeSet, record: PreparedQueryRecord): void;
  remove(changes: ChangeSet, record: PreparedQueryRecord): void;
  load(record: PreparedQueryRecord): void;
}

export function createQueryTable(indexes: IndexTable): QueryTable {
  const byId = new Map<string, PreparedQueryRecord>();
  const byName = new Map<string, PreparedQueryRecord>();
  const templates = new Map<string, PreparedQueryRecord>();
  const bySession = createMultiMap<PreparedQueryRecord>();

  const link = (record: PreparedQueryRecord): void => {
    byId.set(record.ID, record);
    if (record.Template !== undefined) templates.set(record.Name, record);
    else if (record.Name !== "") byName.set(record.Name, record);
    if (record.Session !== "") bySession.add(record.Session, record);
  };
  const unlink = (record: PreparedQueryRecord): void => {
    byId.delete(record.ID);
    if (record.Template !== undefined) templates.delete(record.Name);
    else byName.delete(record.Name);
    bySession.remove(record.Session, record);
  };

  return {
    get: (id) => byId.get(id),
    named: (name) => byName.get(name),
    templateNamed: (name) => templates.get(name),
    templateFor(name) {
      if (templates.size === 0) return undefined;
      for (let length = name.length; length >= 0; length--) {
        const template = templates.get(name.slice(0, length));
        if (template !== undefined) return template;
      }
      return undefined;
    },
    ofSession: bySession.get,
    all: () => byId.values(),
    load(record) {
      link(record);
      indexes.loadRecord(watchKeys.preparedQueries, record.ModifyIndex);
    },
    put(changes, record) {
      const previous = byId.get(record.ID);
      if (previous !== undefined) unlink(previous);
      link(record);
      changes.onUndo?.(() => {
        unlink(record);
        if (previous !== undefined) link(previous);
      });
      changes.put("prepared-queries", record.ID, record);
      indexes.touch(changes, watchKeys.preparedQueries);
    },
    remove(changes, record) {
      unlink(record);
      changes.onUndo?.(() => link(record));
      changes.remove("prepared-queries", record.ID);
      indexes.touch(changes, watchKeys.preparedQueries);
    },
  };
}
