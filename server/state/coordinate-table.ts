import type { CoordinateRecord } from "../../lib/contract/coordinates.ts";
import type { ChangeSet } from "./change-set.ts";
import type { IndexTable } from "./index-table.ts";
import { withinNode } from "./order.ts";
import { watchKeys } from "./watch-keys.ts";

/** Network coordinates by node and segment. */
export interface CoordinateTable {
  get(node: string, segment: string): CoordinateRecord | undefined;
  onNode(node: string): Iterable<CoordinateRecord>;
  all(): Iterable<CoordinateRecord>;
  put(changes: ChangeSet, record: CoordinateRecord): void;
  removeNode(changes: ChangeSet, node: string): void;
  load(record: CoordinateRecord): void;
}

export function createCoordinateTable(indexes: IndexTable): CoordinateTable {
  const byNode = new Map<string, Map<string, CoordinateRecord>>();

  const link = (record: CoordinateRecord): void => {
    const segments = byNode.get(record.Node);
    if (segments === undefined) byNode.set(record.Node, new Map([[record.Segment, record]]));
    else segments.set(record.Segment, record);
  };

  return {
    get: (node, segment) => byNode.get(node)?.get(segment),
    onNode: (node) => byNode.get(node)?.values() ?? [],
    *all() {
      for (const segments of byNode.values()) yield* segments.values();
    },
    load(record) {
      link(record);
      indexes.loadRecord(watchKeys.coordinates, record.ModifyIndex);
      indexes.loadRecord(watchKeys.coordinate(record.Node), record.ModifyIndex);
    },
    put(changes, record) {
      link(record);
      changes.put("coordinates", withinNode(record.Node, record.Segment), record);
      indexes.touchWithRecord(changes, watchKeys.coordinates);
      indexes.touchWithRecord(changes, watchKeys.coordinate(record.Node));
    },
    removeNode(changes, node) {
      const segments = byNode.get(node);
      if (segments === undefined) return;
      byNode.delete(node);
      for (const segment of segments.keys()) changes.remove("coordinates", withinNode(node, segment));
      indexes.touch(changes, watchKeys.coordinates);
      indexes.retire(changes, watchKeys.coordinate(node));
    },
  };
}
