import type { RowChange, RowTable } from "./row-change.ts";

/** What applying one command changes: the rows to persist and the watch keys to wake. Collected in order, dropped with it. */
export interface ChangeSet {
  /** Log index of the command; every record and index that it changes gets it. */
  readonly index: number;
  readonly rows: readonly RowChange[];
  readonly touched: ReadonlySet<string>;
  put(table: RowTable, key: string, value: unknown): void;
  remove(table: RowTable, key: string): void;
  /** A row as it came from elsewhere; its table is one of the state's. */
  putRow(row: RowChange): void;
  removeRow(row: { readonly table: string; readonly key: string }): void;
  touch(watchKey: string): void;
  /** Of a command that may be taken back after it has changed tables: how to put back what was there. Newest first. */
  onUndo?(putBack: () => void): void;
}

/** The changes of one command that takes effect as a whole or not at all. */
export interface UndoableChanges {
  readonly changes: ChangeSet;
  /** Puts the tables back to where they were. */
  undo(): void;
}

export function createUndoableChanges(index: number): UndoableChanges {
  const steps: (() => void)[] = [];
  return {
    changes: { ...createChangeSet(index), onUndo: (putBack) => void steps.push(putBack) },
    undo() {
      for (const putBack of steps.splice(0).reverse()) putBack();
    },
  };
}

export function createChangeSet(index: number): ChangeSet {
  const rows: RowChange[] = [];
  const touched = new Set<string>();
  return {
    index,
    rows,
    touched,
    put: (table, key, value) => {
      rows.push({ table, key, value });
    },
    remove: (table, key) => {
      rows.push({ table, key });
    },
    putRow: (row) => {
      rows.push(row);
    },
    removeRow: ({ table, key }) => {
      rows.push({ table, key });
    },
    touch: (watchKey) => {
      touched.add(watchKey);
    },
  };
}
