import { refusal } from "../exchange/local-reply.ts";
import type { LocalReply } from "../exchange/policy.ts";
import { GrpcStatus } from "../message/grpc.ts";
import { wholeSeconds } from "./limit-fields.ts";

/** Answers that are kept: those that ask to wait so many seconds. */
const maxKeptSeconds = 60;
type GrpcAnswer = "unavailable" | "resource-exhausted";
const kept: Record<GrpcAnswer, LocalReply[]> = { unavailable: [], "resource-exhausted": [] };

/**
 * The answer to a request that a limit does not let through, in Envoy's words, with the whole seconds after which there is a token
 * again. The same object for the same seconds: who is limited may ask as often as it likes.
 */
export function limitReply(waitMs: number, grpc: GrpcAnswer, fields: readonly string[]): LocalReply {
  const seconds = Math.max(1, wholeSeconds(waitMs));
  if (fields.length > 0 || seconds > maxKeptSeconds) return makeReply(seconds, grpc, fields);
  const known = kept[grpc][seconds];
  if (known !== undefined) return known;
  const reply = makeReply(seconds, grpc, fields);
  kept[grpc][seconds] = reply;
  return reply;
}

function makeReply(seconds: number, grpc: GrpcAnswer, fields: readonly string[]): LocalReply {
  return {
    ...refusal(429, "local_rate_limited", "rate_limited"),
    fields: ["x-envoy-ratelimited", "true", "retry-after", `${seconds}`, ...fields],
    grpcStatus: grpc === "unavailable" ? GrpcStatus.unavailable : GrpcStatus.resourceExhausted,
  };
}
