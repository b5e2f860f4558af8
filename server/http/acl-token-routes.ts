import { Type } from "typebox";
import { demand } from "../../lib/acl/authorizer.ts";
import { type AclTokenFields, type AclTokenRecord, anonymousSecret } from "../../lib/contract/acl.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { sendJson } from "../../lib/http/answers.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import { checkDatacenter, parseFlag } from "../../lib/http/read-query.ts";
import { queryOf } from "../../lib/http/request-line.ts";
import { tokenOf } from "../../lib/http/request-token.ts";
import { isExpired, secretHash } from "../acl/resolver.ts";
import { tokenAnswer } from "./acl-answers.ts";
import { aclMissing, invalid, readLinks } from "./acl-bodies.ts";
import { expandedAnswer } from "./acl-expanded.ts";
import type { AclRouteContext } from "./acl-routes.ts";
import { changedToken, clonedDescription, newToken, TokenBody } from "./acl-token-body.ts";
import { proposeOrThrow } from "./propose.ts";

const AccessorPath = Type.Object({ accessor: Type.String() });

/** `/v1/acl/token(s)`. A secret is in the answer to the request that made the token, and in no other. */
export function registerAclTokenRoutes(app: HttpApp, context: AclRouteContext): void {
  const { server, reads, authorize, acl, runtime } = context;
  const records = () => server.reader.aclRecords();
  const find = (accessor: string): AclTokenRecord => {
    const token = records().tokens.get(accessor);
    if (token === undefined || isExpired(token, runtime.clock.nowMs())) throw aclMissing("token");
    return token;
  };
  /** A request that is repeated under its id has the effect of the first one, whose answer held the secret. */
  const mustBeMade = (accessor: string): AclTokenRecord => {
    const token = records().tokens.get(accessor);
    if (token !== undefined) return token;
    const message = "an earlier request of this id has made a token, and only its answer held the secret: make another";
    throw new AtollError("CONFLICT", message);
  };

  app.get("/v1/acl/tokens", (request, reply) => {
    const wanted = queryOf(request);
    const [policy, role] = [wanted.get("policy") ?? "", wanted.get("role") ?? ""];
    const [method, service] = [wanted.get("authmethod") ?? "", wanted.get("servicename") ?? ""];
    return reads.answer(request, reply, {
      requires: (authorizer) => demand(authorizer, "acl", "read"),
      query: (reader) => reader.aclTokens(),
      body: (tokens) =>
        tokens
          .filter((token) => !isExpired(token, runtime.clock.nowMs()))
          .filter((token) => policy === "" || token.Policies.includes(policy))
          .filter((token) => role === "" || token.Roles.includes(role))
          .filter((token) => method === "" || token.AuthMethod === method)
          .filter((token) => service === "" || token.ServiceIdentities.some((one) => one.ServiceName === service))
          .map((token) => tokenAnswer(token, records())),
    });
  });

  app.get("/v1/acl/token/self", async (request, reply) => {
    const secret = tokenOf(request);
    // Not through the shared answers: this one holds a secret, which whoever asks has just shown.
    const { read } = await reads.read(request, reply, (reader) =>
      reader.aclRecord(() => acl.resolveToken(secret).token),
    );
    const { found } = read.value;
    if (found === undefined) throw aclMissing("token");
    return sendJson(reply, tokenAnswer(found, records(), secret === "" ? anonymousSecret : secret));
  });

  app.get("/v1/acl/token/:accessor", { schema: { params: AccessorPath } }, (request, reply) => {
    const { accessor } = request.params;
    const isExpanded = parseFlag(queryOf(request), "expanded");
    return reads.answer(request, reply, {
      requires: (authorizer) => demand(authorizer, "acl", "read"),
      query: (reader) => reader.aclRecord(() => find(accessor)),
      body({ found }) {
        if (found === undefined) throw aclMissing("token");
        const answer = tokenAnswer(found, records());
        return isExpanded ? { ...answer, ...expandedAnswer(found, { acl, records: records() }) } : answer;
      },
    });
  });

  app.put("/v1/acl/token", { schema: { body: TokenBody } }, async (request, reply) => {
    checkDatacenter(request, server.datacenter);
    demand(authorize(request), "acl", "write");
    const { token, secret } = newToken(request.body, { records: records(), runtime });
    await proposeOrThrow({ server, request, command: { type: "acl-token-upsert", token, isNew: true } });
    return sendJson(reply, tokenAnswer(mustBeMade(token.AccessorID), records(), secret));
  });

  app.put("/v1/acl/token/:accessor", { schema: { params: AccessorPath, body: TokenBody } }, async (request, reply) => {
    checkDatacenter(request, server.datacenter);
    demand(authorize(request), "acl", "write");
    const { accessor } = request.params;
    const token = changedToken(request.body, find(accessor), records());
    await proposeOrThrow({ server, request, command: { type: "acl-token-upsert", token, isNew: false } });
    return sendJson(reply, tokenAnswer(find(accessor), records()));
  });

  app.put("/v1/acl/token/:accessor/clone", { schema: { params: AccessorPath } }, async (request, reply) => {
    checkDatacenter(request, server.datacenter);
    demand(authorize(request), "acl", "write");
    const original = find(request.params.accessor);
    if (original.AuthMethod !== "") throw invalid("Cannot clone a token created from an auth method");
    const description = clonedDescription(request.body);
    const secret = runtime.random.uuid();
    const { CreateIndex: _created, ModifyIndex: _modified, ...fields } = original;
    const token: AclTokenFields = {
      ...fields,
      AccessorID: runtime.random.uuid(),
      SecretHash: secretHash(secret),
      Description: description ?? original.Description,
      CreateTime: new Date(runtime.clock.nowMs()).toISOString(),
      // Links to what is gone would be refused.
      Policies: readLinks(existingLinks(original.Policies, records().policies), records().policies, "policy"),
      Roles: readLinks(existingLinks(original.Roles, records().roles), records().roles, "role"),
    };
    await proposeOrThrow({ server, request, command: { type: "acl-token-upsert", token, isNew: true } });
    return sendJson(reply, tokenAnswer(mustBeMade(token.AccessorID), records(), secret));
  });

  app.delete("/v1/acl/token/:accessor", { schema: { params: AccessorPath } }, async (request, reply) => {
    checkDatacenter(request, server.datacenter);
    const authorizer = authorize(request);
    demand(authorizer, "acl", "write");
    const { accessor } = request.params;
    if (accessor === authorizer.accessorId) {
      throw new AtollError("INVALID_ARGUMENT", "Deletion of the request's authorization token is not permitted");
    }
    await proposeOrThrow({ server, request, command: { type: "acl-token-delete", accessorIds: [accessor] } });
    return sendJson(reply, true);
  });
}

function existingLinks(
  ids: readonly string[],
  records: { get(id: string): object | undefined },
): { readonly ID: string }[] {
  return ids.filter((id) => records.get(id) !== undefined).map((ID) => ({ ID }));
}
