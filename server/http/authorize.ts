import type { FastifyRequest } from "fastify";
import { type Authorizer, unrestricted } from "../../lib/acl/authorizer.ts";
import { tokenOf } from "../../lib/http/request-token.ts";
import type { AclResolver } from "../acl/resolver.ts";

/** What the token of a request may do, from this server's state; everything where ACLs are off. */
export function createAuthorize(acl: AclResolver | undefined): (request: FastifyRequest) => Authorizer {
  if (acl === undefined || !acl.settings.isEnabled) return () => unrestricted;
  return (request) => acl.resolve(tokenOf(request));
}
