import type { FastifyReply, FastifyRequest } from "fastify";
import { withDeadline } from "../../lib/base/deadline.ts";
import type { Runtime } from "../../lib/base/runtime.ts";
import type { ServerLink } from "../../lib/client/server-link.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import { requestSignal } from "../../lib/http/open-requests.ts";
import { maxWaitMs } from "../../lib/http/read-query.ts";

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

/** Headers that belong to one connection (RFC 9110 7.6.1) or that the next hop writes itself. */
const ownHeaders = new Set([
  "connection",
  "content-length",
  "expect",
  "host",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "accept-encoding",
]);

export interface ForwardRouteContext {
  readonly link: Pick<ServerLink, "forward">;
  readonly runtime: Runtime;
}

export function registerForwardRoutes(app: HttpApp, { link, runtime }: ForwardRouteContext): void {
  const forward = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const limits = { clock: runtime.clock, timeoutMs: forwardTimeoutMs, signal: requestSignal(reply) };
    const answer = await withDeadline(limits, (signal) =>
      link.forward(
        { method: request.method, url: request.url, headers: headersOf(request), body: bodyOf(request) },
        signal,
      ),
    );
    for (const [name, value] of Object.entries(answer.headers)) {
      if (!ownHeaders.has(name.toLowerCase())) reply.raw.setHeader(consulSpelling(name), value);
    }
    return reply.code(answer.status).send(Buffer.from(answer.body));
  };
  for (const group of forwardedGroups) {
    app.all(`/v1/${group}`, forward);
    app.all(`/v1/${group}/*`, forward);
  }
}

function headersOf(request: FastifyRequest): Record<string, string> {
  const named = Object.entries(request.headers).filter(([name]) => !ownHeaders.has(name));
  return Object.fromEntries(
    named.flatMap(([name, value]) =>
      value === undefined ? [] : [[name, Array.isArray(value) ? value.join(", ") : value]],
    ),
  );
}

function bodyOf(request: FastifyRequest): Uint8Array {
  return Buffer.isBuffer(request.body) ? request.body : new Uint8Array();
}

/** Names come in lower case; scripts look for Consul's spelling. */
const spellings = new Map(
  [
    "X-Consul-ContentHash",
    "X-Consul-Default-ACL-Policy",
    "X-Consul-Effective-Consistency",
    "X-Consul-Index",
    "X-Consul-KnownLeader",
    "X-Consul-LastContact",
    "X-Consul-Query-Backend",
    "X-Consul-Reason",
    "X-Consul-Results-Filtered-By-ACLs",
    "X-Consul-Translate-Addresses",
  ].map((name) => [name.toLowerCase(), name]),
);

function consulSpelling(name: string): string {
  return spellings.get(name.toLowerCase()) ?? name;
}
