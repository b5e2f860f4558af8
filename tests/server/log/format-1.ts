import type { Command } from "../../../lib/contract/commands.ts";
import {
  entryKey,
  formatVersion,
  identityKey,
  type Progress,
  progressKey,
  rowKey,
} from "../../../server/log/data-layout.ts";
import type { DurableStore, StoreOperation } from "../../../server/log/durable-store.ts";
import { emptyProgress } from "../../../server/log/recovery.ts";
import { createRowDigest } from "../../../server/log/row-digest.ts";
import { sealJson } from "../../../server/log/sealed-value.ts";
import type { RowChange } from "../../../server/state/row-change.ts";
import { createState, type State } from "../../../server/state/state.ts";

export const oldClusterId = "12345678-0000-4000-8000-000000000000";

/**
 * Writes what a single-server release left behind: one batch for each group of commands, which carries their entries and
 * the rows that the group before it changed. So the rows of the last group are in its entries only.
 */
export async function writeFormat1(store: DurableStore, groups: readonly (readonly Command[])[]): Promise<State> {
  const state = createState();
  const digest = createRowDigest();
  let progress: Progress = emptyProgress;
  let changed: RowChange[] = [];
  const identity = { formatVersion, clusterId: oldClusterId, datacenter: "dc1" };
  await store.write([put(identityKey, identity), put(progressKey, progress)]);
  for (const group of groups) {
    const operations: StoreOperation[] = [];
    for (const [key, { value }] of new Map(changed.map((row) => [rowKey(row.table, row.key), row]))) {
      if (value === undefined) {
        digest.remove("", key);
        operations.push({ type: "del", key });
      } else {
        const { bytes, checksum } = sealJson(key, JSON.stringify(value));
        digest.put("", key, checksum);
        operations.push({ type: "put", key, value: bytes });
      }
    }
    changed = [];
    const { lastIndex } = progress;
    for (const [i, command] of group.entries()) {
      const index = lastIndex + 1 + i;
      operations.push(put(entryKey(index), command));
      changed.push(...state.apply(index, command).rows);
    }
    progress = {
      appliedIndex: lastIndex,
      firstIndex: emptyProgress.firstIndex,
      lastIndex: lastIndex + group.length,
      rowCount: digest.count(),
      rowDigest: digest.value(),
    };
    await store.write([...operations, put(progressKey, progress)]);
  }
  return state;
}

function put(key: string, value: unknown): StoreOperation {
  return { type: "put", key, value: sealJson(key, JSON.stringify(value)).bytes };
}
