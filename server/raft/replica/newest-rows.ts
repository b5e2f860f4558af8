import type { Row } from "./replica-api.ts";

/**
 * The newest version of every row that was noted. Found by table, then key, so that noting a row builds no string: a
 * write changes several of them, most of them the same ones every time.
 */
export interface NewestRows extends Iterable<Row> {
  readonly size: number;
  note(row: Row): void;
}

export function createNewestRows(): NewestRows {
  const tables = new Map<string, Map<string, Row>>();
  let size = 0;
  return {
    get size() {
      return size;
    },
    note(row) {
      let rows = tables.get(row.table);
      if (rows === undefined) {
        rows = new Map();
        tables.set(row.table, rows);
      }
      const before = rows.size;
      rows.set(row.key, row);
      size += rows.size - before;
    },
    *[Symbol.iterator]() {
      for (const rows of tables.values()) yield* rows.values();
    },
  };
}
