import type { FastifyRequest } from "fastify";
import { nodeHeader } from "./relay.ts";

/**
 * The node whose agent was asked, which travels with a request to the server that runs it. Whoever sends it himself says no
 * more than he could in the body.
 */
export function nameAskedNode(request: FastifyRequest, nodeName: string): void {
  // The first one who is asked names its node; a server on the way does not.
  request.headers[nodeHeader] ??= nodeName;
}

/** Empty when nobody said. */
export function askedNodeOf(request: FastifyRequest): string {
  const name = request.headers[nodeHeader];
  return typeof name === "string" ? name : "";
}
