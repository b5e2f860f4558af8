import type { MemberRecord } from "../../lib/contract/members.ts";
import type { ChangeSet } from "./change-set.ts";
import type { IndexTable } from "./index-table.ts";
import { watchKeys } from "./watch-keys.ts";

/** Members by the name of their node and by their id. An id is of one member at a time. */
export interface MemberTable {
  get(node: string): MemberRecord | undefined;
  byId(id: string): MemberRecord | undefined;
  all(): Iterable<MemberRecord>;
  size(): number;
  put(changes: ChangeSet, record: MemberRecord): void;
  remove(changes: ChangeSet, node: string): void;
  load(record: MemberRecord): void;
}

export function createMemberTable(indexes: IndexTable): MemberTable {
  const byNode = new Map<string, MemberRecord>();
  const nodeOfId = new Map<string, string>();

  const unlinkId = (record: MemberRecord): void => {
    if (nodeOfId.get(record.ID) === record.Node) nodeOfId.delete(record.ID);
  };
  const load = (record: MemberRecord): void => {
    const previous = byNode.get(record.Node);
    if (previous !== undefined) unlinkId(previous);
    byNode.set(record.Node, record);
    nodeOfId.set(record.ID, record.Node);
  };

  return {
    get: (node) => byNode.get(node),
    byId: (id) => byNode.get(nodeOfId.get(id) ?? ""),
    all: () => byNode.values(),
    size: () => byNode.size,
    load,
    put(changes, record) {
      load(record);
      changes.put("members", record.Node, record);
      indexes.touch(changes, watchKeys.members);
    },
    remove(changes, node) {
      const record = byNode.get(node);
      if (record === undefined) return;
      unlinkId(record);
      byNode.delete(node);
      changes.remove("members", node);
      indexes.touch(changes, watchKeys.members);
    },
  };
}
