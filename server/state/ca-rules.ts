import type { CaInitialize, CaPrune, CaRotate, CommandResult } from "../../lib/contract/commands.ts";
import type { ChangeSet } from "./change-set.ts";
import type { Tables } from "./tables.ts";
import { upserted } from "./upsert.ts";

/** Roots that sign no more and are still trusted. */
const maxRetired = 4;

/** What the commands of the certificate authority mean: one root signs, those before it are trusted until they are pruned. */
export function initializeCa(tables: Tables, changes: ChangeSet, { root }: CaInitialize): CommandResult {
  if (tables.ca.active() !== undefined) return { ok: true, applied: false };
  tables.ca.put(changes, { ...root, CreateIndex: changes.index, ModifyIndex: changes.index });
  return { ok: true, applied: true };
}

export function rotateCa(tables: Tables, changes: ChangeSet, command: CaRotate): CommandResult {
  const { root, from, trustedUntil } = command;
  const active = tables.ca.active();
  if (active?.id !== from) {
    const message = `root ${active?.id ?? "none"} signs now, not ${from}: another rotation came first, look at it and try again`;
    return { ok: false, code: "CONFLICT", message };
  }
  if (tables.ca.get(root.id) !== undefined) {
    const message = `root ${root.id} is or was one of this cluster: a root is used once`;
    return { ok: false, code: "CONFLICT", message };
  }
  const retiring = tables.ca.all();
  if (retiring.length > maxRetired) {
    const firstEnd = retiring.at(-1)?.trustedUntil ?? "";
    const message = `${maxRetired} former roots are still trusted, and every handshake carries them: the first ends ${firstEnd}, wait for that`;
    return { ok: false, code: "CONFLICT", message };
  }
  // The key of a root that signs no more can do nothing but harm.
  const retired = upserted(active, { ...active, privateKeyPem: "", trustedUntil }, changes.index);
  if (retired !== undefined) tables.ca.put(changes, retired);
  tables.ca.put(changes, { ...root, CreateIndex: changes.index, ModifyIndex: changes.index });
  return { ok: true, applied: true };
}

export function pruneCa(tables: Tables, changes: ChangeSet, { ids }: CaPrune): CommandResult {
  const retired = ids.filter((id) => tables.ca.get(id)?.trustedUntil !== undefined);
  for (const id of retired) tables.ca.delete(changes, id);
  return { ok: true, applied: retired.length > 0 };
}
