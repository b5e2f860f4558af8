import type { FastifyReply, FastifyRequest } from "fastify";

/**
 * A `/v1` request that another process runs: what of it travels, and how the answer becomes ours. An agent relays to a
 * server, a following server to its leader.
 */
export interface RelayedRequest {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  /** Who sent it on, where another process did. */
  readonly sender?: RequestSender;
}

export type RequestSender = { readonly kind: "server" } | { readonly kind: "agent"; readonly node: string };

export interface RelayedAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** Set by the agent that relays a request: the node on whose behalf it is asked. */
export const nodeHeader = "x-atoll-node";

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

/** `body` are the bytes as they came: a route with a schema has replaced `request.body` by what it decoded. */
export function relayedRequest(request: FastifyRequest, body: Uint8Array): RelayedRequest {
  return { method: request.method, url: request.url, headers: headersOf(request), body };
}

/** The bytes of a body that no schema has decoded; empty when there is none. */
export function rawBody(request: FastifyRequest): Uint8Array {
  return Buffer.isBuffer(request.body) ? request.body : new Uint8Array();
}

export function sendRelayed(reply: FastifyReply, answer: RelayedAnswer): FastifyReply {
  const { headers, body } = answer;
  for (const name in headers) {
    const value = headers[name];
    if (value !== undefined && !ownHeaders.has(name.toLowerCase())) reply.raw.setHeader(consulSpelling(name), value);
  }
  return reply.code(answer.status).send(Buffer.isBuffer(body) ? body : Buffer.from(body));
}

function headersOf(request: FastifyRequest): Record<string, string> {
  const { headers } = request;
  const sent: Record<string, string> = {};
  for (const name in headers) {
    const value = headers[name];
    if (value === undefined || ownHeaders.has(name)) continue;
    sent[name] = Array.isArray(value) ? value.join(", ") : value;
  }
  return sent;
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
    "X-Atoll-Error",
    "X-Atoll-Index",
    "X-Atoll-Leader",
    "X-Atoll-Request-Id",
  ].map((name) => [name.toLowerCase(), name]),
);

function consulSpelling(name: string): string {
  return spellings.get(name.toLowerCase()) ?? name;
}
