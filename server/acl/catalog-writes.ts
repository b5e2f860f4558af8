import { isDeepStrictEqual } from "node:util";
import { type Authorizer, demand } from "../../lib/acl/authorizer.ts";
import type { CheckFields, NodeRecord } from "../../lib/contract/catalog.ts";
import type { DeregisterCommand, RegisterCommand } from "../../lib/contract/commands.ts";
import type { StateReader } from "../state/reader.ts";

type CatalogReader = Pick<StateReader, "node" | "nodeOfId" | "nodeServices" | "nodeChecks">;

/**
 * Throws `PERMISSION_DENIED` unless `authorizer` may register this: `node:write` where the node itself or a check of it is
 * written, `service:write` for the service, also for one that the same ID stood for before, and for the service of each check.
 */
export function demandRegister(command: RegisterCommand, authorizer: Authorizer, reader: CatalogReader): void {
  if (authorizer.isUnrestricted) return;
  const node = command.node.Node;
  if (changesNode(command, reader.node(node).value)) demand(authorizer, "node", "write", node);
  // Another node's ID renames that node.
  const holder = command.node.ID === "" ? undefined : reader.nodeOfId(command.node.ID);
  if (holder !== undefined && holder.Node !== node) demand(authorizer, "node", "write", holder.Node);
  const { service } = command;
  if (service !== undefined) {
    demand(authorizer, "service", "write", service.Service);
    // A proxy takes the calls to its destination.
    if (service.Proxy !== undefined) demand(authorizer, "service", "write", service.Proxy.DestinationServiceName);
    const before = serviceName(reader, node, service.ID);
    if (before !== undefined && before !== service.Service) demand(authorizer, "service", "write", before);
  }
  for (const check of command.checks) demandCheck(check, { command, authorizer, reader });
}

/** The same for taking something out: `node:write` is enough for all that is on the node. */
export function demandDeregister(command: DeregisterCommand, authorizer: Authorizer, reader: CatalogReader): void {
  const { node, serviceId, checkId } = command;
  if (authorizer.allows("node", "write", node)) return;
  const check =
    serviceId === undefined ? reader.nodeChecks(node).value.find((one) => one.CheckID === checkId) : undefined;
  const id = serviceId ?? (check?.ServiceID === "" ? undefined : check?.ServiceID);
  const name = id === undefined ? undefined : serviceName(reader, node, id);
  if (name === undefined) demand(authorizer, "node", "write", node);
  else demand(authorizer, "service", "write", name);
}

function demandCheck(
  check: CheckFields,
  {
    command,
    authorizer,
    reader,
  }: { readonly command: RegisterCommand; readonly authorizer: Authorizer; readonly reader: CatalogReader },
): void {
  const node = command.node.Node;
  const { service } = command;
  const written = check.ServiceID === service?.ID ? service.Service : serviceName(reader, node, check.ServiceID);
  if (check.ServiceID === "") demand(authorizer, "node", "write", node);
  // A check of a service that is not there is refused by the state.
  else if (written !== undefined) demand(authorizer, "service", "write", written);
  // A check that goes to another owner is taken from its first one.
  const before = reader.nodeChecks(node).value.find((one) => one.CheckID === check.CheckID);
  if (before === undefined || before.ServiceID === check.ServiceID) return;
  if (before.ServiceID === "") demand(authorizer, "node", "write", node);
  else demand(authorizer, "service", "write", serviceName(reader, node, before.ServiceID) ?? before.ServiceName);
}

function serviceName(reader: CatalogReader, node: string, id: string): string | undefined {
  return reader.nodeServices(node).value.find((service) => service.ID === id)?.Service;
}

/** A registration repeats its node; only one that says something new of it is a write of the node. */
function changesNode({ node, skipNodeUpdate }: RegisterCommand, existing: NodeRecord | undefined): boolean {
  if (existing === undefined) return true;
  if (skipNodeUpdate) return false;
  const { CreateIndex: _created, ModifyIndex: _modified, ...before } = existing;
  return !isDeepStrictEqual({ ...node, ID: node.ID === "" ? before.ID : node.ID }, before);
}
