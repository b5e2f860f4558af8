import type { FastifyRequest } from "fastify";
import { demand } from "../../lib/acl/authorizer.ts";
import type { NodeRecord, ServiceInstance } from "../../lib/contract/catalog.ts";
import { instanceFields, nodeFields } from "../../lib/contract/filter-shapes.ts";
import { wildcard } from "../../lib/contract/intentions.ts";
import { sendJson, sendText } from "../../lib/http/answers.ts";
import { Type } from "typebox";
import { createSight } from "../../lib/acl/sight.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import { createRecordFilter } from "../../lib/http/record-filter.ts";
import { queryOf } from "../../lib/http/request-line.ts";
import { setFilteredHeader } from "../../lib/http/request-token.ts";
import { checkDatacenter } from "../../lib/http/read-query.ts";
import type { StateReader } from "../state/reader.ts";
import { seesInstance, seesNode, seesService } from "./acl-sight.ts";
import { healthEntryAnswer } from "./catalog-answers.ts";
import { intentionAnswer, storedIntentions } from "./intention-answers.ts";
import { mustName, NodePath, ServicePath } from "./path-name.ts";
import type { RouteContext } from "./server-routes.ts";
import { catalogOverview, nodeSummary, serviceSummary } from "./ui-summaries.ts";

const GatewayPath = Type.Object({ gateway: Type.String() });
const nodeFilter = createRecordFilter<NodeRecord>(nodeFields);
const instanceFilter = createRecordFilter<ServiceInstance>(instanceFields);
const RestPath = Type.Object({ "*": Type.String() });

/** `/v1/internal/ui`, which Consul's web page and some dashboards read, and the rest of `/v1/internal` that is about other datacenters. */
export function registerUiRoutes(app: HttpApp, { server, authorize }: RouteContext): void {
  const { reader, datacenter } = server;
  const summary = (name: string, instances = reader.serviceInstances(name).value): object =>
    serviceSummary(name, instances, reader.connectInstances(name).value, datacenter);

  app.get("/v1/internal/ui/nodes", async (request, reply) => {
    checkDatacenter(request, datacenter);
    const sight = createSight(authorize(request));
    const nodes = nodeFilter.apply(sight.keep(reader.nodes().value, seesNode), filterOf(request));
    const summaries = nodes.map(({ Node }) => nodeSummary(reader, Node, sight));
    if (sight.isFiltered()) setFilteredHeader(request, reply);
    return sendJson(reply, summaries);
  });

  app.get("/v1/internal/ui/node/:node", { schema: { params: NodePath } }, async (request, reply) => {
    checkDatacenter(request, datacenter);
    const node = mustName(request.params.node, "node name");
    const sight = createSight(authorize(request));
    demand(sight.authorizer, "node", "read", node);
    const found = nodeSummary(reader, node, sight);
    if (sight.isFiltered()) setFilteredHeader(request, reply);
    return found === undefined ? reply.code(404).send() : sendJson(reply, found);
  });

  app.get("/v1/internal/ui/services", async (request, reply) => {
    checkDatacenter(request, datacenter);
    const filter = filterOf(request);
    instanceFilter.check(filter);
    const sight = createSight(authorize(request));
    const names = sight.keep([...reader.services().value.keys()], (Service, authorizer) =>
      seesService({ Service }, authorizer),
    );
    if (sight.isFiltered()) setFilteredHeader(request, reply);
    const kept = names.map((name) => {
      const instances = instanceFilter.apply(reader.serviceInstances(name).value, filter);
      return filter !== "" && instances.length === 0 ? [] : [summary(name, instances)];
    });
    return sendJson(reply, kept.flat());
  });

  app.get("/v1/internal/ui/catalog-overview", async (request, reply) => {
    checkDatacenter(request, datacenter);
    demand(authorize(request), "operator", "read");
    return sendJson(reply, catalogOverview(reader));
  });

  app.get("/v1/internal/ui/service-topology/:service", { schema: { params: ServicePath } }, async (request, reply) => {
    checkDatacenter(request, datacenter);
    const service = mustName(request.params.service, "service name");
    const sight = createSight(authorize(request));
    demand(sight.authorizer, "service", "read", service);
    const seen = (names: readonly string[]): readonly string[] =>
      sight.keep(names, (Service, authorizer) => seesService({ Service }, authorizer));
    const upstreams = seen(upstreamsOf(reader, service)).map((name) => summary(name));
    const downstreams = seen(downstreamsOf(reader, service)).map((name) => summary(name));
    if (sight.isFiltered()) setFilteredHeader(request, reply);
    return sendJson(reply, {
      Protocol: reader.serviceConfig(service).value.protocol,
      TransparentProxy: false,
      Upstreams: upstreams,
      Downstreams: downstreams,
      FilteredByACLs: sight.isFiltered(),
    });
  });

  app.get(
    "/v1/internal/ui/gateway-services-nodes/:gateway",
    { schema: { params: GatewayPath } },
    async (request, reply) => {
      checkDatacenter(request, datacenter);
      const gateway = mustName(request.params.gateway, "gateway name");
      const sight = createSight(authorize(request));
      demand(sight.authorizer, "service", "read", gateway);
      const instances = sight.keep(reader.serviceInstances(gateway).value, seesInstance);
      return sendJson(reply, instances.map(healthEntryAnswer));
    },
  );

  app.get(
    "/v1/internal/ui/gateway-intentions/:gateway",
    { schema: { params: GatewayPath } },
    async (request, reply) => {
      checkDatacenter(request, datacenter);
      const gateway = mustName(request.params.gateway, "gateway name");
      demand(authorize(request), "intention", "read", gateway);
      const read = reader.intentions({ by: "destination", name: gateway });
      return sendJson(reply, storedIntentions(reader, read).value.map(intentionAnswer));
    },
  );

  app.get("/v1/internal/ui/exported-services", async (request, reply) => {
    checkDatacenter(request, datacenter);
    demand(authorize(request), "peering", "read");
    return sendJson(reply, []);
  });

  app.get("/v1/internal/ui/metrics-proxy/*", { schema: { params: RestPath } }, async (_request, reply) =>
    sendText(reply, 404, "Metrics proxy is not enabled"),
  );

  // There is one datacenter, and so nothing that it would know of others.
  app.get("/v1/internal/federation-states", async (request, reply) => {
    demand(authorize(request), "operator", "read");
    return sendJson(reply, []);
  });
  app.get("/v1/internal/federation-states/mesh-gateways", async (request, reply) => {
    demand(authorize(request), "operator", "read");
    return sendJson(reply, {});
  });
}

function filterOf(request: FastifyRequest): string {
  return queryOf(request).get("filter") ?? "";
}

/** The services that the sidecars of a service name as their upstreams. */
function upstreamsOf(reader: StateReader, service: string): readonly string[] {
  const names = reader
    .connectInstances(service)
    .value.flatMap(({ Service }) => Service.Proxy?.Upstreams ?? [])
    .filter(({ DestinationType }) => DestinationType === "service")
    .map(({ DestinationName }) => DestinationName);
  return [...new Set(names)].sort();
}

/** The services whose sidecars name it, and those that an intention allows by name. */
function downstreamsOf(reader: StateReader, service: string): readonly string[] {
  const allowed = reader
    .intentions({ by: "destination", name: service })
    .value.filter(({ action, permissions }) => action === "allow" || permissions !== undefined)
    .map(({ sourceName }) => sourceName)
    .filter((name) => name !== wildcard);
  const callers = [...reader.services().value.keys()].filter((name) => upstreamsOf(reader, name).includes(service));
  return [...new Set([...callers, ...allowed])].sort();
}
