import { sessionCheckIds, type SessionRecord } from "../../lib/contract/sessions.ts";
import type { ChangeSet } from "./change-set.ts";
import type { IndexTable } from "./index-table.ts";
import { createMultiMap } from "./multi-map.ts";
import { withinNode } from "./order.ts";
import { watchKeys } from "./watch-keys.ts";

/** Sessions by ID, by node and by the checks that they depend on. They never change: they begin and end. */
export interface SessionTable {
  get(id: string): SessionRecord | undefined;
  onNode(node: string): ReadonlySet<SessionRecord>;
  dependingOn(node: string, checkId: string): ReadonlySet<SessionRecord>;
  all(): Iterable<SessionRecord>;
  add(changes: ChangeSet, record: SessionRecord): void;
  /** Removes the record only; what it holds is the caller's to release. */
  remove(changes: ChangeSet, record: SessionRecord): void;
  load(record: SessionRecord): void;
}

export function createSessionTable(indexes: IndexTable): SessionTable {
  const byId = new Map<string, SessionRecord>();
  const byNode = createMultiMap<SessionRecord>();
  const byCheck = createMultiMap<SessionRecord>();

  const link = (record: SessionRecord): void => {
    byId.set(record.ID, record);
    byNode.add(record.Node, record);
    for (const check of sessionCheckIds(record)) byCheck.add(withinNode(record.Node, check), record);
  };
  const unlink = (record: SessionRecord): void => {
    byId.delete(record.ID);
    byNode.remove(record.Node, record);
    for (const check of sessionCheckIds(record)) byCheck.remove(withinNode(record.Node, check), record);
  };
  const keysOf = (record: SessionRecord): readonly string[] => [
    watchKeys.sessions,
    watchKeys.session(record.ID),
    watchKeys.nodeSessions(record.Node),
  ];

  return {
    get: (id) => byId.get(id),
    onNode: byNode.get,
    dependingOn: (node, checkId) => byCheck.get(withinNode(node, checkId)),
    all: () => byId.values(),
    load(record) {
      link(record);
      for (const key of keysOf(record)) indexes.loadRecord(key, record.ModifyIndex);
    },
    add(changes, record) {
      link(record);
      changes.onUndo?.(() => unlink(record));
      changes.put("sessions", record.ID, record);
      for (const key of keysOf(record)) indexes.touchWithRecord(changes, key);
    },
    remove(changes, record) {
      unlink(record);
      changes.onUndo?.(() => link(record));
      changes.remove("sessions", record.ID);
      for (const key of keysOf(record)) indexes.touch(changes, key);
      indexes.retire(changes, watchKeys.session(record.ID));
      if (!byNode.has(record.Node)) indexes.retire(changes, watchKeys.nodeSessions(record.Node));
    },
  };
}
