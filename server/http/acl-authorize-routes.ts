import { Type } from "typebox";
import { type Access, resources } from "../../lib/acl/authorizer.ts";
import { anonymousAccessorId } from "../../lib/contract/acl.ts";
import { sendJson } from "../../lib/http/answers.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import { checkDatacenter } from "../../lib/http/read-query.ts";
import { tokenOf } from "../../lib/http/request-token.ts";
import { invalid } from "./acl-bodies.ts";
import type { AclRouteContext } from "./acl-routes.ts";

const Questions = Type.Array(
  Type.Object({
    Resource: Type.String(),
    Access: Type.String(),
    Segment: Type.Optional(Type.String()),
  }),
);

/** Consul's bound. */
const maxQuestions = 64;
const accesses: readonly Access[] = ["read", "list", "write"];

/** `/v1/internal/acl/authorize`: whether the request's own token may do each of a few things. */
export function registerAclAuthorizeRoutes(app: HttpApp, { server, authorize, acl }: AclRouteContext): void {
  app.post("/v1/internal/acl/authorize", { schema: { body: Questions } }, async (request, reply) => {
    checkDatacenter(request, server.datacenter);
    const authorizer = authorize(request);
    if (request.body.length > maxQuestions) {
      throw invalid(`Refusing to process more than ${maxQuestions} authorizations at once`);
    }
    const answers = request.body.map(({ Resource, Access, Segment = "" }) => {
      const resource = resources.find((one) => one === Resource);
      if (resource === undefined) throw invalid(`Invalid ACL resource requested: "${Resource.slice(0, 80)}"`);
      const access = accesses.find((one) => one === Access);
      if (access === undefined) throw invalid(`Invalid access level: "${Access.slice(0, 80)}"`);
      const Allow = authorizer.allows(resource, access, Segment);
      return { Resource, Access, ...(Segment !== "" && { Segment }), Allow };
    });
    return sendJson(reply, answers);
  });

  // What an agent judges its own requests by: whoever has a token may know what it may do.
  app.get("/v1/internal/acl/resolve", async (request, reply) => {
    const { token } = acl.resolveToken(tokenOf(request));
    return sendJson(reply, {
      AccessorID: token?.AccessorID ?? anonymousAccessorId,
      ...(token?.ExpirationTime !== undefined && { ExpirationTime: token.ExpirationTime }),
      DefaultPolicy: acl.settings.defaultPolicy,
      Policies: (token === undefined ? [] : acl.policies(token)).map(({ key, rules }) => ({ Key: key, Rules: rules })),
    });
  });
}
