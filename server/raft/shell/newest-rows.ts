import type { Row } from "../replica/replica-api.ts";

/**
 * The newest version of every row that was noted. Found by table, then key, so that noting a row builds no string: a
 * write changes about ten of them, most of them the same ones every time.
 */
export interface NewestRows extends Iterable<readonly [name: string, row: Row]> {
  note(row: Row): void;
}

export function createNewestRows(): NewestRows {
  const tables = new Map<string, Map<string, Row>>();
  return {
    note(row) {
      const rows = tables.get(row.table);
      if (rows === undefined) tables.set(row.table, new Map([[row.key, row]]));
      else rows.set(row.key, row);
    },
    *[Symbol.iterator]() {
      for (const [table, rows] of tables) {
        for (const [key, row] of rows) yield [`${table}/${key}`, row] as const;
      }
    },
  };
}
