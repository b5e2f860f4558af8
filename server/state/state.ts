import type { CaRootFields, Command, CommandResult, TransactionCommand } from "../../lib/contract/commands.ts";
import type { IntentionsValue } from "../../lib/contract/topics.ts";
import { applyCommand } from "./apply.ts";
import { createAclLoginReads } from "./acl-login-reads.ts";
import { createAclReads } from "./acl-reads.ts";
import { createAddressReads } from "./address-reads.ts";
import { createCatalogReads } from "./catalog-reads.ts";
import { type ChangeSet, createChangeSet } from "./change-set.ts";
import { createConfigReads } from "./config-reads.ts";
import { createKvReads } from "./kv-reads.ts";
import { createCoordinateReads } from "./coordinate-reads.ts";
import { createJwtReads } from "./jwt-reads.ts";
import { createPeeringReads } from "./peering-table.ts";
import { createQueryReads } from "./query-reads.ts";
import { createMemberReads } from "./member-reads.ts";
import { createReadCache } from "./read-cache.ts";
import type { StateReader } from "./reader.ts";
import type { RowChange } from "./row-change.ts";
import { dumpRows, loadRow } from "./rows.ts";
import { restoreSnapshot } from "./restore-snapshot.ts";
import { createTables, replaceTables } from "./tables.ts";
import { createTransactionOutcomes } from "./transaction-outcomes.ts";
import { applyTransaction } from "./transaction-rules.ts";
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
  /** Replaces everything by the rows as they were at `appliedIndex`: at a start, or when a leader sent its state. */
  restore(appliedIndex: number, rows: Iterable<RowChange>): void;
  notify(): void;
  /** Every row of the state in a stable order: restoring them elsewhere gives the same state. */
  dump(): Iterable<RowChange>;
  /** The trusted roots, first the one that signs, with its private key: for `server/ca` only. The same array until they change. */
  caRoots(): readonly CaRootFields[];
}

export interface StateOptions {
  readonly defaultIntention?: Pick<IntentionsValue, "defaultAction" | "isDefaultSet">;
  readonly maxWatches?: number;
}

export function createState(options: StateOptions = {}): State {
  const tables = createTables();
  const cache = createReadCache(tables);
  const watches = createWatchHub(options.maxWatches === undefined ? {} : { maxWatches: options.maxWatches });
  const defaultIntention = options.defaultIntention ?? { defaultAction: "allow" };
  let appliedIndex = 0;
  let touched = new Set<string>();
  let isReplaced = false;

  const outcomes = createTransactionOutcomes();
  const transact = (changes: ChangeSet, command: TransactionCommand): CommandResult => {
    const { result, outcome } = applyTransaction(tables, changes, command);
    outcomes.keep(command.id, outcome);
    return result;
  };
  const reader: StateReader = {
    appliedIndex: () => appliedIndex,
    ...createCatalogReads(tables, cache),
    ...createAddressReads(tables, cache),
    ...createConfigReads(tables, cache),
    ...createCoordinateReads(tables, cache),
    ...createJwtReads(tables, cache),
    ...createAclReads(tables, cache),
    ...createKvReads(tables, cache),
    ...createQueryReads(tables, cache),
    ...createPeeringReads(tables, cache),
    takeTransaction: outcomes.take,
    ...createMemberReads(tables, cache),
    ...createAclLoginReads(tables, cache),
    defaultIntention: () => defaultIntention,
  };

  return {
    reader,
    watches,
    apply(index, command) {
      appliedIndex = index;
      if (command.type === "restore-commit") {
        const restored = restoreSnapshot(tables, index, command);
        isReplaced ||= restored.isReplaced;
        return { result: restored.result, rows: restored.changes.rows };
      }
      const changes = createChangeSet(index + tables.indexes.offset());
      const result = command.type === "txn" ? transact(changes, command) : applyCommand(tables, changes, command);
      for (const key of changes.touched) touched.add(key);
      return { result, rows: changes.rows };
    },
    restore(index, rows) {
      const next = createTables();
      for (const row of rows) loadRow(next, row);
      replaceTables(tables, next);
      appliedIndex = index;
      isReplaced = true;
    },
    notify() {
      const woken = touched;
      touched = new Set();
      if (isReplaced) watches.wakeAll();
      else watches.wake(woken);
      isReplaced = false;
    },
    dump: () => dumpRows(tables),
    caRoots: () => tables.ca.all(),
  };
}
