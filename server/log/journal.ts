import type { RowChange } from "../state/row-change.ts";
import { type DatabaseIdentity, entryKey, identityKey, type Progress, progressKey, rowKey } from "./data-layout.ts";
import type { DurableStore, StoreOperation } from "./durable-store.ts";
import type { RowDigest } from "./row-digest.ts";
import { sealJson } from "./sealed-value.ts";

/** Entries kept behind the applied index, for people who have to find out what happened. */
export const retainedEntries = 1024;
/** Entries deleted by one batch at most; more than a batch adds, so the backlog shrinks. */
const maxTruncatedEntries = 2048;

/**
 * Composes the batches of one database. Each carries new entries, the rows changed by what was applied since the last
 * batch, the applied index and the sums over it all, so that whatever prefix of batches survives a crash is consistent.
 */
export interface Journal {
  /** Index of the newest entry handed to `write`. */
  lastIndex(): number;
  appliedIndex(): number;
  /** Takes over what applying an entry changed, for the next batch. */
  noteApplied(index: number, rows: readonly RowChange[]): void;
  /** Whether the next batch would have anything beside new entries. */
  hasUnwritten(): boolean;
  /** Writes the next batch; resolves when it is durable. Never called again before it has, nor after it failed. */
  write(commandsJson: readonly string[]): Promise<void>;
}

export interface JournalOptions {
  readonly store: DurableStore;
  readonly progress: Progress;
  readonly digest: RowDigest;
}

export function createJournal({ store, digest, ...options }: JournalOptions): Journal {
  let durable = options.progress;
  let appliedIndex = durable.appliedIndex;
  let changedRows = new Map<string, RowChange>();

  const rowOperations = (): StoreOperation[] => {
    const rows = changedRows;
    changedRows = new Map();
    return [...rows].map(([key, row]) => {
      if (row.value === undefined) {
        digest.remove(key);
        return { type: "del", key };
      }
      const { bytes, checksum } = sealJson(key, JSON.stringify(row.value));
      digest.put(key, checksum);
      return { type: "put", key, value: bytes };
    });
  };
  /** Only entries whose rows an earlier batch has made durable may go. */
  const truncateTo = (): number =>
    Math.max(
      durable.firstIndex,
      Math.min(durable.appliedIndex + 1 - retainedEntries, durable.firstIndex + maxTruncatedEntries),
    );

  return {
    lastIndex: () => durable.lastIndex,
    appliedIndex: () => appliedIndex,
    noteApplied(index, rows) {
      appliedIndex = index;
      for (const row of rows) changedRows.set(rowKey(row.table, row.key), row);
    },
    hasUnwritten: () => changedRows.size > 0 || appliedIndex > durable.appliedIndex,
    async write(commandsJson) {
      const operations = rowOperations();
      for (const [i, json] of commandsJson.entries())
        operations.push(putJson(entryKey(durable.lastIndex + 1 + i), json));
      const firstIndex = truncateTo();
      for (let index = durable.firstIndex; index < firstIndex; index++) {
        operations.push({ type: "del", key: entryKey(index) });
      }
      const progress: Progress = {
        appliedIndex,
        firstIndex,
        lastIndex: durable.lastIndex + commandsJson.length,
        rowCount: digest.count(),
        rowDigest: digest.value(),
      };
      operations.push(putJson(progressKey, JSON.stringify(progress)));
      await store.write(operations);
      durable = progress;
    },
  };
}

/** Makes an empty database one of the given cluster. */
export async function initializeStore(
  store: DurableStore,
  identity: DatabaseIdentity,
  progress: Progress,
): Promise<void> {
  await store.write([putJson(identityKey, JSON.stringify(identity)), putJson(progressKey, JSON.stringify(progress))]);
}

function putJson(key: string, json: string): StoreOperation {
  return { type: "put", key, value: sealJson(key, json).bytes };
}
