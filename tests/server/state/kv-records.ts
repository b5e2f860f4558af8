import type { Command } from "../../../lib/contract/commands.ts";
import type { KvOperation, KvVerb } from "../../../lib/contract/kv.ts";
import type { SessionFields } from "../../../lib/contract/sessions.ts";
import type { TransactionOperation } from "../../../lib/contract/transactions.ts";

/** Complete operations and sessions with plain defaults, for tests that care about one or two fields. */
export function kvOperation(verb: KvVerb, key: string, fields: Partial<KvOperation> = {}): KvOperation {
  return { verb, key, value: "", flags: "0", index: 0, session: "", ...fields };
}

export function kvCommand(verb: KvVerb, key: string, fields: Partial<KvOperation> = {}): Command {
  return { type: "kv", operation: kvOperation(verb, key, fields) };
}

export function sessionFields(id: string, node: string, fields: Partial<SessionFields> = {}): SessionFields {
  return {
    ID: id,
    Name: "",
    Node: node,
    lockDelayMs: 15_000,
    Behavior: "release",
    TTL: "",
    ttlMs: 0,
    NodeChecks: [],
    ServiceChecks: [],
    ...fields,
  };
}

export function sessionCreate(id: string, node: string, fields: Partial<SessionFields> = {}): Command {
  return { type: "session-create", session: sessionFields(id, node, fields) };
}

export function transaction(...operations: readonly (KvOperation | TransactionOperation)[]): Command {
  const made = operations.map((one) => ("type" in one ? one : ({ type: "kv", kv: one } as const)));
  return { type: "txn", id: "t", operations: made };
}
