import { GrpcStatus } from "../message/grpc.ts";
import type { RequestHead } from "../message/request-head.ts";
import { canonicalRequest } from "../message/request-rules.ts";
import type { ExchangeContext } from "./exchange-context.ts";
import { type Refusal, refusal, ruleReply } from "./local-reply.ts";

/** The canonical head of a request that may go on to the policy, or the answer to one that nobody is asked about. */
export function admit(head: RequestHead, { memory, rules }: ExchangeContext): RequestHead | Refusal {
  if (memory.isOverloaded) return overloaded;
  // A tunnel to wherever the client says: a proxy of a mesh opens none (RFC 9110 section 9.3.6).
  if (head.isConnect && head.protocol === "") return noTunnels;
  const canonical = canonicalRequest(head, rules());
  return "block" in canonical ? canonical : ruleReply(canonical);
}

const { deadlineExceeded: grpcStatus } = GrpcStatus;
export const deadlineExceeded = { ...refusal(504, "deadline exceeded", "grpc_deadline"), grpcStatus };
export const timedOut = { ...refusal(504, "upstream request timeout", "request_timeout"), grpcStatus };
const overloaded = refusal(503, "overload", "overload");
const noTunnels = refusal(501, "unsupported method", "unsupported_method");
export const upstreamLost = refusal(503, "upstream connection was lost before the response", "upstream_lost");
export const badGateway = refusal(502, "upstream response could not be read", "malformed_response");
export const gatewayTimeout = refusal(504, "upstream response took too long", "stream_idle_timeout");
export const requestTimeout = refusal(408, "request took too long", "stream_idle_timeout");
export const undecided = refusal(403, "authorization takes too long", "denied");
