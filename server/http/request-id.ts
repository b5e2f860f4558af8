import type { FastifyReply, FastifyRequest } from "fastify";
import type { Random } from "../../lib/base/random.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";

/**
 * The name of a write, by which the log knows a retry of it. A client that may have to ask again sends its own; every
 * answer to a write carries the one that was used, so that an unknown outcome can be settled by asking again with it.
 */
export const requestIdHeader = "X-Atoll-Request-Id";

/** On the answer to a write: the index at which it took effect. What is read from then on has at least this index. */
export const writeIndexHeader = "X-Atoll-Index";

declare module "fastify" {
  interface FastifyRequest {
    /** The answer to a write, for those that learn about it before it is sent. */
    writeReply: FastifyReply | null;
  }
}

const headerKey = requestIdHeader.toLowerCase();
const pattern = /^[\x21-\x7e]{1,128}$/;

/** Makes sure that a write has an id, which then also travels with it to the leader. Throws `INVALID_ARGUMENT`. */
export function nameRequest(request: FastifyRequest, reply: FastifyReply, random: Random): void {
  const given = request.headers[headerKey];
  if (given !== undefined && (typeof given !== "string" || !pattern.test(given))) {
    const message = `Invalid header: "${requestIdHeader}" must be 1 to 128 printable characters without spaces`;
    throw new AtollError("INVALID_ARGUMENT", message);
  }
  const id = given ?? random.uuid();
  request.headers[headerKey] = id;
  reply.raw.setHeader(requestIdHeader, id);
  request.writeReply = reply;
}

/** Says in the answer at which index the write took effect; the last one counts. */
export function noteWriteIndex(request: FastifyRequest, index: number): void {
  request.writeReply?.raw.setHeader(writeIndexHeader, String(index));
}

/** Empty for a request that was not named. */
export function requestIdOf(request: FastifyRequest): string {
  const id = request.headers[headerKey];
  return typeof id === "string" ? id : "";
}

/** What was thrown; where it leaves the outcome of a write open, with the way to settle it. */
export function withWayOut(thrown: unknown, request: FastifyRequest): unknown {
  const id = requestIdOf(request);
  if (!(thrown instanceof AtollError) || thrown.retryable !== "unknown" || id === "") return thrown;
  const message = `${thrown.message}; send it again with the header "${requestIdHeader}: ${id}": together they take effect once`;
  const { code, status, leader } = thrown;
  return new AtollError(code, message, { status, leader, cause: thrown });
}
