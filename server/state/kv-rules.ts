import type { CommandResult, KvCommand, KvExpire, KvReap, LockDelaysEnd } from "../../lib/contract/commands.ts";
import { type KvFields, type KvOperation, type KvRecord, maxKvKeyChars } from "../../lib/contract/kv.ts";
import type { ChangeSet } from "./change-set.ts";
import { type Refusal, refuse } from "./name-rules.ts";
import type { Tables } from "./tables.ts";
import { upserted } from "./upsert.ts";

/** What one operation came to: the record as it is afterwards, where the verb leaves or finds one. */
export type KvOutcome = { readonly ok: true; readonly applied: boolean; readonly record?: KvRecord } | Refusal;

export function applyKvCommand(tables: Tables, changes: ChangeSet, { operation }: KvCommand): CommandResult {
  const outcome = applyKvOperation(tables, changes, operation);
  return outcome.ok ? { ok: true, applied: outcome.applied } : outcome;
}

/** The verbs that change something. Texts are Consul's. */
export function applyKvOperation(tables: Tables, changes: ChangeSet, operation: KvOperation): KvOutcome {
  const { verb, key, index } = operation;
  if (verb === "delete-tree") {
    tables.kv.removeTree(changes, key);
    return { ok: true, applied: true };
  }
  const problem = keyProblem(key);
  if (problem !== undefined) return problem;
  const existing = tables.kv.get(key);
  switch (verb) {
    case "set":
      return write(tables, changes, { operation, existing });
    case "cas":
      if (index !== (existing?.ModifyIndex ?? 0)) return { ok: true, applied: false };
      return write(tables, changes, { operation, existing });
    case "lock":
      return lock(tables, changes, { operation, existing });
    case "unlock":
      return unlock(tables, changes, { operation, existing });
    case "delete":
      if (existing !== undefined) tables.kv.remove(changes, existing);
      return { ok: true, applied: true };
    case "delete-cas":
      if (existing === undefined) return { ok: true, applied: true };
      if (existing.ModifyIndex !== index) return { ok: true, applied: false };
      tables.kv.remove(changes, existing);
      return { ok: true, applied: true };
    default:
      return refuse("INVALID_ARGUMENT", `KV verb "${verb}" changes nothing and cannot be written`);
  }
}

/** An entry that was written again since has another time to end, or none. */
export function expireKv(tables: Tables, changes: ChangeSet, { entries }: KvExpire): CommandResult {
  let applied = false;
  for (const { key, modifyIndex } of entries) {
    const record = tables.kv.get(key);
    if (record?.Expiry === undefined || record.ModifyIndex !== modifyIndex) continue;
    tables.kv.remove(changes, record);
    applied = true;
  }
  return { ok: true, applied };
}

export function reapKv(tables: Tables, changes: ChangeSet, { index }: KvReap): CommandResult {
  return { ok: true, applied: tables.kv.reap(changes, index) };
}

export function endLockDelays(tables: Tables, changes: ChangeSet, { delays }: LockDelaysEnd): CommandResult {
  for (const { key, index } of delays) {
    const delay = tables.lockDelays.get(key);
    if (delay?.index === index) tables.lockDelays.remove(changes, delay);
  }
  return { ok: true, applied: true };
}

interface Writing {
  readonly operation: KvOperation;
  readonly existing: KvRecord | undefined;
}

/** The lock stays with who holds it. */
function write(tables: Tables, changes: ChangeSet, { operation, existing }: Writing): KvOutcome {
  const { LockIndex = 0, Session = "" } = existing ?? {};
  return put(tables, changes, { operation, existing, lock: { LockIndex, Session } });
}

function lock(tables: Tables, changes: ChangeSet, { operation, existing }: Writing): KvOutcome {
  const { session } = operation;
  if (session === "") return refuse("INVALID_ARGUMENT", "missing session");
  if (tables.sessions.get(session) === undefined) {
    return refuse("NOT_FOUND", `invalid session ${JSON.stringify(session)}`);
  }
  const { LockIndex = 0, Session = "" } = existing ?? {};
  if (Session !== "" && Session !== session) return { ok: true, applied: false };
  const lockIndex = Session === session ? LockIndex : LockIndex + 1;
  return put(tables, changes, { operation, existing, lock: { LockIndex: lockIndex, Session: session } });
}

function unlock(tables: Tables, changes: ChangeSet, { operation, existing }: Writing): KvOutcome {
  if (operation.session === "") return refuse("INVALID_ARGUMENT", "missing session");
  if (existing === undefined || existing.Session !== operation.session) return { ok: true, applied: false };
  return put(tables, changes, { operation, existing, lock: { LockIndex: existing.LockIndex, Session: "" } });
}

function put(
  tables: Tables,
  changes: ChangeSet,
  { operation, existing, lock: held }: Writing & { readonly lock: Pick<KvFields, "LockIndex" | "Session"> },
): KvOutcome {
  const fields: KvFields = {
    Key: operation.key,
    Value: operation.value,
    Flags: operation.flags,
    ...held,
    ...(operation.expiry === undefined ? {} : { Expiry: operation.expiry }),
  };
  const record = upserted(existing, fields, changes.index);
  if (record !== undefined) tables.kv.put(changes, record);
  const kept = record ?? existing;
  return { ok: true, applied: true, ...(kept === undefined ? {} : { record: kept }) };
}

function keyProblem(key: string): Refusal | undefined {
  if (key === "") return refuse("INVALID_ARGUMENT", "Must provide key");
  if (key.length <= maxKvKeyChars && key.isWellFormed()) return undefined;
  return refuse("INVALID_ARGUMENT", `a key is valid Unicode of at most ${maxKvKeyChars} characters`);
}
