import type { CheckFields, NodeFields, ServiceFields } from "../../lib/contract/catalog.ts";

/** Registrations as they go to the catalog: with the name of the agent that holds them. */
export function ownedService(service: ServiceFields, node: NodeFields): ServiceFields {
  return { ...service, Owner: node.ID };
}

export function ownedCheck(check: CheckFields, node: NodeFields): CheckFields {
  return { ...check, Owner: node.ID };
}
