import type { ForwardHandler } from "../local-link.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";

/**
 * Answers the `/v1` requests that agents without a server of their own send on: each runs on this server's app as if it
 * had come over a socket, so that it is checked, counted and answered in the same way. A blocked query ends with `signal`.
 */
export function createForwardHandler(app: HttpApp): ForwardHandler {
  return async (request, signal) => {
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

const injectableMethods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] as const;

/** A method that no route has is answered 405 by PATCH just as well. */
function injectable(method: string): (typeof injectableMethods)[number] {
  return injectableMethods.find((known) => known === method) ?? "PATCH";
}
