import { sendJson } from "../../lib/http/answers.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import { nodeAnswer, nodeServiceAnswer, serviceNodeAnswer } from "./catalog-answers.ts";
import { meshSight, nodeSight, seesInstance, seesNode, seesService } from "./acl-sight.ts";
import { filterInstances, hasNodeMeta } from "./instance-filters.ts";
import { mustName, NodePath, ServicePath } from "./path-name.ts";
import { combineReads } from "./combine-reads.ts";
import type { RouteContext } from "./server-routes.ts";

/** Reads of `/v1/catalog`. */
export function registerCatalogRoutes(app: HttpApp, { server, reads }: RouteContext): void {
  app.get("/v1/catalog/datacenters", async (_request, reply) => sendJson(reply, [server.datacenter]));

  app.get("/v1/catalog/nodes", (request, reply) =>
    reads.answer(request, reply, {
      query: (reader) => reader.nodes(),
      body: (nodes, { nodeMeta }, sight) =>
        sight
          .keep(nodes, seesNode)
          .filter((node) => hasNodeMeta(node.Meta, nodeMeta))
          .map(nodeAnswer),
    }),
  );

  app.get("/v1/catalog/services", (request, reply) =>
    reads.answer(request, reply, {
      query: (reader, { nodeMeta }) => reader.services(nodeMeta),
      body: (services, _parameters, sight) =>
        Object.fromEntries(sight.keep([...services], ([Service], authorizer) => seesService({ Service }, authorizer))),
    }),
  );

  app.get("/v1/catalog/service/:service", { schema: { params: ServicePath } }, (request, reply) => {
    const service = mustName(request.params.service, "service name");
    return reads.answer(request, reply, {
      query: (reader) => reader.serviceInstances(service),
      body: (instances, { tags, nodeMeta }, sight) =>
        filterInstances(sight.keep(instances, seesInstance), { tags, nodeMeta, isOnlyPassing: false }).map(
          serviceNodeAnswer,
        ),
    });
  });

  app.get("/v1/catalog/connect/:service", { schema: { params: ServicePath } }, (request, reply) => {
    const service = mustName(request.params.service, "service name");
    return reads.answer(request, reply, {
      query: (reader) => reader.connectInstances(service),
      body: (instances, { tags, nodeMeta }, sight) =>
        filterInstances(meshSight(service, instances, sight), { tags, nodeMeta, isOnlyPassing: false }).map(
          serviceNodeAnswer,
        ),
    });
  });

  app.get("/v1/catalog/node/:node", { schema: { params: NodePath } }, (request, reply) => {
    const name = mustName(request.params.node, "node name");
    return reads.answer(request, reply, {
      query: (reader) => combineReads(reader.node(name), reader.nodeServices(name)),
      body: ([found, all], _parameters, sight) => {
        const { node, services } = nodeSight(found, all, sight);
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
    return reads.answer(request, reply, {
      query: (reader) => combineReads(reader.node(name), reader.nodeServices(name)),
      body: ([found, all], _parameters, sight) => {
        const { node, services } = nodeSight(found, all, sight);
        return { Node: node === undefined ? null : nodeAnswer(node), Services: services.map(nodeServiceAnswer) };
      },
    });
  });
}
