import type { KvOperation, KvRecord } from "../../lib/contract/kv.ts";
import type { ChangeSet } from "./change-set.ts";
import { applyKvOperation } from "./kv-rules.ts";
import { type Refusal, refuse } from "./name-rules.ts";
import type { Tables } from "./tables.ts";
import type { OperationOutcome } from "./transaction-rules.ts";

/** One operation on keys within a transaction: what alone would answer `false` fails the whole of it. Texts are Consul's. */
export function applyTransactionKv(tables: Tables, changes: ChangeSet, operation: KvOperation): OperationOutcome {
  const { verb, key, index, session } = operation;
  const quoted = JSON.stringify(key);
  const existing = tables.kv.get(key);
  switch (verb) {
    case "get":
      return existing === undefined ? conflict(`key ${quoted} doesn't exist`) : found(existing, true);
    case "get-or-empty":
      return found(existing ?? emptyRecord(operation), true);
    case "get-tree":
      return {
        ok: true,
        results: tables.kv.under(key).map((record) => ({ type: "kv", record, hasValue: true }) as const),
      };
    case "check-not-exists":
      return existing === undefined ? { ok: true, results: [] } : conflict(`key ${quoted} exists`);
    case "check-index":
      if (existing === undefined) return conflict(`failed to check index, key ${quoted} doesn't exist`);
      if (existing.ModifyIndex === index) return found(existing, false);
      return conflict(`failed index check for key ${quoted}, current modify index ${existing.ModifyIndex} != ${index}`);
    case "check-session":
      if (existing === undefined) return conflict(`failed to check session, key ${quoted} doesn't exist`);
      if (existing.Session === session) return found(existing, false);
      return conflict(
        `failed session check for key ${quoted}, current session ${JSON.stringify(existing.Session)} != ${JSON.stringify(session)}`,
      );
    default: {
      const outcome = applyKvOperation(tables, changes, operation);
      if (!outcome.ok) return outcome;
      if (!outcome.applied) return conflict(notApplied[verb](quoted));
      return outcome.record === undefined ? { ok: true, results: [] } : found(outcome.record, false);
    }
  }
}

type Writing = Exclude<
  KvOperation["verb"],
  "get" | "get-or-empty" | "get-tree" | "check-not-exists" | "check-index" | "check-session"
>;

const stale = (key: string): string => `failed to set key ${key}, index is stale`;

/** `set`, `delete` and `delete-tree` always apply. */
const notApplied: Readonly<Record<Writing, (key: string) => string>> = {
  set: stale,
  cas: stale,
  lock: (key) => `failed to lock key ${key}, lock is already held`,
  unlock: (key) => `failed to unlock key ${key}, lock isn't held, or is held by another session`,
  delete: (key) => `failed to delete key ${key}`,
  "delete-cas": (key) => `failed to delete key ${key}, index is stale`,
  "delete-tree": (key) => `failed to delete keys under ${key}`,
};

function found(record: KvRecord, hasValue: boolean): OperationOutcome {
  return { ok: true, results: [{ type: "kv", record, hasValue }] };
}

function conflict(message: string): Refusal {
  return refuse("CONFLICT", message);
}

function emptyRecord({ key, flags, session }: KvOperation): KvRecord {
  return { Key: key, Value: "", Flags: flags, LockIndex: 0, Session: session, CreateIndex: 0, ModifyIndex: 0 };
}
