import type { CommandResult, RestoreCommit } from "../../lib/contract/commands.ts";
import { type ChangeSet, createChangeSet } from "./change-set.ts";
import type { RowChange } from "./row-change.ts";
import { dumpRows, loadRow } from "./rows.ts";
import { createTables, replaceTables, type Tables } from "./tables.ts";
import { watchFamily, watchKeys } from "./watch-keys.ts";

/** Tables whose rows a snapshot's do not replace. */
const ownTables = ["indexes", "restore-staging"];

/**
 * Replaces the whole state by the staged rows, as one command. Records come back exactly as they were saved. Indexes of
 * the catalog run ahead of the log's from then on if they must, so that whoever has read an index, from this state or
 * from the one that was saved, is shown a larger one: no watcher misses the restore and no old index is ever valid again.
 */
export function restoreSnapshot(
  tables: Tables,
  logIndex: number,
  command: RestoreCommit,
): { readonly result: CommandResult; readonly changes: ChangeSet; readonly isReplaced: boolean } {
  const offset = Math.max(tables.indexes.offset(), command.highestIndex + 1 - logIndex);
  const changes = createChangeSet(logIndex + offset);
  const staged = tables.staging.rowsOf(command.restoreId, command.pieceCount);
  if (staged === undefined) {
    const message = "the snapshot was not staged whole, or another restore has begun since: nothing was changed";
    return { result: { ok: false, code: "CONFLICT", message }, changes: createChangeSet(logIndex), isReplaced: false };
  }
  const kept = command.keepsAuthority ? [...dumpRows(tables)].filter(({ table }) => table === "ca-roots") : [];
  const rows = [
    ...staged.filter(({ table }) => !ownTables.includes(table) && !(command.keepsAuthority && table === "ca-roots")),
    ...kept,
  ];
  const next = createTables();
  for (const row of rows) loadRow(next, row);
  next.indexes.load(next.indexes.offsetKey, offset);
  for (const key of indexKeysAfter(tables, staged, next)) next.indexes.load(key, changes.index);
  writeDifference(tables, next, changes);
  replaceTables(tables, next);
  return { result: { ok: true, applied: true }, changes, isReplaced: true };
}

/** What was watchable before or is now: both get the index of the restore, through their family where they are gone. */
function indexKeysAfter(before: Tables, staged: readonly RowChange[], after: Tables): ReadonlySet<string> {
  const present = new Set(staged.filter(({ table }) => table === "indexes").map(({ key }) => key));
  // Those that records carry are in no row.
  for (const [key] of after.indexes.entries()) present.add(key);
  present.delete(before.indexes.offsetKey);
  const keys = new Set(present).add(watchKeys.kvRestored);
  for (const [key] of before.indexes.entries()) {
    const family = watchFamily(key);
    if (key === before.indexes.offsetKey) continue;
    if (present.has(key) || family === undefined) keys.add(key);
    else keys.add(before.indexes.extinctKey(family));
  }
  return keys;
}

function writeDifference(before: Tables, after: Tables, changes: ChangeSet): void {
  const gone = new Set([...dumpRows(before)].map((row) => JSON.stringify([row.table, row.key])));
  for (const row of dumpRows(after)) {
    gone.delete(JSON.stringify([row.table, row.key]));
    changes.putRow(row);
  }
  for (const name of gone) {
    const [table, key]: [string, string] = JSON.parse(name);
    changes.removeRow({ table, key });
  }
}
