import type { FastifyRequest } from "fastify";
import { type AuditAuth, nobody } from "../../lib/audit/audit-event.ts";
import { tokenOf } from "../../lib/http/request-token.ts";
import type { AclResolver } from "../acl/resolver.ts";

/** Whose token a request brings, for the audit log. Throws `PERMISSION_DENIED` for a token that nobody has. */
export function createAuditIdentity(acl: AclResolver | undefined): (request: FastifyRequest) => AuditAuth {
  return (request) => {
    const token = acl?.resolveToken(tokenOf(request)).token;
    if (token === undefined) return nobody;
    const { AccessorID, Description, CreateTime, AuthMethod } = token;
    return { accessor_id: AccessorID, description: Description, create_time: CreateTime, auth_method: AuthMethod };
  };
}
