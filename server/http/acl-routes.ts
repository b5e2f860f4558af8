import type { HTTPMethods } from "fastify";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import type { AclService } from "../acl/acl-service.ts";
import { registerAclAuthorizeRoutes } from "./acl-authorize-routes.ts";
import { registerAclBootstrapRoutes } from "./acl-bootstrap-routes.ts";
import { registerAclLoginRoutes } from "./acl-login-routes.ts";
import { registerAclPolicyRoutes } from "./acl-policy-routes.ts";
import { registerAclRoleRoutes } from "./acl-role-routes.ts";
import { registerAclTemplateRoutes } from "./acl-template-routes.ts";
import { registerAclTokenRoutes } from "./acl-token-routes.ts";
import type { RouteContext } from "./server-routes.ts";

/** What the routes of `/v1/acl` are given, where ACLs are on. */
export interface AclRouteContext extends RouteContext {
  readonly acl: AclService;
}

/** Consul's ACL endpoints. With ACLs off each answers 401, as Consul does. */
const aclRoutes: readonly (readonly [path: string, ...methods: HTTPMethods[]])[] = [
  ["/v1/acl/bootstrap", "PUT"],
  ["/v1/acl/replication", "GET"],
  ["/v1/acl/policies", "GET"],
  ["/v1/acl/policy", "PUT"],
  ["/v1/acl/policy/:id", "GET", "PUT", "DELETE"],
  ["/v1/acl/policy/name/*", "GET"],
  ["/v1/acl/roles", "GET"],
  ["/v1/acl/role", "PUT"],
  ["/v1/acl/role/:id", "GET", "PUT", "DELETE"],
  ["/v1/acl/role/name/:name", "GET"],
  ["/v1/acl/tokens", "GET"],
  ["/v1/acl/token", "PUT"],
  ["/v1/acl/token/self", "GET"],
  ["/v1/acl/token/:accessor", "GET", "PUT", "DELETE"],
  ["/v1/acl/token/:accessor/clone", "PUT"],
  ["/v1/acl/templated-policies", "GET"],
  ["/v1/acl/templated-policy/name/*", "GET"],
  ["/v1/acl/templated-policy/preview/*", "POST"],
  ["/v1/internal/acl/authorize", "POST"],
  ["/v1/internal/acl/resolve", "GET"],
  ["/v1/acl/login", "POST"],
  ["/v1/acl/logout", "POST"],
  ["/v1/acl/binding-rules", "GET"],
  ["/v1/acl/binding-rule", "PUT"],
  ["/v1/acl/binding-rule/:id", "GET", "PUT", "DELETE"],
  ["/v1/acl/auth-methods", "GET"],
  ["/v1/acl/auth-method", "PUT"],
  ["/v1/acl/auth-method/:name", "GET", "PUT", "DELETE"],
];

export function registerAclRoutes(app: HttpApp, context: RouteContext): void {
  const { acl } = context.server;
  if (acl === undefined || !acl.settings.isEnabled) {
    refuseAll(app, aclRoutes);
    return;
  }
  const aclContext: AclRouteContext = { ...context, acl };
  registerAclBootstrapRoutes(app, aclContext);
  registerAclTokenRoutes(app, aclContext);
  registerAclPolicyRoutes(app, aclContext);
  registerAclRoleRoutes(app, aclContext);
  registerAclTemplateRoutes(app, aclContext);
  registerAclAuthorizeRoutes(app, aclContext);
  registerAclLoginRoutes(app, aclContext);
}

function refuseAll(app: HttpApp, routes: typeof aclRoutes): void {
  for (const [url, ...methods] of routes) {
    app.route({ url, method: methods, handler: refuse, config: { isAnsweredHere: true } });
  }
}

async function refuse(): Promise<never> {
  throw new AtollError("PERMISSION_DENIED", "ACL support disabled", { status: 401 });
}
