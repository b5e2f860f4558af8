import { Type } from "typebox";
import { demand } from "../../lib/acl/authorizer.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import { discoveryChainAnswer } from "./discovery-chain-answer.ts";
import { mustName } from "./path-name.ts";
import type { RouteContext } from "./server-routes.ts";

const ServicePath = Type.Object({ service: Type.String() });

/** `/v1/discovery-chain/:service`: what becomes of calls to a service, as its callers' agents are told. */
export function registerDiscoveryChainRoutes(app: HttpApp, { server, reads }: RouteContext): void {
  app.get("/v1/discovery-chain/:service", { schema: { params: ServicePath } }, (request, reply) => {
    const service = mustName(request.params.service, "service name");
    return reads.answer(request, reply, {
      requires: (authorizer) => demand(authorizer, "service", "read", service),
      query(reader) {
        const config = reader.serviceConfig(service);
        const roots = reader.caRoots();
        return {
          index: Math.max(config.index, roots.index),
          value: { config: config.value, trustDomain: roots.value.trustDomain },
          watch: [...config.watch, ...roots.watch],
        };
      },
      body: ({ config, trustDomain }) => ({
        Chain: discoveryChainAnswer(config, { datacenter: server.datacenter, trustDomain }),
      }),
    });
  });
}
