import type { FastifyReply, FastifyRequest } from "fastify";
import { demand } from "../../lib/acl/authorizer.ts";
import { isLoopbackHost } from "../../lib/contract/address.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { sendJson } from "../../lib/http/answers.ts";
import { caRootsAnswer } from "../../lib/http/ca-roots-answer.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import { tokenOf } from "../../lib/http/request-token.ts";
import { requestSignal } from "../../lib/http/open-requests.ts";
import { setReadHeaders } from "../../lib/http/read-headers.ts";
import { parseReadQuery } from "../../lib/http/read-query.ts";
import type { AgentWait, LeafCertificate } from "../agent-api.ts";
import type { AgentRouteContext } from "./agent-routes.ts";
import { RestOfPath, mustId } from "./path-id.ts";

/** `/v1/agent/connect/ca`: the roots and leaf certificates that this agent holds. Both are blocking reads. */
export function registerConnectRoutes(app: HttpApp, { agent, runtime, authorize, control }: AgentRouteContext): void {
  const { datacenter } = agent.identity;

  const waitOf = (request: FastifyRequest, reply: FastifyReply): AgentWait => {
    const { minIndex, waitMs } = parseReadQuery(request, { datacenter, random: runtime.random });
    return { minIndex, waitMs: minIndex === 0 ? 0 : waitMs, signal: requestSignal(reply) };
  };

  app.get("/v1/agent/connect/ca/roots", async (request, reply) => {
    const { index, value } = await agent.caRoots(waitOf(request, reply));
    setHeaders(reply, index);
    // The agent keeps them up to date, so they are never old.
    reply.raw.setHeader("X-Cache", "HIT");
    reply.raw.setHeader("Age", "0");
    return sendJson(reply, caRootsAnswer(value));
  });

  app.get("/v1/agent/connect/ca/leaf/*", { schema: { params: RestOfPath } }, async (request, reply) => {
    mustBeLocal(request);
    const service = mustId(request.params, "service name");
    // Asked with every request, before and after it waits: a leaf that is here already is no less secret.
    demand(await authorize(request), "service", "write", service);
    const wait = waitOf(request, reply);
    const token = control.tokens.isAclEnabled ? tokenOf(request) : "";
    const { index, value, isCached } = await agent.leaf(service, token === "" ? wait : { ...wait, token });
    if (wait.minIndex !== 0) demand(await authorize(request), "service", "write", service);
    setHeaders(reply, index);
    reply.raw.setHeader("X-Cache", isCached ? "HIT" : "MISS");
    // It is renewed long before it is old.
    if (isCached) reply.raw.setHeader("Age", "0");
    return sendJson(reply, leafAnswer(value));
  });
}

/** The agent answers from what servers last sent it: how old that is it cannot tell, so it says what a leader would. */
function setHeaders(reply: FastifyReply, index: number): void {
  setReadHeaders(reply, { index, isLeaderKnown: true, lastContactMs: 0, consistency: "leader" });
}

/** A private key must not leave the host on which it was made, whatever address the API listens on. */
function mustBeLocal(request: FastifyRequest): void {
  const { remoteAddress, localAddress } = request.socket;
  const isOwnHost = remoteAddress !== undefined && remoteAddress === localAddress;
  if (isOwnHost || isLoopbackHost((remoteAddress ?? "").replace(/^::ffff:/, ""))) return;
  throw new AtollError(
    "PERMISSION_DENIED",
    `Permission denied: a leaf certificate comes with its private key and is given to processes of this host only, not to ${request.ip}`,
  );
}

function leafAnswer(leaf: LeafCertificate): object {
  return {
    SerialNumber: leaf.serialNumber,
    CertPEM: leaf.certPem,
    PrivateKeyPEM: leaf.privateKeyPem,
    Service: leaf.service,
    ServiceURI: leaf.spiffeId,
    ValidAfter: leaf.notBefore,
    ValidBefore: leaf.notAfter,
    CreateIndex: leaf.createIndex,
    ModifyIndex: leaf.modifyIndex,
  };
}
