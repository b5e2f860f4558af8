import { nodeLivenessCheckId } from "../../lib/contract/catalog.ts";
import type { CommandResult, DeregisterCommand } from "../../lib/contract/commands.ts";
import type { ChangeSet } from "./change-set.ts";
import { removeCheck, removeNode, removeService } from "./remove-node.ts";
import type { Tables } from "./tables.ts";

/** Removes a service with its checks, a check, or a node with everything on it. What is not there is gone already. */
export function deregister(tables: Tables, changes: ChangeSet, command: DeregisterCommand): CommandResult {
  if (command.isForced === true) withdraw(tables, changes, command);
  if (command.serviceId !== undefined) {
    const service = tables.services.get(command.node, command.serviceId);
    if (service !== undefined) removeService(tables, changes, service);
  } else if (command.checkId !== undefined) {
    const check = tables.checks.get(command.node, command.checkId);
    if (check !== undefined) removeCheck(tables, changes, check);
  } else {
    const { node, left } = command;
    if (left !== undefined && (tables.nodes.get(node)?.ID ?? left.id) !== left.id) return { ok: true, applied: true };
    removeNode(tables, changes, node);
    if (left !== undefined) leave(tables, changes, { node, ...left });
  }
  return { ok: true, applied: true };
}

/**
 * Remembers what goes, so that the node's agent does not bring it back. Where no agent is, nobody would. The node itself
 * and its liveness check come back with a living agent: they say that it is there.
 */
function withdraw(tables: Tables, changes: ChangeSet, command: DeregisterCommand): void {
  const { node, serviceId, checkId } = command;
  if (tables.members.get(node) === undefined) return;
  const services = [...tables.services.onNode(node)].filter(({ ID }) =>
    serviceId === undefined ? checkId === undefined : ID === serviceId,
  );
  const checks = [...tables.checks.onNode(node)].filter(({ CheckID, ServiceID }) => {
    if (CheckID === nodeLivenessCheckId) return false;
    // Those of a service go and come back with it.
    return serviceId === undefined && (checkId === undefined ? ServiceID === "" : CheckID === checkId);
  });
  for (const { ID } of services) tables.withdrawals.add(changes, { Node: node, Kind: "service", ID });
  for (const { CheckID } of checks) tables.withdrawals.add(changes, { Node: node, Kind: "check", ID: CheckID });
}

interface Leaving {
  readonly node: string;
  readonly id: string;
  readonly atMs: number;
}

function leave(tables: Tables, changes: ChangeSet, { node, id, atMs }: Leaving): void {
  const member = tables.members.get(node);
  if (member === undefined || member.ID !== id || member.Status === "left") return;
  tables.members.put(changes, { ...member, Status: "left", SinceMs: atMs, ModifyIndex: changes.index });
}
