import type { HTTPMethods } from "fastify";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";

/** Consul's ACL endpoints. With ACLs off, which is all this version knows, each answers 401 as Consul does. */
const aclRoutes: readonly (readonly [path: string, ...methods: HTTPMethods[]])[] = [
  ["/v1/acl/bootstrap", "PUT"],
  ["/v1/acl/login", "POST"],
  ["/v1/acl/logout", "POST"],
  ["/v1/acl/replication", "GET"],
  ["/v1/acl/policies", "GET"],
  ["/v1/acl/policy", "PUT"],
  ["/v1/acl/policy/:id", "GET", "PUT", "DELETE"],
  ["/v1/acl/policy/name/:name", "GET"],
  ["/v1/acl/roles", "GET"],
  ["/v1/acl/role", "PUT"],
  ["/v1/acl/role/:id", "GET", "PUT", "DELETE"],
  ["/v1/acl/role/name/:name", "GET"],
  ["/v1/acl/binding-rules", "GET"],
  ["/v1/acl/binding-rule", "PUT"],
  ["/v1/acl/binding-rule/:id", "GET", "PUT", "DELETE"],
  ["/v1/acl/auth-methods", "GET"],
  ["/v1/acl/auth-method", "PUT"],
  ["/v1/acl/auth-method/:name", "GET", "PUT", "DELETE"],
  ["/v1/acl/tokens", "GET"],
  ["/v1/acl/token", "PUT"],
  ["/v1/acl/token/self", "GET"],
  ["/v1/acl/token/:accessor", "GET", "PUT", "DELETE"],
  ["/v1/acl/token/:accessor/clone", "PUT"],
  ["/v1/acl/templated-policies", "GET"],
  ["/v1/acl/templated-policy/name/:name", "GET"],
  ["/v1/acl/templated-policy/preview/:name", "POST"],
];

export function registerAclRoutes(app: HttpApp): void {
  for (const [url, ...methods] of aclRoutes) {
    app.route({ url, method: methods, handler: refuse });
  }
}

async function refuse(): Promise<never> {
  throw new AtollError("PERMISSION_DENIED", "ACL support disabled", { status: 401 });
}
