import type { CommandResult, SessionCreate, SessionDestroy } from "../../lib/contract/commands.ts";
import { maxLockDelayMs, sessionCheckIds, type SessionRecord } from "../../lib/contract/sessions.ts";
import type { ChangeSet } from "./change-set.ts";
import { nameProblem, type Refusal, refuse } from "./name-rules.ts";
import { compareText } from "./order.ts";
import { deleteQueriesOfSession } from "./query-rules.ts";
import type { Tables } from "./tables.ts";

/** A session begins on a node that is there, with checks that are there and not critical. Texts are Consul's. */
export function createSession(tables: Tables, changes: ChangeSet, { session }: SessionCreate): CommandResult {
  const problem = nameProblem("ID", session.ID) ?? nodeProblem(tables, session.Node) ?? checksProblem(tables, session);
  if (problem !== undefined) return problem;
  if (tables.sessions.get(session.ID) !== undefined) return refuse("CONFLICT", `session ${session.ID} exists already`);
  tables.sessions.add(changes, { ...session, CreateIndex: changes.index, ModifyIndex: changes.index });
  return { ok: true, applied: true };
}

export function destroySessions(tables: Tables, changes: ChangeSet, { ids }: SessionDestroy): CommandResult {
  for (const id of ids) {
    const session = tables.sessions.get(id);
    if (session !== undefined) endSession(tables, changes, session);
  }
  return { ok: true, applied: true };
}

/** A check became critical or went: sessions that depend on it end with the same command. */
export function endSessionsOfCheck(
  tables: Tables,
  changes: ChangeSet,
  check: { readonly Node: string; readonly CheckID: string },
): void {
  endAll(tables, changes, tables.sessions.dependingOn(check.Node, check.CheckID));
}

export function endSessionsOnNode(tables: Tables, changes: ChangeSet, node: string): void {
  endAll(tables, changes, tables.sessions.onNode(node));
}

function endAll(tables: Tables, changes: ChangeSet, sessions: ReadonlySet<SessionRecord>): void {
  if (sessions.size === 0) return;
  for (const session of [...sessions].sort((a, b) => compareText(a.ID, b.ID))) endSession(tables, changes, session);
}

/** What the session holds is released or deleted, and nobody else gets it before the lock-delay is over. */
function endSession(tables: Tables, changes: ChangeSet, session: SessionRecord): void {
  tables.sessions.remove(changes, session);
  deleteQueriesOfSession(tables, changes, session.ID);
  const delayMs = Math.min(session.lockDelayMs, maxLockDelayMs);
  for (const record of tables.kv.heldBy(session.ID)) {
    if (session.Behavior === "delete") tables.kv.remove(changes, record);
    else tables.kv.put(changes, { ...record, Session: "", ModifyIndex: changes.index });
    if (delayMs > 0) tables.lockDelays.put(changes, { key: record.Key, delayMs, index: changes.index });
  }
}

function nodeProblem(tables: Tables, node: string): Refusal | undefined {
  if (node === "") return refuse("INVALID_ARGUMENT", "Must provide Node");
  return tables.nodes.get(node) === undefined ? refuse("NOT_FOUND", "Missing node registration") : undefined;
}

function checksProblem(tables: Tables, session: SessionCreate["session"]): Refusal | undefined {
  for (const id of sessionCheckIds(session)) {
    const check = tables.checks.get(session.Node, id);
    if (check === undefined) return refuse("NOT_FOUND", `Missing check '${id}' registration`);
    if (check.Status === "critical") return refuse("CONFLICT", `Check '${id}' is in ${check.Status} state`);
  }
  return undefined;
}
