import type { FastifyRequest } from "fastify";
import type { Authorizer } from "../../lib/acl/authorizer.ts";
import type { MeteredRuntime } from "../../lib/base/runtime.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import type { AgentApi } from "../agent-api.ts";
import { registerTokenRoutes } from "./token-routes.ts";
import { registerCheckRoutes } from "./check-routes.ts";
import { registerConnectRoutes } from "./connect-routes.ts";
import { registerHealthRoutes } from "./health-routes.ts";
import { registerMemberRoutes } from "./member-routes.ts";
import { registerSelfRoutes } from "./self-routes.ts";
import { registerServiceRoutes } from "./service-routes.ts";

/** What the routes of this folder have in common. */
export interface AgentRouteContext {
  readonly agent: AgentApi;
  readonly runtime: MeteredRuntime;
  /** Absent: they are off. */
  readonly isAclEnabled?: boolean;
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
  registerTokenRoutes(app, context);
}
