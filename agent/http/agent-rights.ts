import { type Authorizer, demand } from "../../lib/acl/authorizer.ts";
import type { CheckFields } from "../../lib/contract/catalog.ts";
import type { AgentApi } from "../agent-api.ts";
import type { CheckDefinition, ServiceDefinition } from "../service-definition.ts";

/**
 * What it takes to change what is registered on this agent, as Consul's documentation has it: `service:write` for a service
 * and its checks, `node:write` for checks of the node. What is not there is not said to be there: it is refused by who
 * looks for it.
 */
type Local = Pick<AgentApi, "services" | "checks" | "identity">;

/** A registration also writes what has its ID now, its sidecar, and the checks that it takes over. */
export function demandRegistration(agent: Local, definition: ServiceDefinition, authorizer: Authorizer): void {
  if (authorizer.isUnrestricted) return;
  demand(authorizer, "service", "write", definition.name);
  if (definition.proxy !== undefined) demand(authorizer, "service", "write", definition.proxy.DestinationServiceName);
  const sidecar = definition.sidecar;
  if (sidecar !== undefined) demand(authorizer, "service", "write", sidecar.name ?? `${definition.name}-sidecar-proxy`);
  demandServiceId(agent, definition.id, authorizer);
  for (const { checkId } of [...definition.checks, ...(sidecar?.checks ?? [])]) {
    if (checkId !== "") demandCheckId(agent, checkId, authorizer);
  }
}

export function demandServiceId(agent: Local, id: string, authorizer: Authorizer): void {
  const service = agent.services().get(id);
  if (service !== undefined) demand(authorizer, "service", "write", service.Service);
}

export function demandCheckDefinition(agent: Local, definition: CheckDefinition, authorizer: Authorizer): void {
  if (definition.serviceId === "") demand(authorizer, "node", "write", agent.identity.nodeName);
  else demandServiceId(agent, definition.serviceId, authorizer);
  demandCheckId(agent, definition.checkId, authorizer);
}

export function demandCheckId(agent: Local, id: string, authorizer: Authorizer): void {
  const check = agent.checks().get(id);
  if (check === undefined) return;
  if (check.ServiceName === "") demand(authorizer, "node", "write", agent.identity.nodeName);
  else demand(authorizer, "service", "write", check.ServiceName);
}

export function seesLocalCheck(check: CheckFields, authorizer: Authorizer): boolean {
  if (check.ServiceName === "") return authorizer.allows("node", "read", check.Node);
  return authorizer.allows("service", "read", check.ServiceName);
}
