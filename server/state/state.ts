import type { CaRootFields, Command, CommandResult } from "../../lib/contract/commands.ts";
import type { IntentionAction } from "../../lib/contract/config-entries.ts";
import { applyCommand } from "./apply.ts";
import { createCatalogReads } from "./catalog-reads.ts";
import { createChangeSet } from "./change-set.ts";
import { createConfigReads } from "./config-reads.ts";
import { createReadCache } from "./read-cache.ts";
import type { StateReader } from "./reader.ts";
import type { RowChange } from "./row-change.ts";
import { dumpRows, loadRow } from "./rows.ts";
import { createTables } from "./tables.ts";
import { createWatchHub, type WatchHub } from "./watch-hub.ts";

/**
 * The catalog in memory: what a replicated log drives (`apply`, `restore`, `notify`) and what routes, topics and the
 * certificate authority read. Synchronous and deterministic: no clock, no random, no I/O. Applying a command changes
 * memory at once and wakes nobody; `notify` wakes the waiters of everything touched since the last call.
 */
export interface State {
  readonly reader: StateReader;
  readonly watches: WatchHub;
  apply(index: number, command: Command): { readonly result: CommandResult; readonly rows: readonly RowChange[] };
  /** Fills empty memory with the rows as they were at `appliedIndex`, before the first `apply`. */
  restore(appliedIndex: number, rows: Iterable<RowChange>): void;
  notify(): void;
  /** Every row of the state in a stable order: restoring them elsewhere gives the same state. */
  dump(): Iterable<RowChange>;
  /** The active root with its private key: for `server/ca` only. */
  caSigner(): CaRootFields | undefined;
}

export interface StateOptions {
  readonly defaultIntentionAction?: IntentionAction;
  readonly maxWatches?: number;
}

export function createState(options: StateOptions = {}): State {
  const tables = createTables();
  const cache = createReadCache(tables.indexes);
  const watches = createWatchHub(options.maxWatches === undefined ? {} : { maxWatches: options.maxWatches });
  const defaultIntentionAction = options.defaultIntentionAction ?? "allow";
  let appliedIndex = 0;
  let touched = new Set<string>();

  const reader: StateReader = {
    appliedIndex: () => appliedIndex,
    ...createCatalogReads(tables, cache),
    ...createConfigReads(tables, cache),
    defaultIntentionAction: () => defaultIntentionAction,
  };

  return {
    reader,
    watches,
    apply(index, command) {
      const changes = createChangeSet(index);
      const result = applyCommand(tables, changes, command);
      appliedIndex = index;
      for (const key of changes.touched) touched.add(key);
      return { result, rows: changes.rows };
    },
    restore(index, rows) {
      for (const row of rows) loadRow(tables, row);
      appliedIndex = index;
    },
    notify() {
      const woken = touched;
      touched = new Set();
      watches.wake(woken);
    },
    dump: () => dumpRows(tables),
    caSigner: () => tables.ca.active(),
  };
}
