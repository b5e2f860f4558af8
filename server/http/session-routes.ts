import { createHash } from "node:crypto";
import type { FastifyReply, FastifyRequest } from "fastify";
import { Type } from "typebox";
import { type Authorizer, demand } from "../../lib/acl/authorizer.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { SessionRecord } from "../../lib/contract/sessions.ts";
import { sendJson } from "../../lib/http/answers.ts";
import { askedNodeOf, nameAskedNode } from "../../lib/http/asked-node.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import { checkDatacenter } from "../../lib/http/read-query.ts";
import { rawBody } from "../../lib/http/relay.ts";
import { stateStatuses } from "./kv-routes.ts";
import { mustName, NodePath } from "./path-name.ts";
import { proposeOrThrow } from "./propose.ts";
import type { RouteContext } from "./server-routes.ts";
import { requestIdOf } from "./request-id.ts";
import { sessionFields } from "./session-body.ts";

const SessionPath = Type.Object({ session: Type.String() });

/** `/v1/session`: who can hold locks. Rules are by the name of the session's node. */
export function registerSessionRoutes(app: HttpApp, context: RouteContext): void {
  const { server, runtime, reads, authorize, nodeName, limits } = context;
  /** Before the request is sent on to the leader. */
  const preValidation = (request: FastifyRequest, _reply: FastifyReply, done: () => void): void => {
    if (nodeName !== undefined) nameAskedNode(request, nodeName);
    done();
  };

  app.put("/v1/session/create", { preValidation }, async (request, reply) => {
    checkDatacenter(request, server.datacenter);
    const fields = sessionFields(rawBody(request), {
      node: askedNodeOf(request),
      ttlMinMs: limits.sessionTtlMinMs,
    });
    demand(authorize(request), "session", "write", fields.Node);
    const session = { ...fields, ID: sessionId(requestIdOf(request) || runtime.random.uuid()) };
    await proposeOrThrow({ server, request, command: { type: "session-create", session }, statuses: stateStatuses });
    // Its time begins now, and not when somebody looks.
    await server.locks.renewSession(session.ID);
    return sendJson(reply, { ID: session.ID });
  });

  app.put("/v1/session/destroy/:session", { schema: { params: SessionPath } }, async (request, reply) => {
    checkDatacenter(request, server.datacenter);
    const id = mustName(request.params.session, "session");
    await server.locks.ready();
    demandExisting(authorize(request), server.reader.session(id).value, "write");
    await proposeOrThrow({ server, request, command: { type: "session-destroy", ids: [id] } });
    return sendJson(reply, true);
  });

  app.put("/v1/session/renew/:session", { schema: { params: SessionPath } }, async (request, reply) => {
    checkDatacenter(request, server.datacenter);
    const id = mustName(request.params.session, "session");
    await server.locks.ready();
    demandExisting(authorize(request), server.reader.session(id).value, "write");
    const session = await server.locks.renewSession(id);
    if (session === undefined) throw new AtollError("NOT_FOUND", `Session id '${id}' not found`);
    return sendJson(reply, [sessionAnswer(session)]);
  });

  app.get("/v1/session/info/:session", { schema: { params: SessionPath } }, (request, reply) => {
    const id = mustName(request.params.session, "session");
    return reads.answer(request, reply, {
      query: (reader) => reader.session(id),
      body: (session, _query, sight) =>
        sight.keep(session === undefined ? [] : [session], isReadable).map(sessionAnswer),
    });
  });

  app.get("/v1/session/node/:node", { schema: { params: NodePath } }, (request, reply) => {
    const node = mustName(request.params.node, "node name");
    return reads.answer(request, reply, {
      query: (reader) => reader.nodeSessions(node),
      body: (sessions, _query, sight) => sight.keep(sessions, isReadable).map(sessionAnswer),
    });
  });

  app.get("/v1/session/list", (request, reply) =>
    reads.answer(request, reply, {
      query: (reader) => reader.sessions(),
      body: (sessions, _query, sight) => sight.keep(sessions, isReadable).map(sessionAnswer),
    }),
  );
}

/** Made of the name of the request, so that asking again with it answers the session that there is. */
function sessionId(requestId: string): string {
  const hex = createHash("sha256").update(requestId).digest("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

function isReadable({ Node }: SessionRecord, authorizer: Authorizer): boolean {
  return authorizer.allows("session", "read", Node);
}

/** Whose node nobody knows is nobody's. */
function demandExisting(authorizer: Authorizer, session: SessionRecord | undefined, access: "read" | "write"): void {
  if (session !== undefined) demand(authorizer, "session", access, session.Node);
}

/** As Consul answers it: the delay in nanoseconds, `null` for no checks of services. */
function sessionAnswer(session: SessionRecord): object {
  return {
    ID: session.ID,
    Name: session.Name,
    Node: session.Node,
    LockDelay: Math.round(session.lockDelayMs * 1e6),
    Behavior: session.Behavior,
    TTL: session.TTL,
    NodeChecks: session.NodeChecks,
    ServiceChecks:
      session.ServiceChecks.length === 0 ? null : session.ServiceChecks.map((ID) => ({ ID, Namespace: "" })),
    CreateIndex: session.CreateIndex,
    ModifyIndex: session.ModifyIndex,
  };
}
