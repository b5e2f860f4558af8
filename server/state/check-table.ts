import type { CheckRecord, CheckStatus } from "../../lib/contract/catalog.ts";
import type { ChangeSet } from "./change-set.ts";
import type { IndexTable } from "./index-table.ts";
import { createMultiMap } from "./multi-map.ts";
import { withinNode } from "./order.ts";
import type { SharedParts } from "./shared-parts.ts";
import { watchKeys } from "./watch-keys.ts";

/** Health checks by node and ID, by the instance they judge, by service name and by status. */
export interface CheckTable {
  get(node: string, checkId: string): CheckRecord | undefined;
  onNode(node: string): ReadonlySet<CheckRecord>;
  /** Checks of one service instance; of the node itself when `serviceId` is empty. */
  ofInstance(node: string, serviceId: string): ReadonlySet<CheckRecord>;
  ofServiceName(service: string): ReadonlySet<CheckRecord>;
  inState(status: CheckStatus): ReadonlySet<CheckRecord>;
  all(): Iterable<CheckRecord>;
  put(changes: ChangeSet, record: CheckRecord): void;
  remove(changes: ChangeSet, record: CheckRecord): void;
  /** `key` is that of its row. */
  load(record: CheckRecord, key: string): void;
}

export function createCheckTable(indexes: IndexTable, parts: SharedParts): CheckTable {
  const byKey = new Map<string, CheckRecord>();
  const byNode = createMultiMap<CheckRecord>();
  const byInstance = createMultiMap<CheckRecord>();
  const byServiceName = createMultiMap<CheckRecord>();
  const byStatus = createMultiMap<CheckRecord>();

  const unlink = (record: CheckRecord): void => {
    byKey.delete(withinNode(record.Node, record.CheckID));
    byNode.remove(record.Node, record);
    byInstance.remove(withinNode(record.Node, record.ServiceID), record);
    byStatus.remove(record.Status, record);
    if (record.ServiceName !== "") byServiceName.remove(record.ServiceName, record);
  };
  const link = (record: CheckRecord, key: string): void => {
    byKey.set(key, record);
    byNode.add(record.Node, record);
    byInstance.add(withinNode(record.Node, record.ServiceID), record);
    byStatus.add(record.Status, record);
    if (record.ServiceName !== "") byServiceName.add(record.ServiceName, record);
  };
  const keysOf = (record: CheckRecord): readonly string[] => [
    watchKeys.checks("any"),
    watchKeys.checks(record.Status),
    watchKeys.nodeChecks(record.Node),
    ...(record.ServiceName === "" ? [] : [watchKeys.serviceChecks(record.ServiceName)]),
  ];
  const leave = (changes: ChangeSet, record: CheckRecord): void => {
    for (const key of keysOf(record)) indexes.touch(changes, key);
    if (!byNode.has(record.Node)) indexes.retire(changes, watchKeys.nodeChecks(record.Node));
    if (record.ServiceName !== "" && !byServiceName.has(record.ServiceName)) {
      indexes.retire(changes, watchKeys.serviceChecks(record.ServiceName));
    }
  };

  return {
    get: (node, checkId) => byKey.get(withinNode(node, checkId)),
    onNode: byNode.get,
    ofInstance: (node, serviceId) => byInstance.get(withinNode(node, serviceId)),
    ofServiceName: byServiceName.get,
    inState: byStatus.get,
    all: () => byKey.values(),
    load(record, key) {
      parts.share(record);
      link(record, key);
      for (const watched of keysOf(record)) indexes.loadRecord(watched, record.ModifyIndex);
    },
    put(changes, record) {
      parts.share(record);
      const key = withinNode(record.Node, record.CheckID);
      const previous = byKey.get(key);
      if (previous !== undefined) unlink(previous);
      link(record, key);
      const isUnderSameKeys = previous?.Status === record.Status && previous.ServiceName === record.ServiceName;
      if (previous !== undefined && !isUnderSameKeys) leave(changes, previous);
      changes.onUndo?.(() => {
        unlink(record);
        if (previous !== undefined) link(previous, key);
      });
      changes.put("checks", key, record);
      for (const watched of keysOf(record)) indexes.touchWithRecord(changes, watched);
    },
    remove(changes, record) {
      const key = withinNode(record.Node, record.CheckID);
      unlink(record);
      changes.onUndo?.(() => link(record, key));
      changes.remove("checks", key);
      leave(changes, record);
    },
  };
}
