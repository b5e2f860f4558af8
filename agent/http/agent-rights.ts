import { type Access, type Authorizer, demand } from "../../lib/acl/authorizer.ts";
import type { CheckFields, ServiceFields } from "../../lib/contract/catalog.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { AgentApi } from "../agent-api.ts";
import { nameServiceChecks } from "../registration/catalog-fields.ts";
import { sidecarId } from "../registration/sidecar.ts";
import type { CheckDefinition, ServiceDefinition } from "../service-definition.ts";

/**
 * What it takes to see or change what is registered on this agent, as Consul's documentation has it: `service` rules for a
 * service, by its name, and its checks, `node` rules for checks of the node. What is not there is answered with `NOT_FOUND`
 * whoever asks, as Consul does.
 */
type Local = Pick<AgentApi, "services" | "checks" | "identity">;

/**
 * To register a service: its own name, that of the one whose id it takes, the same of its sidecar, of a proxy its destination's,
 * among whose instances it will be found, and whatever the checks judge that it takes over.
 */
export function demandRegistration(authorizer: Authorizer, agent: Local, definition: ServiceDefinition): void {
  if (authorizer.isUnrestricted) return;
  const { id, name, proxy, sidecar } = definition;
  const services = agent.services();
  const names = [
    name,
    services.get(id)?.Service,
    proxy?.DestinationServiceName,
    sidecar === undefined ? undefined : (sidecar.name ?? `${name}-sidecar-proxy`),
    sidecar === undefined ? undefined : services.get(sidecarId(id))?.Service,
  ];
  for (const one of names) if (one) demand(authorizer, "service", "write", one);
  const ofSidecar = { ...definition, id: sidecarId(id), checks: sidecar?.checks ?? [] };
  for (const { checkId } of [...nameServiceChecks(definition), ...nameServiceChecks(ofSidecar)]) {
    demandTakenCheck(authorizer, agent, checkId);
  }
}

/** To change a service that is registered. Throws `NOT_FOUND` for one that is not. */
export function demandService(authorizer: Authorizer, agent: Local, id: string): ServiceFields {
  const service = agent.services().get(id);
  if (service === undefined) {
    const hint = "Ensure that the service ID is passed, not the service name.";
    throw new AtollError("NOT_FOUND", `Unknown service ID "${id}". ${hint}`);
  }
  demand(authorizer, "service", "write", service.Service);
  return service;
}

/** To register a check: what it will judge, and what the check judges whose id it takes. */
export function demandCheckRegistration(authorizer: Authorizer, agent: Local, definition: CheckDefinition): void {
  if (authorizer.isUnrestricted) return;
  const { serviceId, checkId } = definition;
  const service = agent.services().get(serviceId);
  if (serviceId === "") demand(authorizer, "node", "write", agent.identity.nodeName);
  else if (service !== undefined) demand(authorizer, "service", "write", service.Service);
  demandTakenCheck(authorizer, agent, checkId);
}

/** To change a check that is registered. Throws `NOT_FOUND` for one that is not. */
export function demandCheck(authorizer: Authorizer, agent: Local, id: string): void {
  const check = agent.checks().get(id);
  if (check === undefined) {
    const hint = "Ensure that the check ID is passed, not the check name.";
    throw new AtollError("NOT_FOUND", `Unknown check ID "${id}". ${hint}`);
  }
  demandOf(authorizer, check, "write");
}

export function seesLocalCheck(check: CheckFields, authorizer: Authorizer): boolean {
  return check.ServiceID === ""
    ? authorizer.allows("node", "read", check.Node)
    : authorizer.allows("service", "read", check.ServiceName);
}

function demandTakenCheck(authorizer: Authorizer, agent: Local, checkId: string): void {
  const existing = agent.checks().get(checkId);
  if (existing !== undefined) demandOf(authorizer, existing, "write");
}

function demandOf(authorizer: Authorizer, check: CheckFields, access: Access): void {
  if (check.ServiceID === "") demand(authorizer, "node", access, check.Node);
  else demand(authorizer, "service", access, check.ServiceName);
}
