import { type CheckFields, type Indexed, nodeLivenessCheckId } from "../../lib/contract/catalog.ts";
import type { CommandResult, MembersCommand } from "../../lib/contract/commands.ts";
import {
  aliveOutput,
  failedOutput,
  type MemberChange,
  type MemberRecord,
  type MemberStatus,
} from "../../lib/contract/members.ts";
import type { ChangeSet } from "./change-set.ts";
import { removeNode } from "./remove-node.ts";
import type { Tables } from "./tables.ts";
import { upsertCheck } from "./upsert-check.ts";
import { upserted } from "./upsert.ts";

/**
 * What becomes of members, and with them of the liveness check of their nodes: it follows the lease and nothing else. The
 * leader decided on what it knew a moment ago, so each step looks again whether it still fits.
 */
export function changeMembers(tables: Tables, changes: ChangeSet, command: MembersCommand): CommandResult {
  for (const change of command.changes) changeMember(tables, changes, { change, atMs: command.atMs });
  return { ok: true, applied: true };
}

interface Step {
  readonly change: MemberChange;
  readonly atMs: number;
}

function changeMember(tables: Tables, changes: ChangeSet, { change, atMs }: Step): void {
  if (change.kind === "alive") {
    takeLease(tables, changes, { change, atMs });
    return;
  }
  const member = tables.members.get(change.node);
  if (member === undefined || member.ID !== change.id) return;
  switch (change.kind) {
    case "failed":
      if (member.Status === "alive") setStatus(tables, changes, { member, status: "failed", atMs });
      return;
    case "left":
      leaveCatalog(tables, changes, member);
      setStatus(tables, changes, { member, status: "left", atMs });
      return;
    case "gone":
      if (member.Status === "alive") return;
      leaveCatalog(tables, changes, member);
      for (const { Kind, ID } of tables.withdrawals.onNode(member.Node)) {
        tables.withdrawals.remove(changes, member.Node, Kind, ID);
      }
      tables.members.remove(changes, member.Node);
  }
}

function takeLease(tables: Tables, changes: ChangeSet, step: Step): void {
  const { change, atMs } = step;
  if (change.kind !== "alive") return;
  const { member } = change;
  const holder = tables.members.get(member.Node);
  if (holder !== undefined && holder.ID !== member.ID && holder.Status === "alive") return;
  const renamed = tables.members.byId(member.ID);
  if (renamed !== undefined && renamed.Node !== member.Node) tables.members.remove(changes, renamed.Node);
  const isNew = holder?.ID !== member.ID || holder.Status !== "alive";
  const fields = { ...member, Status: "alive" as const, SinceMs: isNew ? atMs : holder.SinceMs };
  const record = upserted<Omit<MemberRecord, keyof Indexed>>(holder, fields, changes.index);
  if (record !== undefined) tables.members.put(changes, record);
  judgeNode(tables, changes, member.Node);
}

function setStatus(
  tables: Tables,
  changes: ChangeSet,
  step: { readonly member: MemberRecord; readonly status: MemberStatus; readonly atMs: number },
): void {
  const { member, status, atMs } = step;
  if (member.Status === status) return;
  tables.members.put(changes, { ...member, Status: status, SinceMs: atMs, ModifyIndex: changes.index });
  judgeNode(tables, changes, member.Node);
}

/** A node of another id has taken the name since: it is not this member's to remove. */
function leaveCatalog(tables: Tables, changes: ChangeSet, member: MemberRecord): void {
  if (tables.nodes.get(member.Node)?.ID === member.ID) removeNode(tables, changes, member.Node);
}

/** Brings the liveness check of a member's node in line with its lease. */
function judgeNode(tables: Tables, changes: ChangeSet, node: string): void {
  const status = livenessOf(tables, node);
  if (status === undefined) return;
  upsertCheck(tables, changes, livenessCheck(node, status));
}

/** Undefined where no lease says anything: no such node, none of a member, or one of another id. */
export function livenessOf(tables: Tables, node: string): "passing" | "critical" | undefined {
  const member = tables.members.get(node);
  if (member === undefined || tables.nodes.get(node)?.ID !== member.ID) return undefined;
  return member.Status === "alive" ? "passing" : "critical";
}

export function livenessCheck(node: string, status: "passing" | "critical"): CheckFields {
  return {
    Node: node,
    CheckID: nodeLivenessCheckId,
    Name: "Serf Health Status",
    Status: status,
    Notes: "",
    Output: status === "passing" ? aliveOutput : failedOutput,
    ServiceID: "",
    ServiceName: "",
    ServiceTags: [],
    Type: "",
    Interval: "",
    Timeout: "",
    Definition: {},
  };
}
