/**
 * Counters of one HTTP listener in preallocated arrays: counting a request is a few additions and allocates nothing.
 * Histogram bounds are milliseconds to the first byte of the response.
 */
export const latencyBoundsMs = [
  1, 2, 3, 4, 5, 10, 20, 30, 40, 50, 100, 200, 300, 400, 500, 1000, 5000, 10000, 30000,
] as const;

export const requestRefusals = [
  "bad_request",
  "denied",
  "no_healthy_upstream",
  "connect_failure",
  "overflow",
  "upstream_lost",
] as const;
export type RequestRefusal = (typeof requestRefusals)[number];

export class HttpCounters {
  requests = 0;
  retries = 0;
  /** Responses by class: index 1 for 1xx ... 5 for 5xx. */
  readonly responses = new Float64Array(6);
  /** One more than the bounds: the last bucket is everything above. */
  readonly latencyBuckets = new Float64Array(latencyBoundsMs.length + 1);
  latencySumMs = 0;
  readonly refusals: Record<RequestRefusal, number> = {
    bad_request: 0,
    denied: 0,
    no_healthy_upstream: 0,
    connect_failure: 0,
    overflow: 0,
    upstream_lost: 0,
  };

  countResponse(status: number, latencyMs: number): void {
    const statusClass = (status / 100) | 0;
    this.responses[statusClass] = (this.responses[statusClass] ?? 0) + 1;
    this.latencySumMs += latencyMs;
    let bucket = 0;
    while (bucket < latencyBoundsMs.length && latencyMs > (latencyBoundsMs[bucket] ?? 0)) bucket++;
    this.latencyBuckets[bucket] = (this.latencyBuckets[bucket] ?? 0) + 1;
  }
}
