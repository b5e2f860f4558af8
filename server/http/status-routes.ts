import { sendJson } from "../../lib/http/answers.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import { checkDatacenter } from "../../lib/http/read-query.ts";
import type { RouteContext } from "./server-routes.ts";

/** `/v1/status`: what readiness probes ask. The leader is an empty string while there is none. */
export function registerStatusRoutes(app: HttpApp, { server }: RouteContext): void {
  app.get("/v1/status/leader", async (request, reply) => {
    checkDatacenter(request, server.datacenter);
    return sendJson(reply, server.log.leadership().leaderAddress);
  });

  app.get("/v1/status/peers", async (request, reply) => {
    checkDatacenter(request, server.datacenter);
    return sendJson(reply, server.log.leadership().peers);
  });
}
