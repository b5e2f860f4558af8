import { type Access, type Authorizer, demand } from "../../lib/acl/authorizer.ts";
import type { CheckFields, ServiceFields } from "../../lib/contract/catalog.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { AgentApi } from "../agent-api.ts";
import type { CheckDefinition, ServiceDefinition } from "../service-definition.ts";

/** What a request has to be allowed for the entries of an agent: services go by their name, checks by what they judge. */

/**
 * To register a service: its own name, that of the one whose id it takes, and of a proxy its destination's, among whose instances it
 * will be found.
 */
export function demandRegistration(authorizer: Authorizer, agent: AgentApi, definition: ServiceDefinition): void {
  if (authorizer.isUnrestricted) return;
  const { id, name, proxy, sidecar } = definition;
  const names = [
    name,
    agent.services().get(id)?.Service,
    proxy?.DestinationServiceName,
    sidecar === undefined ? undefined : (sidecar.name ?? `${name}-sidecar-proxy`),
    sidecar === undefined ? undefined : agent.services().get(`${id}-sidecar-proxy`)?.Service,
  ];
  for (const one of names) if (one) demand(authorizer, "service", "write", one);
}

/** To change a service that is registered. Throws `NOT_FOUND` for one that is not, whoever asks, as Consul does. */
export function demandService(authorizer: Authorizer, agent: AgentApi, id: string): ServiceFields {
  const service = agent.services().get(id);
  if (service === undefined) {
    const hint = "Ensure that the service ID is passed, not the service name.";
    throw new AtollError("NOT_FOUND", `Unknown service ID "${id}". ${hint}`);
  }
  demand(authorizer, "service", "write", service.Service);
  return service;
}

/** To register a check: what it will judge, and what the check judges whose id it takes. */
export function demandCheckRegistration(authorizer: Authorizer, agent: AgentApi, definition: CheckDefinition): void {
  if (authorizer.isUnrestricted) return;
  const { serviceId, checkId } = definition;
  const service = agent.services().get(serviceId);
  if (serviceId === "") demand(authorizer, "node", "write", agent.identity.nodeName);
  else if (service !== undefined) demand(authorizer, "service", "write", service.Service);
  const existing = agent.checks().get(checkId);
  if (existing !== undefined) demandOf(authorizer, existing, "write");
}

/** To change a check that is registered. Throws `NOT_FOUND` for one that is not. */
export function demandCheck(authorizer: Authorizer, agent: AgentApi, id: string): void {
  const check = agent.checks().get(id);
  if (check === undefined) {
    const hint = "Ensure that the check ID is passed, not the check name.";
    throw new AtollError("NOT_FOUND", `Unknown check ID "${id}". ${hint}`);
  }
  demandOf(authorizer, check, "write");
}

export function maySeeCheck(authorizer: Authorizer, check: CheckFields): boolean {
  if (authorizer.isUnrestricted) return true;
  return check.ServiceID === ""
    ? authorizer.allows("node", "read", check.Node)
    : authorizer.allows("service", "read", check.ServiceName);
}

function demandOf(authorizer: Authorizer, check: CheckFields, access: Access): void {
  if (check.ServiceID === "") demand(authorizer, "node", access, check.Node);
  else demand(authorizer, "service", access, check.ServiceName);
}
