import type { NodeRecord } from "../../lib/contract/catalog.ts";
import type { ChangeSet } from "./change-set.ts";
import type { IndexTable } from "./index-table.ts";
import { watchKeys } from "./watch-keys.ts";

/** Nodes by name and by ID. */
export interface NodeTable {
  get(name: string): NodeRecord | undefined;
  byId(id: string): NodeRecord | undefined;
  all(): Iterable<NodeRecord>;
  put(changes: ChangeSet, record: NodeRecord): void;
  /** Removes the record only; what lives on the node is the caller's to remove first. */
  remove(changes: ChangeSet, name: string): void;
  load(record: NodeRecord): void;
}

export function createNodeTable(indexes: IndexTable): NodeTable {
  const byName = new Map<string, NodeRecord>();
  const nameOfId = new Map<string, string>();

  const unlinkId = (record: NodeRecord): void => {
    if (nameOfId.get(record.ID) === record.Node) nameOfId.delete(record.ID);
  };
  const drop = (record: NodeRecord): void => {
    unlinkId(record);
    byName.delete(record.Node);
  };
  const load = (record: NodeRecord): void => {
    const previous = byName.get(record.Node);
    if (previous !== undefined) unlinkId(previous);
    byName.set(record.Node, record);
    if (record.ID !== "") nameOfId.set(record.ID, record.Node);
  };

  return {
    get: (name) => byName.get(name),
    byId: (id) => byName.get(nameOfId.get(id) ?? ""),
    all: () => byName.values(),
    load,
    put(changes, record) {
      const previous = byName.get(record.Node);
      load(record);
      changes.onUndo?.(() => {
        if (previous !== undefined) load(previous);
        else drop(record);
      });
      changes.put("nodes", record.Node, record);
      indexes.touch(changes, watchKeys.nodes);
      indexes.touch(changes, watchKeys.node(record.Node));
    },
    remove(changes, name) {
      const record = byName.get(name);
      if (record === undefined) return;
      drop(record);
      changes.onUndo?.(() => load(record));
      changes.remove("nodes", name);
      indexes.touch(changes, watchKeys.nodes);
      indexes.retire(changes, watchKeys.node(name));
    },
  };
}
