import type { FastifyReply, FastifyRequest } from "fastify";
import { withDeadline } from "../../lib/base/deadline.ts";
import type { Runtime } from "../../lib/base/runtime.ts";
import type { ServerLink } from "../../lib/client/server-link.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import { requestSignal } from "../../lib/http/open-requests.ts";
import { maxWaitMs } from "../../lib/http/read-query.ts";
import { nodeHeader, rawBody, relayedRequest, sendRelayed } from "../../lib/http/relay.ts";

/**
 * In an agent without a server of its own, everything of `/v1` but `/v1/agent` is run by a server and answered as the
 * server answered it. The groups are listed, so that `/v1/agent` can never be sent on and metrics have bounded labels.
 */
const forwardedGroups = [
  "acl",
  "catalog",
  "config",
  "connect",
  "coordinate",
  "discovery-chain",
  "event",
  "exported-services",
  "health",
  "internal",
  "kv",
  "openapi.json",
  "operator",
  "peering",
  "peerings",
  "query",
  "session",
  "snapshot",
  "status",
  "txn",
] as const;

/** The longest blocking query with its jitter, and time for the way. */
const forwardTimeoutMs = maxWaitMs * (1 + 1 / 16) + 30_000;

export interface ForwardRouteContext {
  readonly link: Pick<ServerLink, "forward">;
  readonly runtime: Runtime;
  /** Of this agent: what is asked here is asked on behalf of its node. */
  readonly nodeName?: string;
}

export function registerForwardRoutes(app: HttpApp, { link, runtime, nodeName }: ForwardRouteContext): void {
  const forward = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const limits = { clock: runtime.clock, timeoutMs: forwardTimeoutMs, signal: requestSignal(reply) };
    const relayed = relayedRequest(request, rawBody(request));
    const headers = nodeName === undefined ? relayed.headers : { ...relayed.headers, [nodeHeader]: nodeName };
    const answer = await withDeadline(limits, (signal) => link.forward({ ...relayed, headers }, signal));
    return sendRelayed(reply, answer);
  };
  for (const group of forwardedGroups) {
    app.all(`/v1/${group}`, forward);
    app.all(`/v1/${group}/*`, forward);
  }
}
