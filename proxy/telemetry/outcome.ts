import type { Observation } from "../exchange/observation.ts";
import type { ResponseHead } from "../message/response-head.ts";
import { responseFlags, undelayedFlags } from "./response-flags.ts";

/** What a finished request came to, as logs, metrics, spans and taps say it alike. */

/** 0 to 16; -1 for what is no gRPC call, or has no status. */
export function grpcStatus({ head, response, trailers }: Observation): number {
  if (head === undefined || head.grpc === "") return -1;
  const text = trailers?.get("grpc-status") ?? response?.block.get("grpc-status");
  if (text === undefined || text.length === 0 || text.length > 2) return -1;
  const status = Number(text);
  return Number.isInteger(status) && status >= 0 && status <= 16 ? status : -1;
}

/** A failure of whoever answers, not of the client: what Linkerd calls `classification="failure"`, responses that were cut off included. */
export function isFailure(observation: Observation): boolean {
  const { status, isClientGone } = observation;
  if (status >= 500 || (status === 0 && !isClientGone)) return true;
  return serverFaults.has(grpcStatus(observation)) || cutFlags.has(undelayedFlags(observation));
}

/** The same of a response whose head is all that is known of it. */
export function isFailedResponse({ status, block }: ResponseHead): boolean {
  if (status >= 500) return true;
  const grpc = block.get("grpc-status");
  return grpc !== undefined && serverFaults.has(Number(grpc));
}

/** Of gRPC: unknown, deadline exceeded, internal, unavailable and data loss, as in Linkerd. */
const serverFaults: ReadonlySet<number> = new Set([2, 4, 13, 14, 15]);
const cutFlags: ReadonlySet<string> = new Set(["UC", "UC,URX", "UPE", "SI", "UT"]);

/** Anything that an operator may want to see, the client's faults included. */
export function isError(observation: Observation): boolean {
  const { status, version, refusal } = observation;
  if (version === "") return refusal !== "";
  return status >= 400 || status === 0 || grpcStatus(observation) > 0 || responseFlags(observation) !== "";
}

/** Envoy's `%RESPONSE_CODE_DETAILS%`, with our own reasons. */
export function responseDetails({ refusal, isClientGone, attempts, response }: Observation): string {
  if (isClientGone) return "downstream_remote_disconnect";
  if (refusal !== "") return refusal;
  if (response === undefined) return "";
  return attempts > 0 ? "via_upstream" : "direct_response";
}
