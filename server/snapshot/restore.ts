/**
 * Makes a snapshot the state of the whole cluster: everything is checked first, then the rows go through the log in
 * pieces that nobody sees, and one last command puts them in place on every server alike. Writes go on meanwhile; what
 * they changed is gone with the state that is replaced.
 */
import { errorMessage } from "../../lib/base/errors.ts";
import type { RestoreCommit, RestoreRows } from "../../lib/contract/commands.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { ReplicatedLog } from "../log/replicated-log.ts";
import type { RowChange } from "../state/row-change.ts";
import { rowTables } from "../state/row-change.ts";
import { createState } from "../state/state.ts";
import { damaged } from "./tar.ts";

/** One entry of the log; a row larger than this gets one of its own. */
const pieceChars = 512 * 1024;

export interface RestoreOptions {
  readonly log: Pick<ReplicatedLog, "propose">;
  /** Rows of tables that the state does not know are left out: an engine keeps its own beside them. */
  readonly rows: Iterable<RowChange> | AsyncIterable<RowChange>;
  /** Names the restore, so that a retry of it has one effect. */
  readonly restoreId: string;
  readonly signal?: AbortSignal;
}

/** Rejects with `INVALID_ARGUMENT` before anything was changed, or with what the log rejects with. */
export async function restoreThroughLog(options: RestoreOptions): Promise<{ readonly index: number }> {
  const { log, restoreId, signal } = options;
  const rows = await knownRows(options.rows);
  const highestIndex = checkRows(rows);
  let piece = 0;
  const propose = async (command: RestoreRows | RestoreCommit, step: string): Promise<number> => {
    const { index, result } = await log.propose(command, signal, { requestId: `${restoreId}#${step}` });
    if (!result.ok) throw new AtollError(result.code, result.message);
    return index;
  };
  for (const part of inPieces(rows)) {
    await propose({ type: "restore-rows", restoreId, piece, rows: part }, String(piece));
    piece++;
  }
  const index = await propose(
    { type: "restore-commit", restoreId, pieceCount: piece, highestIndex, keepsAuthority: true },
    "commit",
  );
  return { index };
}

async function knownRows(rows: RestoreOptions["rows"]): Promise<readonly RowChange[]> {
  const known: RowChange[] = [];
  for await (const row of rows) {
    if (rowTables.some((table) => table === row.table) && row.table !== "restore-staging") known.push(row);
  }
  return known;
}

/**
 * Loads the rows into a state that nobody uses: one that the real ones would break on must never get into the log. Returns
 * the largest index that a reader of that state can have seen.
 */
function checkRows(rows: readonly RowChange[]): number {
  const scratch = createState();
  const byKey = new Map(rows.map((row) => [JSON.stringify([row.table, row.key]), row]));
  if (byKey.size !== rows.length) throw damaged("a row is in it twice");
  try {
    scratch.restore(1, rows);
    let count = 0;
    let highestIndex = 0;
    for (const row of scratch.dump()) {
      if (row.table === "indexes") {
        // Some of them come from the records and have no row.
        highestIndex = Math.max(highestIndex, Number(row.value));
        continue;
      }
      count++;
      if (!byKey.has(JSON.stringify([row.table, row.key]))) throw damaged(`a row of ${row.table} has a wrong key`);
    }
    const expected = rows.filter(({ table }) => table !== "indexes").length;
    if (count !== expected) throw damaged(`of its ${expected} records only ${count} make a state`);
    scratch.reader.nodes();
    scratch.reader.services();
    scratch.reader.intentions({ by: "all" });
    // The indexes of keys are in their records alone.
    highestIndex = Math.max(highestIndex, scratch.reader.kvEntries("").index);
    return highestIndex;
  } catch (thrown) {
    if (thrown instanceof AtollError) throw thrown;
    throw damaged(`its rows do not make a state (${errorMessage(thrown)})`);
  }
}

function* inPieces(rows: readonly RowChange[]): Iterable<readonly RowChange[]> {
  let piece: RowChange[] = [];
  let chars = 0;
  for (const row of rows) {
    piece.push(row);
    chars += JSON.stringify(row).length;
    if (chars < pieceChars) continue;
    yield piece;
    piece = [];
    chars = 0;
  }
  // A restore of nothing has one piece as well: it drops what another one has staged.
  yield piece;
}
