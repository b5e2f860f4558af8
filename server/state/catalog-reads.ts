import type { CheckRecord, NodeRecord, ServiceInstance, ServiceRecord, StringMap } from "../../lib/contract/catalog.ts";
import { compareChecks, compareInstances, compareServices, compareText } from "./order.ts";
import { createReadSlot, type ReadCache } from "./read-cache.ts";
import type { ServiceNode, StateReader } from "./reader.ts";
import type { Tables } from "./tables.ts";
import { watchKeys } from "./watch-keys.ts";

type CatalogReads = Pick<
  StateReader,
  | "nodes"
  | "node"
  | "services"
  | "serviceNodes"
  | "serviceInstances"
  | "connectInstances"
  | "nodeServices"
  | "nodeChecks"
  | "serviceChecks"
  | "checksInState"
>;

/** The reads of nodes, services and checks. */
export function createCatalogReads(tables: Tables, cache: ReadCache): CatalogReads {
  const nodes = createReadSlot<readonly NodeRecord[]>();
  const node = createReadSlot<NodeRecord | undefined>();
  const services = createReadSlot<ReadonlyMap<string, readonly string[]>>();
  const serviceNodes = createReadSlot<readonly ServiceNode[]>();
  const instances = createReadSlot<readonly ServiceInstance[]>();
  const connect = createReadSlot<readonly ServiceInstance[]>();
  const nodeServices = createReadSlot<readonly ServiceRecord[]>();
  const nodeChecks = createReadSlot<readonly CheckRecord[]>();
  const serviceChecks = createReadSlot<readonly CheckRecord[]>();
  const inState = createReadSlot<readonly CheckRecord[]>();

  return {
    nodes: () => cache.read(nodes, "", [watchKeys.nodes], () => sortedNodes(tables.nodes.all())),
    node: (name) => cache.read(node, name, [watchKeys.node(name)], () => tables.nodes.get(name)),
    services(nodeMeta = {}) {
      if (Object.keys(nodeMeta).length === 0) {
        return cache.read(services, "", [watchKeys.serviceNames], () => allServiceTags(tables));
      }
      const watch = [watchKeys.serviceNames, watchKeys.nodes];
      return { index: tables.indexes.latest(watch), value: serviceTagsByMeta(tables, nodeMeta), watch };
    },
    serviceNodes: () =>
      cache.read(serviceNodes, "", [watchKeys.services, watchKeys.nodes], () => allServiceNodes(tables)),
    serviceInstances: (name) =>
      cache.read(instances, name, [watchKeys.service(name)], () => instancesOf(tables, tables.services.named(name))),
    connectInstances: (name) =>
      cache.read(connect, name, [watchKeys.connect(name)], () => instancesOf(tables, tables.services.connectTo(name))),
    nodeServices: (name) =>
      cache.read(nodeServices, name, [watchKeys.nodeServices(name)], () =>
        [...tables.services.onNode(name)].sort(compareServices),
      ),
    nodeChecks: (name) =>
      cache.read(nodeChecks, name, [watchKeys.nodeChecks(name)], () => sortedChecks(tables.checks.onNode(name))),
    serviceChecks: (name) =>
      cache.read(serviceChecks, name, [watchKeys.serviceChecks(name)], () =>
        sortedChecks(tables.checks.ofServiceName(name)),
      ),
    checksInState: (status) =>
      cache.read(inState, status, [watchKeys.checks(status)], () =>
        sortedChecks(status === "any" ? tables.checks.all() : tables.checks.inState(status)),
      ),
  };
}

function sortedNodes(nodes: Iterable<NodeRecord>): readonly NodeRecord[] {
  return [...nodes].sort((a, b) => compareText(a.Node, b.Node));
}

function sortedChecks(checks: Iterable<CheckRecord>): readonly CheckRecord[] {
  return [...checks].sort(compareChecks);
}

/** Each with its node and, as Consul lists them, the checks of the node before those of the instance. */
function instancesOf(tables: Tables, services: Iterable<ServiceRecord>): readonly ServiceInstance[] {
  return [...services].sort(compareInstances).flatMap((service) => {
    const node = tables.nodes.get(service.Node);
    if (node === undefined) return [];
    const ofNode = sortedChecks(tables.checks.ofInstance(service.Node, ""));
    const ofService = sortedChecks(tables.checks.ofInstance(service.Node, service.ID));
    return [{ Node: node, Service: service, Checks: [...ofNode, ...ofService] }];
  });
}

function allServiceNodes(tables: Tables): readonly ServiceNode[] {
  const all: ServiceNode[] = [];
  for (const service of tables.services.all()) {
    const node = tables.nodes.get(service.Node);
    if (node !== undefined) all.push({ Node: node, Service: service });
  }
  return all;
}

function allServiceTags(tables: Tables): ReadonlyMap<string, readonly string[]> {
  const names = [...tables.services.names()].sort(compareText);
  return new Map(names.map((name) => [name, tables.services.tagsOf(name)]));
}

/** The same over the instances on nodes that have all of `nodeMeta`. */
function serviceTagsByMeta(tables: Tables, nodeMeta: StringMap): ReadonlyMap<string, readonly string[]> {
  const tags = new Map<string, Set<string>>();
  for (const node of tables.nodes.all()) {
    if (!Object.entries(nodeMeta).every(([key, value]) => node.Meta[key] === value)) continue;
    for (const service of tables.services.onNode(node.Node)) {
      const union = tags.get(service.Service) ?? new Set();
      for (const tag of service.Tags) union.add(tag);
      tags.set(service.Service, union);
    }
  }
  const names = [...tags.keys()].sort(compareText);
  return new Map(names.map((name) => [name, [...(tags.get(name) ?? [])].sort(compareText)]));
}
