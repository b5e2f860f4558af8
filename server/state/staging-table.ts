import type { ChangeSet } from "./change-set.ts";
import type { RowChange } from "./row-change.ts";

/**
 * Rows of a snapshot that is being restored, piece by piece, until all of them are there. They are persisted like any
 * other row, so a restart in the middle changes nothing; nobody reads them before the last command of the restore.
 */
export interface StagingTable {
  /** Pieces come in order from 0, which drops what another restore has left; false when one is missing before it. */
  add(changes: ChangeSet, piece: StagedPiece): boolean;
  /** Every row of the restore when it has that many pieces. */
  rowsOf(restoreId: string, pieceCount: number): readonly RowChange[] | undefined;
  clear(changes: ChangeSet): void;
  load(piece: StagedPiece): void;
  all(): Iterable<StagedPiece>;
}

export interface StagedPiece {
  readonly restoreId: string;
  readonly piece: number;
  readonly rows: readonly RowChange[];
}

export function createStagingTable(): StagingTable {
  const pieces = new Map<number, StagedPiece>();
  const isOf = (restoreId: string): boolean => pieces.get(0)?.restoreId === restoreId;
  const clear = (changes: ChangeSet): void => {
    for (const piece of pieces.values()) changes.remove("restore-staging", stagingKey(piece));
    pieces.clear();
  };
  return {
    add(changes, piece) {
      if (piece.piece === 0) clear(changes);
      else if (!isOf(piece.restoreId) || pieces.size !== piece.piece) return false;
      pieces.set(piece.piece, piece);
      changes.put("restore-staging", stagingKey(piece), piece);
      return true;
    },
    rowsOf(restoreId, pieceCount) {
      if (!isOf(restoreId) || pieces.size !== pieceCount) return undefined;
      return Array.from({ length: pieceCount }, (_, i) => pieces.get(i)?.rows ?? []).flat();
    },
    clear,
    load: (piece) => void pieces.set(piece.piece, piece),
    all: () => pieces.values(),
  };
}

export function stagingKey(piece: StagedPiece): string {
  return String(piece.piece).padStart(8, "0");
}
