import type { NodeRecord, ServiceRecord, StringMap } from "../../lib/contract/catalog.ts";
import { nodeFields, serviceFields, serviceNodeFields } from "../../lib/contract/filter-shapes.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import { hasQuery, queryOf } from "../../lib/http/request-line.ts";
import { compareText } from "../state/order.ts";
import type { Read, ServiceNode, StateReader } from "../state/reader.ts";
import { nodeAnswer, nodeServiceAnswer, serviceNodeAnswer } from "./catalog-answers.ts";
import { combineReads } from "./combine-reads.ts";
import { registerDatacentersRoute } from "./datacenters-route.ts";
import { hasNodeMeta } from "./instance-filters.ts";
import { catalogList, type InstanceSource } from "./instance-lists.ts";
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
      records: (nodes: readonly NodeRecord[], { nodeMeta }) => nodes.filter((node) => hasNodeMeta(node.Meta, nodeMeta)),
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
      body: (services) => Object.fromEntries(services),
    });
  });

  const instances = (path: string, sourceOf: (service: string) => InstanceSource): void => {
    app.get(`${path}/:service`, { schema: { params: ServicePath } }, (request, reply) => {
      const service = mustName(request.params.service, "service name");
      return reads.list(request, reply, catalogList(sourceOf(service), serviceNodeAnswer));
    });
  };
  instances("/v1/catalog/service", (service) => (reader) => reader.serviceInstances(service));
  instances("/v1/catalog/connect", (service) => (reader) => reader.connectInstances(service));

  app.get("/v1/catalog/node/:node", { schema: { params: NodePath } }, (request, reply) => {
    const name = mustName(request.params.node, "node name");
    return reads.list(request, reply, {
      ...servicesOn(name),
      shape: (services, [node]) =>
        node === undefined
          ? null
          : {
              Node: nodeAnswer(node),
              Services: Object.fromEntries(services.map((service) => [service.ID, nodeServiceAnswer(service)])),
            },
    });
  });

  app.get("/v1/catalog/node-services/:node", { schema: { params: NodePath } }, (request, reply) => {
    const name = mustName(request.params.node, "node name");
    return reads.list(request, reply, {
      ...servicesOn(name),
      shape: (services, [node]) => ({
        Node: node === undefined ? null : nodeAnswer(node),
        Services: services.map(nodeServiceAnswer),
      }),
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
    records: ([, services]) => services,
    filter: serviceFilter,
  };
}

/** The names and tags of the instances that an expression takes. */
const filteredServices: ListSpec<readonly ServiceNode[], ServiceNode> = {
  isCacheable: true,
  query: (reader: StateReader, { peer }) => (peer === "" ? reader.serviceNodes() : nothing),
  records: (all, { nodeMeta }) => ofNodes(all, nodeMeta),
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
