import type { Indexed } from "../../lib/contract/catalog.ts";
import type { CaRootFields } from "../../lib/contract/commands.ts";
import type { ChangeSet } from "./change-set.ts";
import type { IndexTable } from "./index-table.ts";
import { watchKeys } from "./watch-keys.ts";

export type CaRootRecord = CaRootFields & Indexed;

/** The roots of trust with their private keys. Only `server/ca` reads the record; everybody else gets the public half. */
export interface CaTable {
  active(): CaRootRecord | undefined;
  all(): Iterable<CaRootRecord>;
  put(changes: ChangeSet, record: CaRootRecord): void;
  load(record: CaRootRecord): void;
}

export function createCaTable(indexes: IndexTable): CaTable {
  let active: CaRootRecord | undefined;
  return {
    active: () => active,
    all: () => (active === undefined ? [] : [active]),
    load: (record) => {
      active = record;
    },
    put(changes, record) {
      active = record;
      changes.put("ca-roots", record.id, record);
      indexes.touch(changes, watchKeys.caRoots);
    },
  };
}
