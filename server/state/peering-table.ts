import type { CommandResult, PeeringDelete, PeeringUpsert } from "../../lib/contract/commands.ts";
import type { PeeringFields, PeeringRecord } from "../../lib/contract/peerings.ts";
import type { ChangeSet } from "./change-set.ts";
import type { IndexTable } from "./index-table.ts";
import { nameProblem, refuse } from "./name-rules.ts";
import { compareText } from "./order.ts";
import { createReadSlot, type ReadCache } from "./read-cache.ts";
import { createRecordTable, type RecordTable } from "./record-table.ts";
import type { StateReader } from "./reader.ts";
import type { Tables } from "./tables.ts";
import { upserted } from "./upsert.ts";
import { watchKeys } from "./watch-keys.ts";

/** Other clusters by the names that they have here. */
export type PeeringTable = RecordTable<PeeringRecord>;

export function createPeeringTable(indexes: IndexTable): PeeringTable {
  return createRecordTable(indexes, {
    table: "peerings",
    watchKey: watchKeys.peerings,
    keyOf: ({ Name }) => Name,
  });
}

export function upsertPeering(tables: Tables, changes: ChangeSet, { peering }: PeeringUpsert): CommandResult {
  const problem = nameProblem("PeerName", peering.Name);
  if (problem !== undefined) return problem;
  const existing = tables.peerings.get(peering.Name);
  if (existing !== undefined && (existing.PeerID === "") !== (peering.PeerID === "")) {
    const message = `a peering already exists with name "${peering.Name}" in the other direction: delete it first`;
    return refuse("CONFLICT", message);
  }
  // A new token for the same peer leaves the peering what it is.
  const fields = existing === undefined ? peering : { ...peering, ID: existing.ID };
  const record = upserted<PeeringFields>(existing, fields, changes.index);
  if (record !== undefined) tables.peerings.put(changes, record);
  return { ok: true, applied: true };
}

/** One that is not there is gone already. */
export function deletePeering(tables: Tables, changes: ChangeSet, { name }: PeeringDelete): CommandResult {
  const existing = tables.peerings.get(name);
  if (existing !== undefined) tables.peerings.remove(changes, existing);
  return { ok: true, applied: true };
}

export function createPeeringReads(tables: Tables, cache: ReadCache): Pick<StateReader, "peerings" | "peering"> {
  const all = createReadSlot<readonly PeeringRecord[]>();
  const one = createReadSlot<PeeringRecord | undefined>();
  const watch = [watchKeys.peerings];
  return {
    peerings: () =>
      cache.read(all, "", watch, () => [...tables.peerings.all()].sort((a, b) => compareText(a.Name, b.Name))),
    peering: (name) => cache.read(one, name, watch, () => tables.peerings.get(name)),
  };
}
