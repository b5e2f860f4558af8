import { type Authorizer, demand, type Resource } from "../../lib/acl/authorizer.ts";
import type { Sight } from "../../lib/acl/sight.ts";
import type { CheckRecord, NodeRecord, ServiceInstance, ServiceRecord } from "../../lib/contract/catalog.ts";
import type { ConfigEntry, ConfigEntryKind } from "../../lib/contract/config-entries.ts";

/** Who may see which record, as Consul's documentation has it: each of these is a filter of a list. */
export function seesNode(node: Pick<NodeRecord, "Node">, authorizer: Authorizer): boolean {
  return authorizer.allows("node", "read", node.Node);
}

export function seesService(service: Pick<ServiceRecord, "Service">, authorizer: Authorizer): boolean {
  return authorizer.allows("service", "read", service.Service);
}

/** An instance tells of its node as well. */
export function seesInstance({ Node, Service }: ServiceInstance, authorizer: Authorizer): boolean {
  return seesNode(Node, authorizer) && seesService(Service, authorizer);
}

/** The proxies of a service: who may not see the service sees none of them, whatever they are called. */
export function meshSight(
  service: string,
  instances: readonly ServiceInstance[],
  sight: Sight,
): readonly ServiceInstance[] {
  return sight.keep(
    instances,
    (instance, authorizer) => authorizer.allows("service", "read", service) && seesInstance(instance, authorizer),
  );
}

/** A node with its services: who may not see the node sees nothing, who may sees the services that it may. */
export function nodeSight(
  node: NodeRecord | undefined,
  services: readonly ServiceRecord[],
  sight: Sight,
): { readonly node: NodeRecord | undefined; readonly services: readonly ServiceRecord[] } {
  if (node === undefined) return { node, services };
  if (sight.keep([node], seesNode).length === 0) return { node: undefined, services: [] };
  return { node, services: sight.keep(services, seesService) };
}

/** A check of a service is its service's and its node's, one of a node the node's. */
export function seesCheck(check: Pick<CheckRecord, "Node" | "ServiceName">, authorizer: Authorizer): boolean {
  if (!authorizer.allows("node", "read", check.Node)) return false;
  return check.ServiceName === "" || authorizer.allows("service", "read", check.ServiceName);
}

export function seesConfigEntry(entry: Pick<ConfigEntry, "Kind" | "Name">, authorizer: Authorizer): boolean {
  const rule = configEntryRule(entry.Kind, "read");
  return rule === undefined || authorizer.allows(rule, "read", rule === "mesh" ? "" : entry.Name);
}

/** Whoever may see one end of an intention may see all of it. */
export function seesIntention(
  intention: { readonly sourceName: string; readonly destinationName: string },
  authorizer: Authorizer,
): boolean {
  return (
    authorizer.allows("intention", "read", intention.destinationName) ||
    authorizer.allows("intention", "read", intention.sourceName)
  );
}

export function demandIntention(
  authorizer: Authorizer,
  pair: { readonly source: string; readonly destination: string },
): void {
  if (authorizer.allows("intention", "read", pair.source)) return;
  demand(authorizer, "intention", "read", pair.destination);
}

/** The resource that a kind of entry belongs to; undefined where everybody may read. By name, but for `mesh`. */
export function configEntryRule(kind: ConfigEntryKind, access: "read" | "write"): Resource | undefined {
  switch (kind) {
    case "service-intentions":
      return "intention";
    case "mesh":
    case "proxy-defaults":
      return access === "read" ? undefined : "mesh";
    case "api-gateway":
    case "ingress-gateway":
    case "terminating-gateway":
      return access === "read" ? "service" : "mesh";
    case "exported-services":
    case "file-system-certificate":
    case "http-route":
    case "inline-certificate":
    case "jwt-provider":
    case "tcp-route":
      return "mesh";
    case "service-defaults":
    case "service-resolver":
    case "service-router":
    case "service-splitter":
      return "service";
  }
}
