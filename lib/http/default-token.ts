import type { FastifyRequest } from "fastify";
import type { HttpApp } from "./http-app.ts";
import { tokenHeader, tokenOf } from "./request-token.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** It brought no token and was given the agent's default one. */
    hasDefaultToken: boolean;
  }
}

/** Says that a request has come from another process, which has given it its own default token or none. */
export const relayedHeader = "x-atoll-relayed";

/**
 * Gives requests without a token the default one of this process, as a header: so it also goes with a request that another
 * process runs. To be called before any route is registered.
 */
export function giveDefaultToken(app: HttpApp, defaultToken: () => string): void {
  app.decorateRequest("hasDefaultToken", false);
  app.addHook("onRequest", (request, _reply, done) => {
    const token = defaultToken();
    if (token !== "" && request.headers[relayedHeader] === undefined && tokenOf(request) === "") {
      request.raw.headers[tokenHeader] = token;
      request.hasDefaultToken = true;
    }
    done();
  });
}

/** The token that the client itself sent; empty for none. */
export function ownTokenOf(request: FastifyRequest): string {
  return request.hasDefaultToken ? "" : tokenOf(request);
}
