import { isDeepStrictEqual } from "node:util";
import type { Command } from "../../../lib/contract/commands.ts";
import type { KvFields, KvOperation, KvRecord } from "../../../lib/contract/kv.ts";
import type { SessionRecord } from "../../../lib/contract/sessions.ts";

/** Keys, sessions and what sessions depend on, with full scans: an oracle for the tables. It takes valid commands only. */
export interface NaiveKv {
  entries: Map<string, KvRecord>;
  sessions: Map<string, SessionRecord>;
  /** By node: the status of its checks. */
  nodes: Map<string, Map<string, string>>;
  delays: Map<string, number>;
}

export function createNaiveKv(): NaiveKv {
  return { entries: new Map(), sessions: new Map(), nodes: new Map(), delays: new Map() };
}

/** False when the command is refused, or answered with `false`. */
export function applyNaiveKv(state: NaiveKv, index: number, command: Command): boolean {
  switch (command.type) {
    case "register":
      return registerNaively(state, index, command);
    case "deregister":
      if (command.checkId === undefined) state.nodes.delete(command.node);
      else state.nodes.get(command.node)?.delete(command.checkId);
      endUnfounded(state, index);
      return true;
    case "session-create": {
      const { session } = command;
      const checks = state.nodes.get(session.Node);
      if (state.sessions.has(session.ID) || checks === undefined) return false;
      if (session.NodeChecks.some((id) => (checks.get(id) ?? "critical") === "critical")) return false;
      state.sessions.set(session.ID, { ...session, CreateIndex: index, ModifyIndex: index });
      return true;
    }
    case "session-destroy":
      for (const id of command.ids) end(state, index, id);
      return true;
    case "kv":
      return operate(state, index, command.operation);
    case "kv-expire":
      for (const { key, modifyIndex } of command.entries) {
        const entry = state.entries.get(key);
        if (entry?.ModifyIndex === modifyIndex && entry.Expiry !== undefined) state.entries.delete(key);
      }
      return true;
    case "kv-reap":
      return true;
    case "lock-delays-end":
      for (const { key, index: begun } of command.delays) if (state.delays.get(key) === begun) state.delays.delete(key);
      return true;
    case "txn": {
      const before = structuredClone(state);
      const isDone = command.operations.map((operation) => {
        if (operation.type === "kv") return operate(state, index, operation.kv);
        if (operation.type !== "check" || operation.fields === undefined || !state.nodes.has(operation.node))
          return false;
        return registerNaively(state, index, { node: { Node: operation.node }, checks: [operation.fields] });
      });
      if (isDone.every(Boolean)) return true;
      Object.assign(state, before);
      return false;
    }
    default:
      throw new Error(`not part of this oracle: ${command.type}`);
  }
}

function registerNaively(
  state: NaiveKv,
  index: number,
  { node, checks }: { node: { Node: string }; checks: readonly { CheckID: string; Status: string }[] },
): boolean {
  const statuses = state.nodes.get(node.Node) ?? new Map<string, string>();
  state.nodes.set(node.Node, statuses);
  for (const check of checks) statuses.set(check.CheckID, check.Status);
  endUnfounded(state, index);
  return true;
}

function endUnfounded(state: NaiveKv, index: number): void {
  for (const session of [...state.sessions.values()]) {
    const checks = state.nodes.get(session.Node);
    const isFounded = session.NodeChecks.every((id) => (checks?.get(id) ?? "critical") !== "critical");
    if (checks === undefined || !isFounded) end(state, index, session.ID);
  }
}

function end(state: NaiveKv, index: number, id: string): void {
  const session = state.sessions.get(id);
  if (session === undefined) return;
  state.sessions.delete(id);
  for (const entry of [...state.entries.values()]) {
    if (entry.Session !== id) continue;
    if (session.Behavior === "delete") state.entries.delete(entry.Key);
    else state.entries.set(entry.Key, { ...entry, Session: "", ModifyIndex: index });
    if (session.lockDelayMs > 0) state.delays.set(entry.Key, index);
  }
}

function operate(state: NaiveKv, index: number, operation: KvOperation): boolean {
  const { verb, key, session } = operation;
  const existing = state.entries.get(key);
  const { LockIndex = 0, Session = "" } = existing ?? {};
  switch (verb) {
    case "set":
      return put(state, index, operation, { LockIndex, Session });
    case "cas":
      if (operation.index !== (existing?.ModifyIndex ?? 0)) return false;
      return put(state, index, operation, { LockIndex, Session });
    case "lock":
      if (!state.sessions.has(session) || (Session !== "" && Session !== session)) return false;
      return put(state, index, operation, {
        LockIndex: Session === session ? LockIndex : LockIndex + 1,
        Session: session,
      });
    case "unlock":
      if (session === "" || existing === undefined || Session !== session) return false;
      return put(state, index, operation, { LockIndex, Session: "" });
    case "delete":
      state.entries.delete(key);
      return true;
    case "delete-cas":
      if (existing !== undefined && existing.ModifyIndex !== operation.index) return false;
      state.entries.delete(key);
      return true;
    case "delete-tree":
      for (const other of [...state.entries.keys()]) if (other.startsWith(key)) state.entries.delete(other);
      return true;
    case "get":
      return existing !== undefined;
    case "check-index":
      return existing?.ModifyIndex === operation.index;
    case "check-session":
      return existing?.Session === session;
    case "check-not-exists":
      return existing === undefined;
    case "get-or-empty":
    case "get-tree":
      return true;
  }
}

function put(
  state: NaiveKv,
  index: number,
  { key, value, flags, expiry }: KvOperation,
  lock: Pick<KvFields, "LockIndex" | "Session">,
): boolean {
  const existing = state.entries.get(key);
  const fields = { Key: key, Value: value, Flags: flags, ...lock, ...(expiry === undefined ? {} : { Expiry: expiry }) };
  const kept = { ...fields, CreateIndex: existing?.CreateIndex ?? index, ModifyIndex: existing?.ModifyIndex ?? index };
  state.entries.set(key, isDeepStrictEqual(kept, existing) ? kept : { ...kept, ModifyIndex: index });
  return true;
}
