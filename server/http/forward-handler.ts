import { AtollError } from "../../lib/contract/error-codes.ts";
import { relayedHeader } from "../../lib/http/default-token.ts";
import { runDirectly } from "../../lib/http/direct-exchange.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import type { RelayedAnswer, RelayedRequest } from "../../lib/http/relay.ts";
import type { ForwardHandler } from "../local-link.ts";

/**
 * Answers the `/v1` requests that following servers and agents without a server of their own send on: each runs on this
 * server's app as if it had come over a socket, so that it is checked, counted and answered in the same way. A blocked
 * query ends with `signal`.
 */
export function createForwardHandler(app: HttpApp): ForwardHandler {
  let isReady = false;
  return async (request, signal) => {
    const url = readUrl(request.url);
    refuseAgentPath(url);
    if (!isReady) await app.ready();
    isReady = true;
    // Nothing has been done: the next leader is asked, or another server.
    if (app.openRequests.isClosing()) throw new AtollError("NO_LEADER", "this server is stopping");
    // A snapshot is answered as a stream.
    const run = url.startsWith("/v1/snapshot") ? inject : runDirectly;
    const headers = { ...request.headers, [relayedHeader]: "1" };
    return run(app, { ...request, headers, method: routable(request.method), url }, signal);
  };
}

async function inject(app: HttpApp, request: RelayedRequest, signal: AbortSignal): Promise<RelayedAnswer> {
  const { url, headers, body } = request;
  const answer = await app.inject({
    method: routable(request.method),
    url,
    headers: { ...headers },
    signal,
    ...(body.length === 0 ? {} : { payload: Buffer.from(body) }),
  });
  return {
    status: answer.statusCode,
    headers: Object.fromEntries(
      Object.entries(answer.headers).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]])),
    ),
    body: answer.rawPayload,
  };
}

/** `/v1/agent` is this host's own: on it a service could be registered or a private key be read by another host. */
function refuseAgentPath(url: string): void {
  const path = decodedPath(url);
  if (path?.startsWith("/v1/") && !/^\/v1\/agent(?:\/|$)/.test(path)) return;
  throw new AtollError("PERMISSION_DENIED", "Permission denied: only /v1 requests other than /v1/agent are forwarded");
}

/** Nothing in it that a URL could be rewritten for, and no escape. */
const plainUrl = /^\/v1\/[\w~:@/-](?:[\w~:@/-]|(?<!\/)\.)*(?:\?[\w~.:@/%&=+,;!$()*-]*)?$/;

/** The URL as the router is given it, which has to be what was judged: dot segments are resolved. Empty for none. */
function readUrl(url: string): string {
  // Whatever follows is a key, which the router does not look into: cleaned it would be another one.
  if (plainUrl.test(url) || url.startsWith("/v1/kv/")) return url;
  if (!url.startsWith("/v1/")) return "";
  try {
    const { pathname, search } = new URL(url, "http://server");
    return pathname + search;
  } catch {
    return "";
  }
}

/** With its escapes undone; undefined where they cannot be. */
function decodedPath(url: string): string | undefined {
  const queryAt = url.indexOf("?");
  const path = queryAt < 0 ? url : url.slice(0, queryAt);
  if (!path.includes("%")) return path;
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}

const routableMethods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] as const;

/** A method that no route has is answered 405 by PATCH just as well. */
function routable(method: string): (typeof routableMethods)[number] {
  return routableMethods.find((known) => known === method) ?? "PATCH";
}
