import { isIP } from "node:net";
import type { FastifyReply, FastifyRequest } from "fastify";
import { demand } from "../../lib/acl/authorizer.ts";
import { withDeadline } from "../../lib/base/deadline.ts";
import type { ForwardResponse } from "../../lib/client/server-link.ts";
import { formatHostPort, parseHostPort } from "../../lib/contract/address.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { sendEmpty, sendJson } from "../../lib/http/answers.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import { memberAnswer } from "../../lib/http/member-answer.ts";
import { requestSignal } from "../../lib/http/open-requests.ts";
import { setFilteredHeader } from "../../lib/http/request-token.ts";
import { relayedRequest, sendRelayed } from "../../lib/http/relay.ts";
import { queryOf } from "../../lib/http/request-line.ts";
import type { AgentIdentity } from "../agent-api.ts";
import { defaultRpcPort } from "../config/agent-options.ts";
import type { AgentRouteContext } from "./agent-routes.ts";
import { mustId, RestOfPath } from "./path-id.ts";

const serverTimeoutMs = 10_000;

/** Who else is in the cluster, and how this agent comes to it and goes. The servers know the members; an agent asks them. */
export function registerMemberRoutes(app: HttpApp, context: AgentRouteContext): void {
  const { agent, runtime, authorize } = context;

  /** `path` stands for the request's own; its query and headers go with it. */
  const ask = (
    request: FastifyRequest,
    reply: FastifyReply,
    asked: { readonly path: string; readonly query: URLSearchParams },
  ): Promise<ForwardResponse> => {
    const { headers } = relayedRequest(request, new Uint8Array());
    const url = `${asked.path}?${asked.query.toString()}`;
    const limits = { clock: runtime.clock, timeoutMs: serverTimeoutMs, signal: requestSignal(reply) };
    return withDeadline(limits, (signal) =>
      agent.forward({ method: request.method, url, headers, body: new Uint8Array() }, signal),
    );
  };

  app.get("/v1/agent/members", async (request, reply) => {
    const authorizer = await authorize(request);
    const query = queryOf(request);
    // Any server knows them, also when there is no leader.
    query.set("stale", "");
    query.delete("index");
    try {
      const answer = await ask(request, reply, { path: "/v1/internal/members", query });
      // A server of a release without leases has no such path.
      if (answer.status !== 404) return sendRelayed(reply, answer);
    } catch (thrown) {
      if (!(thrown instanceof AtollError) || thrown.retryable === "no") throw thrown;
    }
    // An agent that learns nothing of the others knows itself.
    const { nodeName } = agent.identity;
    if (authorizer.allows("node", "read", nodeName)) return sendJson(reply, [ownMemberAnswer(agent.identity)]);
    setFilteredHeader(request, reply);
    return sendJson(reply, []);
  });

  app.put("/v1/agent/force-leave/*", { schema: { params: RestOfPath } }, async (request, reply) => {
    const node = mustId(request.params, "node name");
    const path = `/v1/internal/force-leave/${encodeURIComponent(node)}`;
    return sendRelayed(reply, await ask(request, reply, { path, query: queryOf(request) }));
  });

  app.put("/v1/agent/join/*", { schema: { params: RestOfPath } }, async (request, reply) => {
    demand(await authorize(request), "agent", "write", agent.identity.nodeName);
    const address = joinAddress(mustId(request.params, "address"));
    const limits = { clock: runtime.clock, timeoutMs: serverTimeoutMs, signal: requestSignal(reply) };
    try {
      await withDeadline(limits, (signal) => agent.join(address, signal));
    } catch (thrown) {
      if (!(thrown instanceof AtollError) || thrown.code !== "UNAVAILABLE") throw thrown;
      // As Consul answers: the address is wrong, and this agent is there.
      throw new AtollError(thrown.code, thrown.message, { status: 500, cause: thrown });
    }
    runtime.logger.info("a server was added to those that are dialled", { address });
    return sendEmpty(reply);
  });

  app.put("/v1/agent/leave", async (request, reply) => {
    demand(await authorize(request), "agent", "write", agent.identity.nodeName);
    // The process waits for open answers before it ends, so this one has to be out first.
    reply.raw.once("close", () => agent.leave());
    return sendEmpty(reply);
  });
}

export function ownMemberAnswer(identity: AgentIdentity): object {
  const { nodeName, nodeId, address, version, datacenter, isServer, serverPort = 0 } = identity;
  const own = { Node: nodeName, ID: nodeId, Address: address, Build: version, Port: serverPort } as const;
  const role = isServer ? "consul" : "node";
  return memberAnswer({ ...own, Role: role, Status: "alive" }, { datacenter, isWan: false });
}

/** `host` or `host:port`; IPv6 in brackets when there is a port. */
function joinAddress(text: string): string {
  const withPort =
    isIP(text) === 6 ? `[${text}]:${defaultRpcPort}` : /:\d+$/.test(text) ? text : `${text}:${defaultRpcPort}`;
  const parsed = parseHostPort(withPort);
  if (parsed !== undefined && parsed.port > 0) return formatHostPort(parsed);
  throw new AtollError("INVALID_ARGUMENT", `"${text}" is not the address of a server: give host or host:port`);
}
