import { AtollError } from "../../lib/contract/error-codes.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import type { ForwardHandler } from "../local-link.ts";

/**
 * Answers the `/v1` requests that agents without a server of their own send on: each runs on this server's app as if it
 * had come over a socket, so that it is checked, counted and answered in the same way. A blocked query ends with `signal`.
 */
export function createForwardHandler(app: HttpApp): ForwardHandler {
  return async (request, signal) => {
    refuseAgentPath(request.url);
    const answer = await app.inject({
      method: injectable(request.method),
      url: request.url,
      headers: { ...request.headers },
      signal,
      ...(request.body.length === 0 ? {} : { payload: Buffer.from(request.body) }),
    });
    return {
      status: answer.statusCode,
      headers: Object.fromEntries(
        Object.entries(answer.headers).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]])),
      ),
      body: answer.rawPayload,
    };
  };
}

/**
 * `/v1/agent` is this host's own: on it a service could be registered or a private key be read by another host. The path
 * is looked at as `inject` and the router will read it: dot segments resolved, escapes undone.
 */
function refuseAgentPath(url: string): void {
  const path = readPath(url);
  if (path?.startsWith("/v1/") && !/^\/v1\/agent(?:\/|$)/.test(path)) return;
  throw new AtollError("PERMISSION_DENIED", "Permission denied: only /v1 requests other than /v1/agent are forwarded");
}

function readPath(url: string): string | undefined {
  try {
    return url.startsWith("/v1/") ? decodeURIComponent(new URL(url, "http://server").pathname) : undefined;
  } catch {
    return undefined;
  }
}

const injectableMethods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] as const;

/** A method that no route has is answered 405 by PATCH just as well. */
function injectable(method: string): (typeof injectableMethods)[number] {
  return injectableMethods.find((known) => known === method) ?? "PATCH";
}
