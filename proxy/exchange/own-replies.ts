import { GrpcStatus } from "../message/grpc.ts";
import type { RequestHead } from "../message/request-head.ts";
import { canonicalRequest } from "../message/request-rules.ts";
import type { RequestRefusal } from "../telemetry/http-counters.ts";
import { ruleReply, textReply } from "./local-reply.ts";
import type { ExchangeContext } from "./exchange-context.ts";
import type { LocalReply } from "./policy.ts";

/** An answer to a request that nobody is asked about, and as what it is counted. */
interface Refusal {
  readonly reason: RequestRefusal;
  readonly reply: LocalReply;
}

/** The canonical head of a request that may go on to the policy. */
export function admit(head: RequestHead, { memory, rules }: ExchangeContext): RequestHead | Refusal {
  if (memory.isOverloaded) return { reason: "overload", reply: overloaded };
  // A tunnel to wherever the client says: a proxy of a mesh opens none (RFC 9110 section 9.3.6).
  if (head.isConnect && head.protocol === "") return { reason: "unsupported_method", reply: noTunnels };
  const canonical = canonicalRequest(head, rules());
  return "block" in canonical ? canonical : ruleReply(canonical);
}

export const deadlineExceeded = { ...textReply(504, "deadline exceeded"), grpcStatus: GrpcStatus.deadlineExceeded };
const overloaded = textReply(503, "overload");
const noTunnels = textReply(501, "unsupported method");
export const upstreamLost = textReply(503, "upstream connection was lost before the response");
export const badGateway = textReply(502, "upstream response could not be read");
export const gatewayTimeout = textReply(504, "upstream response took too long");
export const requestTimeout = textReply(408, "request took too long");
export const timedOut = { ...textReply(504, "upstream request timeout"), grpcStatus: GrpcStatus.deadlineExceeded };
export const undecided = { ...textReply(403, "authorization takes too long"), reason: "denied" } as const;
