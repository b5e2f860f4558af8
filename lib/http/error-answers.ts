import type { FastifyError, FastifyReply, FastifyRequest } from "fastify";
import { errorMessage } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { AtollError } from "../contract/error-codes.ts";
import { sendText } from "./answers.ts";

/**
 * What became of a request that failed: the message as text, never JSON, since that is what Consul's clients show. An
 * operating error brings its own status; anything else is our defect and is logged with its stack. A broken invariant
 * met while answering one request is such a defect and does not end the process: routes change no state themselves, and
 * whoever finds a request that breaks one must not be able to stop a server with it.
 */
export function answerError(failure: {
  readonly error: unknown;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly logger: Logger;
}): FastifyReply {
  const { error, request, reply, logger } = failure;
  if (error instanceof AtollError) {
    if (error.status >= 500) logger.warn("request failed", requestFields(request, error));
    setErrorHeaders(reply, error);
    return sendText(reply, error.status, error.message);
  }
  const refusal = refusalOf(error, request);
  if (refusal !== undefined) return sendText(reply, refusal.status, refusal.message);
  const stack = error instanceof Error ? error.stack : undefined;
  logger.error("request broke", { ...requestFields(request, error), stack });
  return sendText(reply, 500, `Internal error: ${errorMessage(error)}`);
}

declare module "fastify" {
  interface FastifyContextConfig {
    /** The key of the configuration that says how large a body may be; it is told to who sent a larger one. */
    bodyLimitKey?: string;
  }
}

/** The body is a sentence for people, as Consul's; programs tell "not applied" from "may be applied" by the code. */
export const errorCodeHeader = "X-Atoll-Error";
/** Where the leader listens for RPC, when the one who refused knows. */
export const leaderHeader = "X-Atoll-Leader";

function setErrorHeaders(reply: FastifyReply, error: AtollError): void {
  reply.raw.setHeader(errorCodeHeader, error.code);
  if (error.leader !== "") reply.raw.setHeader(leaderHeader, error.leader);
}

/** A URL that the router cannot read: wrong percent escapes, or a path parameter over the limit. */
export function answerRoutingError(error: FastifyError, _request: FastifyRequest, reply: FastifyReply): void {
  sendText(reply, error.statusCode ?? 400, `Invalid URL path: ${error.message}`);
}

/** fastify's own refusals of a request (4xx), in Consul's words where it has some. */
function refusalOf(error: unknown, request: FastifyRequest): { status: number; message: string } | undefined {
  if (!(error instanceof Error) || !("statusCode" in error) || !("code" in error)) return undefined;
  const status = error.statusCode;
  if (typeof status !== "number" || status < 400 || status > 499) return undefined;
  if (error.code !== "FST_ERR_CTP_BODY_TOO_LARGE") return { status, message: error.message };
  const length = request.headers["content-length"];
  const size = length === undefined ? "" : `(${length} bytes)`;
  const { bodyLimit, config } = request.routeOptions;
  const see = config.bodyLimitKey === undefined ? "" : ` See ${config.bodyLimitKey}.`;
  return { status, message: `Request body${size} too large, max size: ${bodyLimit} bytes.${see}` };
}

function requestFields(request: FastifyRequest, error: unknown): Record<string, string> {
  return { method: request.method, route: request.routeOptions.url ?? "unmatched", error: errorMessage(error) };
}
