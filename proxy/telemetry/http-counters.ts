import { headProblems } from "../http1/head.ts";
import { requestRuleProblems } from "../message/request-rules.ts";
import { type ConnectionProblem, connectionProblems, streamProblems } from "../http2/error-codes.ts";
import { zeroes } from "./zeroes.ts";

/**
 * Counters of one HTTP listener in preallocated arrays: counting a request is a few additions and allocates nothing.
 * Histogram bounds are milliseconds to the first byte of the response.
 */
export const latencyBoundsMs = [
  1, 2, 3, 4, 5, 10, 20, 30, 40, 50, 100, 200, 300, 400, 500, 1000, 5000, 10000, 30000,
] as const;

/** Why the proxy itself answered a request: what was wrong with its bytes, or why it could not be carried on. */
export const requestRefusals = [
  ...headProblems,
  "malformed_body",
  ...streamProblems,
  ...requestRuleProblems,
  "path_redirect",
  "max_forwards",
  "head_timeout",
  "denied",
  "no_route",
  "bad_rewrite",
  "jwt_missing",
  "jwt_invalid",
  "jwks_unavailable",
  "ext_authz_denied",
  "ext_authz_error",
  "rate_limited",
  "no_healthy_upstream",
  "connect_failure",
  "overflow",
  "concurrency_limit",
  "overload",
  "upstream_lost",
  "malformed_response",
  "stream_idle_timeout",
  "grpc_deadline",
  "request_timeout",
  "fault_injected",
] as const;
export type RequestRefusal = (typeof requestRefusals)[number];

export class HttpCounters {
  requests = 0;
  retries = 0;
  /** Retries that the budget did not allow. */
  retriesOverBudget = 0;
  /** Let through though a rule that is tried out would have denied them. */
  dryRunDenials = 0;
  /** Responses by class: index 1 for 1xx ... 5 for 5xx. */
  readonly responses = new Float64Array(6);
  /** One more than the bounds: the last bucket is everything above. */
  readonly latencyBuckets = new Float64Array(latencyBoundsMs.length + 1);
  latencySumMs = 0;
  readonly refusals: Record<RequestRefusal, number> = zeroes(requestRefusals);
  /** Clients' HTTP/2 connections that were ended for what was sent on them. */
  readonly protocolErrors: Record<ConnectionProblem, number> = zeroes(connectionProblems);

  countResponse(status: number, latencyMs: number): void {
    const statusClass = (status / 100) | 0;
    this.responses[statusClass] = (this.responses[statusClass] ?? 0) + 1;
    this.latencySumMs += latencyMs;
    let bucket = 0;
    while (bucket < latencyBoundsMs.length && latencyMs > (latencyBoundsMs[bucket] ?? 0)) bucket++;
    this.latencyBuckets[bucket] = (this.latencyBuckets[bucket] ?? 0) + 1;
  }
}
