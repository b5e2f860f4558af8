import type { NodeRecord, ServiceRecord, StringMap } from "../../lib/contract/catalog.ts";
import { nodeFields, serviceFields, serviceNodeFields } from "../../lib/contract/filter-shapes.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import { hasQuery, queryOf } from "../../lib/http/request-line.ts";
import { compareText } from "../state/order.ts";
import type { Read, ServiceNode, StateReader } from "../state/reader.ts";
import { meshSight, nodeSight, seesInstance, seesNode, seesService } from "./acl-sight.ts";
import { nodeAnswer, nodeServiceAnswer, serviceNodeAnswer } from "./catalog-answers.ts";
import { combineReads } from "./combine-reads.ts";
import { registerDatacentersRoute } from "./datacenters-route.ts";
import { hasNodeMeta } from "./instance-filters.ts";
import { catalogList, type InstanceSight, type InstanceSource } from "./instance-lists.ts";
import { mustName, NodePath, ServicePath } from "./path-name.ts";
import type { ListSpec } from "./read-endpoint.ts";
import { createRecordFilter } from "../../lib/http/record-filter.ts";
import type { RouteContext } from "./server-routes.ts";

/** Reads of `/v1/catalog`. */
export function registerCatalogRoutes(app: HttpApp, context: RouteContext): void {
  const { reads } = context;
  registerDatacentersRoute(app, context);

  app.get("/v1/catalog/nodes", (request, reply) =>
    reads.list(request, reply, {
      query: (reader, { peer }) => (peer === "" ? reader.nodes() : nothing),
      records: (nodes: readonly NodeRecord[], { nodeMeta }, sight) =>
        sight.keep(nodes, seesNode).filter((node) => hasNodeMeta(node.Meta, nodeMeta)),
      filter: nodeFilter,
      nodeOf: (node) => node.Node,
      shape: (nodes) => nodes.map(nodeAnswer),
    }),
  );

  app.get("/v1/catalog/services", async (request, reply) => {
    if (hasQuery(request) && queryOf(request).has("filter")) return reads.list(request, reply, filteredServices);
    return reads.answer(request, reply, {
      isCacheable: true,
      query: (reader, { nodeMeta, peer }) => (peer === "" ? reader.services(nodeMeta) : noServices),
      body: (services, _parameters, sight) =>
        Object.fromEntries(sight.keep([...services], ([Service], authorizer) => seesService({ Service }, authorizer))),
    });
  });

  app.get("/v1/catalog/service/:service", { schema: { params: ServicePath } }, (request, reply) => {
    const service = mustName(request.params.service, "service name");
    const source: InstanceSource = (reader) => reader.serviceInstances(service);
    return reads.list(request, reply, catalogList(source, serviceNodeAnswer));
  });

  app.get("/v1/catalog/connect/:service", { schema: { params: ServicePath } }, (request, reply) => {
    const service = mustName(request.params.service, "service name");
    const source: InstanceSource = (reader) => reader.connectInstances(service);
    const see: InstanceSight = (instances, sight) => meshSight(service, instances, sight);
    return reads.list(request, reply, catalogList(source, serviceNodeAnswer, see));
  });

  app.get("/v1/catalog/node/:node", { schema: { params: NodePath } }, (request, reply) => {
    const name = mustName(request.params.node, "node name");
    return reads.list(request, reply, {
      ...servicesOn(name),
      shape(services, [found, all], sight) {
        const { node } = nodeSight(found, all, sight);
        if (node === undefined) return null;
        return {
          Node: nodeAnswer(node),
          Services: Object.fromEntries(services.map((service) => [service.ID, nodeServiceAnswer(service)])),
        };
      },
    });
  });

  app.get("/v1/catalog/node-services/:node", { schema: { params: NodePath } }, (request, reply) => {
    const name = mustName(request.params.node, "node name");
    return reads.list(request, reply, {
      ...servicesOn(name),
      shape(services, [found, all], sight) {
        const { node } = nodeSight(found, all, sight);
        return { Node: node === undefined ? null : nodeAnswer(node), Services: services.map(nodeServiceAnswer) };
      },
    });
  });
}

/** What other clusters have for us: nothing is imported yet. */
const nothing: Read<readonly never[]> = { index: 1, value: [], watch: [] };
const noServices: Read<ReadonlyMap<string, readonly string[]>> = { index: 1, value: new Map(), watch: [] };

const nodeFilter = createRecordFilter<NodeRecord>(nodeFields);
const serviceFilter = createRecordFilter<ServiceRecord>(serviceFields);
const serviceNodeFilter = createRecordFilter<ServiceNode>(serviceNodeFields);

type NodeWithServices = readonly [NodeRecord | undefined, readonly ServiceRecord[]];

function servicesOn(name: string): Omit<ListSpec<NodeWithServices, ServiceRecord>, "shape"> {
  return {
    query: (reader, { peer }) =>
      peer === "" ? combineReads(reader.node(name), reader.nodeServices(name)) : { ...nothing, value: [undefined, []] },
    records: ([node, services], _parameters, sight) => nodeSight(node, services, sight).services,
    filter: serviceFilter,
  };
}

/** The names and tags of the instances that an expression takes. */
const filteredServices: ListSpec<readonly ServiceNode[], ServiceNode> = {
  isCacheable: true,
  query: (reader: StateReader, { peer }) => (peer === "" ? reader.serviceNodes() : nothing),
  records: (all, { nodeMeta }, sight) => ofNodes(sight.keep(all, seesInstance), nodeMeta),
  filter: serviceNodeFilter,
  shape: (kept) => {
    const tags = new Map<string, Set<string>>();
    for (const { Service: service } of kept) {
      const union = tags.get(service.Service) ?? new Set();
      for (const tag of service.Tags) union.add(tag);
      tags.set(service.Service, union);
    }
    const sorted = [...tags].sort(([a], [b]) => compareText(a, b));
    return Object.fromEntries(sorted.map(([name, union]) => [name, [...union].sort(compareText)]));
  },
};

function ofNodes(all: readonly ServiceNode[], nodeMeta: StringMap): readonly ServiceNode[] {
  return Object.keys(nodeMeta).length === 0 ? all : all.filter(({ Node }) => hasNodeMeta(Node.Meta, nodeMeta));
}
