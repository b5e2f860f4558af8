import type { VirtualIpRecord } from "../../lib/contract/virtual-address.ts";
import type { ChangeSet } from "./change-set.ts";
import type { IndexTable } from "./index-table.ts";
import { watchKeys } from "./watch-keys.ts";

/** The virtual addresses of mesh services, by service, by number and by manual address. */
export interface VirtualIpTable {
  get(service: string): VirtualIpRecord | undefined;
  holderOf(manualIp: string): string | undefined;
  hasOffset(offset: number): boolean;
  /** The one that was given its number last; of one transaction, the one with the highest number. */
  newest(): VirtualIpRecord | undefined;
  /** Those of services without a mesh-capable instance. */
  unused(): ReadonlyMap<string, VirtualIpRecord>;
  all(): Iterable<VirtualIpRecord>;
  put(changes: ChangeSet, record: VirtualIpRecord): void;
  remove(changes: ChangeSet, record: VirtualIpRecord): void;
  load(record: VirtualIpRecord): void;
}

export function createVirtualIpTable(indexes: IndexTable): VirtualIpTable {
  const byService = new Map<string, VirtualIpRecord>();
  const byManualIp = new Map<string, string>();
  const offsets = new Set<number>();
  const unused = new Map<string, VirtualIpRecord>();
  let newest: VirtualIpRecord | undefined;

  const unlink = (record: VirtualIpRecord): void => {
    if (newest?.Service === record.Service) newest = undefined;
    byService.delete(record.Service);
    offsets.delete(record.Offset);
    unused.delete(record.Service);
    for (const address of record.ManualIPs) {
      if (byManualIp.get(address) === record.Service) byManualIp.delete(address);
    }
  };
  const link = (record: VirtualIpRecord): void => {
    const previous = byService.get(record.Service);
    if (previous !== undefined) unlink(previous);
    byService.set(record.Service, record);
    offsets.add(record.Offset);
    for (const address of record.ManualIPs) byManualIp.set(address, record.Service);
    if (record.UnusedSince > 0) unused.set(record.Service, record);
    if (newest !== undefined && isNewer(record, newest)) newest = record;
  };

  return {
    get: (service) => byService.get(service),
    holderOf: (address) => byManualIp.get(address),
    hasOffset: (offset) => offsets.has(offset),
    newest() {
      // It follows from the records alone, so that a state which was loaded gives the same numbers.
      if (newest === undefined) {
        for (const record of byService.values()) if (newest === undefined || isNewer(record, newest)) newest = record;
      }
      return newest;
    },
    unused: () => unused,
    all: () => byService.values(),
    load(record) {
      link(record);
      indexes.loadRecord(watchKeys.virtualIp(record.Service), record.ModifyIndex);
    },
    put(changes, record) {
      const previous = byService.get(record.Service);
      link(record);
      changes.onUndo?.(() => {
        if (previous === undefined) unlink(record);
        else link(previous);
      });
      changes.put("virtual-ips", record.Service, record);
      indexes.touchWithRecord(changes, watchKeys.virtualIp(record.Service));
    },
    remove(changes, record) {
      unlink(record);
      changes.onUndo?.(() => link(record));
      changes.remove("virtual-ips", record.Service);
      indexes.retire(changes, watchKeys.virtualIp(record.Service));
    },
  };
}

function isNewer(a: VirtualIpRecord, b: VirtualIpRecord): boolean {
  return a.CreateIndex === b.CreateIndex ? a.Offset > b.Offset : a.CreateIndex > b.CreateIndex;
}
