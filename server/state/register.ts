import {
  type CheckFields,
  type NodeFields,
  nodeLivenessCheckId,
  type ServiceFields,
} from "../../lib/contract/catalog.ts";
import type { CommandResult, RegisterCommand } from "../../lib/contract/commands.ts";
import type { ChangeSet } from "./change-set.ts";
import { livenessCheck, livenessOf } from "./member-rules.ts";
import { nameProblem, type Refusal, refuse } from "./name-rules.ts";
import { removeNode } from "./remove-node.ts";
import type { Tables } from "./tables.ts";
import { connectDestination } from "./service-table.ts";
import { touchInstancesOn } from "./touch-judged.ts";
import { upsertCheck } from "./upsert-check.ts";
import { upserted } from "./upsert.ts";
import { releaseVirtualAddress, withVirtualAddress } from "./virtual-ips.ts";

/** Upserts a node, a service and checks: everything is judged before anything is changed. */
export function register(tables: Tables, changes: ChangeSet, command: RegisterCommand): CommandResult {
  const problem = registerProblem(tables, command);
  if (problem !== undefined) return problem;
  upsertNode(tables, changes, command);
  readmit(tables, changes, command);
  if (command.service !== undefined) upsertService(tables, changes, command.node.Node, command.service);
  for (const check of command.checks) upsertCheck(tables, changes, judged(tables, check));
  return { ok: true, applied: true };
}

function registerProblem(tables: Tables, command: RegisterCommand): Refusal | undefined {
  const { node, service, checks } = command;
  const badName =
    nameProblem("Node", node.Node) ??
    (service && (nameProblem("Service.ID", service.ID) ?? nameProblem("Service.Service", service.Service)));
  if (badName !== undefined) return badName;
  if (node.Address === "" && !command.skipNodeUpdate) {
    return refuse("INVALID_ARGUMENT", "Must provide address if SkipNodeUpdate is not set");
  }
  return (
    destinationProblem(service) ??
    nodeConflict(tables, command) ??
    withdrawnProblem(tables, command) ??
    firstProblem(checks, (check) => checkProblem(tables, command, check))
  );
}

/** The destination of a sidecar is a key too. */
function destinationProblem(service: ServiceFields | undefined): Refusal | undefined {
  if (service?.Kind !== "connect-proxy") return undefined;
  const destination = service.Proxy?.DestinationServiceName ?? "";
  if (destination !== "") return nameProblem("Proxy.DestinationServiceName", destination);
  return refuse("INVALID_ARGUMENT", "Proxy.DestinationServiceName must be non-empty for Connect proxy services");
}

/**
 * A name belongs to the node ID that holds it for as long as that node's agent is alive; once its liveness check is
 * critical or gone, a rebuilt machine may take the name over. A known ID under a new name renames the node, which must
 * not swallow a node without an ID either.
 */
function nodeConflict(tables: Tables, { node, skipNodeUpdate }: RegisterCommand): Refusal | undefined {
  const holder = tables.nodes.get(node.Node);
  if (holder === undefined || skipNodeUpdate || node.ID === "" || holder.ID === node.ID) return undefined;
  const isRename = tables.nodes.byId(node.ID) !== undefined;
  if (holder.ID === "" && !isRename) return undefined;
  const liveness = tables.checks.get(holder.Node, nodeLivenessCheckId);
  if (liveness === undefined || liveness.Status === "critical") return undefined;
  return refuse(
    "CONFLICT",
    `Node name ${node.Node} is reserved by node ${holder.ID} with name ${holder.Node} (${holder.Address})`,
  );
}

/** What was removed by force comes back when somebody registers it, not when an agent repairs the catalog. */
function withdrawnProblem(tables: Tables, { node, service, checks, isRepair }: RegisterCommand): Refusal | undefined {
  if (isRepair !== true) return undefined;
  const isWithdrawn = (kind: "service" | "check", id: string) => tables.withdrawals.has(node.Node, kind, id);
  const what =
    service !== undefined && isWithdrawn("service", service.ID)
      ? `service "${service.ID}"`
      : checks.find(({ CheckID }) => isWithdrawn("check", CheckID))?.CheckID;
  if (what === undefined) return undefined;
  return refuse("CONFLICT", `${what} of node "${node.Node}" was deregistered by force: register it anew at its agent`);
}

function readmit(tables: Tables, changes: ChangeSet, { node, service, checks }: RegisterCommand): void {
  if (service !== undefined) tables.withdrawals.remove(changes, node.Node, "service", service.ID);
  for (const { CheckID } of checks) tables.withdrawals.remove(changes, node.Node, "check", CheckID);
}

/** Whether a member is alive is said by its lease, whatever anybody writes. */
function judged(tables: Tables, check: CheckFields): CheckFields {
  if (check.CheckID !== nodeLivenessCheckId || check.ServiceID !== "") return check;
  const status = livenessOf(tables, check.Node);
  return status === undefined ? check : livenessCheck(check.Node, status);
}

function checkProblem(tables: Tables, command: RegisterCommand, check: CheckFields): Refusal | undefined {
  const badName = nameProblem("Check.CheckID", check.CheckID);
  if (badName !== undefined) return badName;
  if (check.Node !== command.node.Node) {
    return refuse(
      "INVALID_ARGUMENT",
      `check "${check.CheckID}" names node "${check.Node}", not "${command.node.Node}"`,
    );
  }
  const hasService =
    check.ServiceID === "" ||
    check.ServiceID === command.service?.ID ||
    tables.services.get(command.node.Node, check.ServiceID) !== undefined;
  if (hasService) return undefined;
  return refuse(
    "INVALID_ARGUMENT",
    `Unknown service ID '${check.ServiceID}' for check ID '${check.CheckID}': node "${check.Node}" does not have it`,
  );
}

function firstProblem<T>(items: readonly T[], judge: (item: T) => Refusal | undefined): Refusal | undefined {
  for (const item of items) {
    const problem = judge(item);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function upsertNode(tables: Tables, changes: ChangeSet, { node, skipNodeUpdate }: RegisterCommand): void {
  const existing = tables.nodes.get(node.Node);
  if (existing !== undefined && skipNodeUpdate) return;
  const renamed = node.ID === "" ? undefined : tables.nodes.byId(node.ID);
  if (renamed !== undefined && renamed.Node !== node.Node) removeNode(tables, changes, renamed.Node);
  // A registration that does not know the ID must not erase it.
  const fields: NodeFields = { ...node, ID: node.ID === "" ? (existing?.ID ?? "") : node.ID };
  const record = upserted(existing, fields, changes.index);
  if (record === undefined) return;
  tables.nodes.put(changes, record);
  touchInstancesOn(tables, changes, node.Node);
}

function upsertService(tables: Tables, changes: ChangeSet, node: string, service: ServiceFields): void {
  const existing = tables.services.get(node, service.ID);
  const fields = withVirtualAddress(tables, changes, { ...service, Node: node });
  const record = upserted(existing, fields, changes.index);
  if (record === undefined) return;
  tables.services.put(changes, record);
  if (existing !== undefined) releaseVirtualAddress(tables, changes, connectDestination(existing));
  // The checks of a service carry its name and tags.
  if (existing === undefined) return;
  for (const check of [...tables.checks.ofInstance(node, service.ID)]) upsertCheck(tables, changes, check);
}
