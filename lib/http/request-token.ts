import type { FastifyReply, FastifyRequest } from "fastify";
import { queryOf } from "./request-line.ts";

/** The secret that a request brings: `?token`, then `X-Consul-Token`, then a bearer token; empty when there is none. */
export function tokenOf(request: FastifyRequest): string {
  if (request.url.includes("token=")) {
    const inQuery = queryOf(request).get("token") ?? "";
    if (inQuery !== "") return inQuery;
  }
  const own = request.headers[tokenHeader];
  if (typeof own === "string" && own !== "") return own;
  const { authorization } = request.headers;
  const bearer = authorization === undefined ? null : /^Bearer\s+(\S+)\s*$/i.exec(authorization);
  return bearer?.[1] ?? "";
}

export const tokenHeader = "x-consul-token";

/** Says to who sent a token that lists are shorter than they are; without a token nothing is said, as Consul does. */
export function setFilteredHeader(request: FastifyRequest, reply: FastifyReply): void {
  if (tokenOf(request) !== "") reply.raw.setHeader("X-Consul-Results-Filtered-By-ACLs", "true");
}
