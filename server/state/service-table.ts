import { isDeepStrictEqual } from "node:util";
import type { ServiceFields, ServiceRecord } from "../../lib/contract/catalog.ts";
import type { ChangeSet } from "./change-set.ts";
import type { IndexTable } from "./index-table.ts";
import { createMultiMap } from "./multi-map.ts";
import { compareText, withinNode } from "./order.ts";
import { watchKeys } from "./watch-keys.ts";

/** Service instances by node and ID, by name, and by the destination for which they take mesh traffic. */
export interface ServiceTable {
  get(node: string, id: string): ServiceRecord | undefined;
  onNode(node: string): ReadonlySet<ServiceRecord>;
  named(name: string): ReadonlySet<ServiceRecord>;
  /** Instances that accept mesh traffic for the destination: its sidecars and its native instances. */
  connectTo(destination: string): ReadonlySet<ServiceRecord>;
  names(): Iterable<string>;
  /** Sorted union of the tags of a name's instances. */
  tagsOf(name: string): readonly string[];
  all(): Iterable<ServiceRecord>;
  put(changes: ChangeSet, record: ServiceRecord): void;
  /** Removes the record only; its checks are the caller's to remove first. */
  remove(changes: ChangeSet, record: ServiceRecord): void;
  /** What is shown with the instance (its node or a check) changed. */
  touchInstance(changes: ChangeSet, record: ServiceRecord): void;
  load(record: ServiceRecord): void;
}

/** The service whose mesh traffic an instance accepts; undefined when it takes none. */
export function connectDestination(record: ServiceFields): string | undefined {
  if (record.Kind === "connect-proxy") return record.Proxy?.DestinationServiceName;
  return record.Connect.Native ? record.Service : undefined;
}

export function createServiceTable(indexes: IndexTable): ServiceTable {
  const byKey = new Map<string, ServiceRecord>();
  const byNode = createMultiMap<ServiceRecord>();
  const byName = createMultiMap<ServiceRecord>();
  const byDestination = createMultiMap<ServiceRecord>();
  /** Filled on reading: a name's tags are asked for much more often than they change. */
  const tagUnions = new Map<string, readonly string[]>();

  const unlink = (record: ServiceRecord): void => {
    byKey.delete(withinNode(record.Node, record.ID));
    byNode.remove(record.Node, record);
    byName.remove(record.Service, record);
    tagUnions.delete(record.Service);
    const destination = connectDestination(record);
    if (destination !== undefined) byDestination.remove(destination, record);
  };
  const link = (record: ServiceRecord): void => {
    byKey.set(withinNode(record.Node, record.ID), record);
    byNode.add(record.Node, record);
    byName.add(record.Service, record);
    tagUnions.delete(record.Service);
    const destination = connectDestination(record);
    if (destination !== undefined) byDestination.add(destination, record);
  };
  /** Under the same keys: what nearly every registration is. */
  const relink = (previous: ServiceRecord, record: ServiceRecord): void => {
    byKey.set(withinNode(record.Node, record.ID), record);
    byNode.replace(record.Node, previous, record);
    byName.replace(record.Service, previous, record);
    tagUnions.delete(record.Service);
    const destination = connectDestination(record);
    if (destination !== undefined) byDestination.replace(destination, previous, record);
  };
  const isUnderSameKeys = (previous: ServiceRecord, record: ServiceRecord): boolean =>
    previous.Service === record.Service && connectDestination(previous) === connectDestination(record);
  const touchInstance = (changes: ChangeSet, record: ServiceRecord): void => {
    indexes.touch(changes, watchKeys.service(record.Service));
    const destination = connectDestination(record);
    if (destination !== undefined) indexes.touch(changes, watchKeys.connect(destination));
  };
  /** After `record` left a name, a destination or a node: touch what is still there, retire what was its last. */
  const leave = (changes: ChangeSet, record: ServiceRecord): void => {
    touchInstance(changes, record);
    indexes.touch(changes, watchKeys.nodeServices(record.Node));
    if (!byName.has(record.Service)) indexes.retire(changes, watchKeys.service(record.Service));
    if (!byNode.has(record.Node)) indexes.retire(changes, watchKeys.nodeServices(record.Node));
    const destination = connectDestination(record);
    if (destination !== undefined && !byDestination.has(destination)) {
      indexes.retire(changes, watchKeys.connect(destination));
    }
  };

  return {
    get: (node, id) => byKey.get(withinNode(node, id)),
    onNode: byNode.get,
    named: byName.get,
    connectTo: byDestination.get,
    names: byName.keys,
    tagsOf(name) {
      const known = tagUnions.get(name);
      if (known !== undefined) return known;
      const union = new Set<string>();
      for (const record of byName.get(name)) for (const tag of record.Tags) union.add(tag);
      const tags = [...union].sort(compareText);
      if (byName.has(name)) tagUnions.set(name, tags);
      return tags;
    },
    all: () => byKey.values(),
    load(record) {
      link(record);
      indexes.loadRecord(watchKeys.service(record.Service), record.ModifyIndex);
      indexes.loadRecord(watchKeys.nodeServices(record.Node), record.ModifyIndex);
      const destination = connectDestination(record);
      if (destination !== undefined) indexes.loadRecord(watchKeys.connect(destination), record.ModifyIndex);
    },
    touchInstance,
    put(changes, record) {
      const key = withinNode(record.Node, record.ID);
      const previous = byKey.get(key);
      if (previous !== undefined && isUnderSameKeys(previous, record)) {
        relink(previous, record);
      } else {
        if (previous !== undefined) unlink(previous);
        link(record);
        if (previous !== undefined) leave(changes, previous);
      }
      changes.onUndo?.(() => {
        unlink(record);
        if (previous !== undefined) link(previous);
      });
      changes.put("services", key, record);
      indexes.touchWithRecord(changes, watchKeys.service(record.Service));
      indexes.touchWithRecord(changes, watchKeys.nodeServices(record.Node));
      const destination = connectDestination(record);
      if (destination !== undefined) indexes.touchWithRecord(changes, watchKeys.connect(destination));
      const hasSameListing =
        previous !== undefined && previous.Service === record.Service && isDeepStrictEqual(previous.Tags, record.Tags);
      if (!hasSameListing) indexes.touch(changes, watchKeys.serviceNames);
    },
    remove(changes, record) {
      unlink(record);
      changes.onUndo?.(() => link(record));
      changes.remove("services", withinNode(record.Node, record.ID));
      leave(changes, record);
      indexes.touch(changes, watchKeys.serviceNames);
    },
  };
}
