import type { RequestHead } from "../message/request-head.ts";
import type { ForwardPolicy } from "../exchange/policy.ts";
import type { Outcome, ShownChoice, ShownReply, ShownTimeouts } from "./explanation.ts";

/** What the choices come to. */
export function outcomeOf(choices: readonly ShownChoice[]): Outcome {
  if (choices.some(({ reply }) => reply === undefined)) return "forwarded";
  return choices.every(({ reply }) => reply !== undefined && isAnswer(reply)) ? "answered" : "refused";
}

/** A redirection, whoever says it, or what a route replies; all else has a reason. */
function isAnswer({ status, reason }: ShownReply): boolean {
  return reason === undefined || (status >= 300 && status < 400);
}

/** Of one request with its policy, in a listener with these settings. */
export function shownTimeouts(
  { grpc, grpcTimeoutMs }: Pick<RequestHead, "grpc" | "grpcTimeoutMs">,
  policy: ForwardPolicy | undefined,
  settings: { readonly streamIdleTimeoutMs: number; readonly connectTimeoutMs: number },
): ShownTimeouts {
  const idle = policy?.idleTimeoutMs ?? settings.streamIdleTimeoutMs;
  return {
    request: policy?.timeoutMs ?? 0,
    ...(grpc !== "" && grpcTimeoutMs > 0 && { grpc: grpcTimeoutMs }),
    idle: Number.isFinite(idle) ? idle : 0,
    connect: settings.connectTimeoutMs,
  };
}
