import type { FastifyReply, FastifyRequest, RouteShorthandOptions } from "fastify";
import { withDeadline } from "../../lib/base/deadline.ts";
import type { Runtime } from "../../lib/base/runtime.ts";
import type { ServerLink } from "../../lib/client/server-link.ts";
import {
  defaultRequestLimits,
  kvLimitKey,
  longestForwardMs,
  type RequestLimits,
  txnBodyLimit,
  txnLimitKey,
} from "../../lib/contract/request-limits.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import { requestSignal } from "../../lib/http/open-requests.ts";
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

/** Groups whose bodies have limits of their own. */
function bodyLimits(limits: RequestLimits): Readonly<Record<string, RouteShorthandOptions>> {
  return {
    kv: { bodyLimit: limits.kvMaxValueBytes, config: { bodyLimitKey: kvLimitKey } },
    txn: { bodyLimit: txnBodyLimit(limits), config: { bodyLimitKey: txnLimitKey } },
  };
}

export interface ForwardRouteContext {
  readonly link: Pick<ServerLink, "forward">;
  readonly runtime: Runtime;
  /** Of this agent: what is asked here is asked on behalf of its node. */
  readonly nodeName?: string;
  /** Of the servers, as far as they concern the way there; Consul's defaults when absent. */
  readonly limits?: RequestLimits;
}

export function registerForwardRoutes(app: HttpApp, context: ForwardRouteContext): void {
  const { link, runtime, nodeName, limits = defaultRequestLimits } = context;
  const timeoutMs = longestForwardMs(limits);
  const forward = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const deadline = { clock: runtime.clock, timeoutMs, signal: requestSignal(reply) };
    const relayed = relayedRequest(request, rawBody(request));
    const headers = nodeName === undefined ? relayed.headers : { ...relayed.headers, [nodeHeader]: nodeName };
    const answer = await withDeadline(deadline, (signal) => link.forward({ ...relayed, headers }, signal));
    return sendRelayed(reply, answer);
  };
  for (const group of forwardedGroups) {
    const options = bodyLimits(limits)[group] ?? {};
    app.all(`/v1/${group}`, options, forward);
    app.all(`/v1/${group}/*`, options, forward);
  }
}
