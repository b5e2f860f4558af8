import type { Indexed } from "../../lib/contract/catalog.ts";
import type { CaRootFields } from "../../lib/contract/commands.ts";
import type { ChangeSet } from "./change-set.ts";
import type { IndexTable } from "./index-table.ts";
import { watchKeys } from "./watch-keys.ts";

export type CaRootRecord = CaRootFields & Indexed;

/** The roots of trust with their private keys. Only `server/ca` reads the record; everybody else gets the public half. */
export interface CaTable {
  /** The one that signs. */
  active(): CaRootRecord | undefined;
  /** All that are trusted: the active one, then the others, the last that signed first. The same array until something changes. */
  all(): readonly CaRootRecord[];
  get(id: string): CaRootRecord | undefined;
  put(changes: ChangeSet, record: CaRootRecord): void;
  delete(changes: ChangeSet, id: string): void;
  load(record: CaRootRecord): void;
}

export function createCaTable(indexes: IndexTable): CaTable {
  let roots: readonly CaRootRecord[] = [];
  const keep = (record: CaRootRecord): void => {
    const others = roots.filter(({ id }) => id !== record.id);
    roots = [...others, record].toSorted((a, b) => rank(a) - rank(b) || b.ModifyIndex - a.ModifyIndex);
  };
  return {
    active: () => roots.find(isActive),
    all: () => roots,
    get: (id) => roots.find((root) => root.id === id),
    load: keep,
    put(changes, record) {
      keep(record);
      changes.put("ca-roots", record.id, record);
      indexes.touch(changes, watchKeys.caRoots);
    },
    delete(changes, id) {
      roots = roots.filter((root) => root.id !== id);
      changes.remove("ca-roots", id);
      indexes.touch(changes, watchKeys.caRoots);
    },
  };
}

function isActive(root: CaRootRecord): boolean {
  return root.trustedUntil === undefined;
}

function rank(root: CaRootRecord): number {
  return isActive(root) ? 0 : 1;
}
