import type { FastifyRequest } from "fastify";
import type { Authorizer } from "../../lib/acl/authorizer.ts";
import type { MeteredRuntime } from "../../lib/base/runtime.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import type { AgentApi } from "../agent-api.ts";
import type { AgentControl } from "../agent-control.ts";
import { registerAuthorizeRoute } from "./authorize-route.ts";
import { registerCheckRoutes } from "./check-routes.ts";
import { registerConnectRoutes } from "./connect-routes.ts";
import { registerControlRoutes } from "./control-routes.ts";
import { registerHealthRoutes } from "./health-routes.ts";
import { registerMemberRoutes } from "./member-routes.ts";
import { registerMetricsRoutes } from "./metrics-routes.ts";
import { registerMonitorRoute } from "./monitor-route.ts";
import { registerSelfRoutes } from "./self-routes.ts";
import { registerServiceRoutes } from "./service-routes.ts";
import { registerTokenRoutes } from "./token-routes.ts";

/** What the routes of this folder have in common. */
export interface AgentRouteContext {
  readonly agent: AgentApi;
  readonly control: AgentControl;
  readonly runtime: MeteredRuntime;
  /** What the token of a request may do; `unrestricted` where ACLs are off. Rejects with `PERMISSION_DENIED` for a token that is none. */
  readonly authorize: (request: FastifyRequest) => Promise<Authorizer>;
}

/** Everything under `/v1/agent`: what the processes of this host ask of their agent. */
export function registerAgentRoutes(app: HttpApp, context: AgentRouteContext): void {
  registerSelfRoutes(app, context);
  registerMemberRoutes(app, context);
  registerServiceRoutes(app, context);
  registerCheckRoutes(app, context);
  registerHealthRoutes(app, context);
  registerConnectRoutes(app, context);
  registerAuthorizeRoute(app, context);
  registerControlRoutes(app, context);
  registerMetricsRoutes(app, context);
  registerMonitorRoute(app, context);
  registerTokenRoutes(app, context);
}
