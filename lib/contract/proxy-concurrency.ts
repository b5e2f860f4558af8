import { Type } from "typebox";
import type { Static } from "typebox";
import Value from "typebox/value";
import type { Protocol } from "./config-entries.ts";
import type { SchemaIssue } from "./schema-issues.ts";

/**
 * A limit of the requests under way that follows the latency which is measured: Envoy's adaptive concurrency with its gradient
 * controller. Defaults are Envoy's; where Envoy has none, those of its documentation's example.
 */
const Milliseconds = (fallback: number, description: string) =>
  Type.Integer({ minimum: 1, maximum: 86_400_000, default: fallback, description });
const Percent = (fallback: number, maximum: number, description: string) =>
  Type.Number({ minimum: 0, maximum, default: fallback, description });
const Count = (fallback: number, description: string) =>
  Type.Integer({ minimum: 1, maximum: 1_000_000, default: fallback, description });

export const AdaptiveConcurrencySchema = Type.Object(
  {
    enabled: Type.Boolean({ default: false, description: "whether there is such a limit" }),
    minConcurrency: Count(3, "the lowest limit, and that while the least latency is measured; min_concurrency"),
    maxConcurrency: Count(1_000, "the highest limit; max_concurrency_limit"),
    updateIntervalMs: Milliseconds(100, "between changes of the limit; concurrency_update_interval"),
    percentile: Percent(50, 100, "of the latencies in between, which is compared; sample_aggregate_percentile"),
    minRttIntervalMs: Milliseconds(
      60_000,
      "between measurements of the least latency, that of an application with little to do; min_rtt_calc_params.interval",
    ),
    minRttRequests: Count(50, "in one measurement; request_count"),
    minRttTimeoutMs: Milliseconds(10_000, "a measurement ends after so long, with the requests that it has by then"),
    minRttJitterPercent: Percent(15, 100, "more until the next measurement by chance, so that not all measure; jitter"),
    minRttBufferPercent: Percent(25, 1_000, "that latency may be above the least one without being less; buffer"),
    fixedMinRttMs: Type.Number({
      minimum: 0,
      maximum: 86_400_000,
      default: 0,
      description: "the least latency, where it is known: then it is never measured; 0 is not; fixed_value",
    }),
  },
  {
    additionalProperties: false,
    default: {},
    description:
      "a limit of the requests under way that falls while latency rises; others get 503 at once; upgraded connections do not count",
  },
);

export type AdaptiveConcurrency = Static<typeof AdaptiveConcurrencySchema>;

/** Of a document that says nothing about it: it is off. */
export const defaultAdaptiveConcurrency: AdaptiveConcurrency = Value.Parse(
  AdaptiveConcurrencySchema,
  Value.Default(AdaptiveConcurrencySchema, {}),
);

/** Of such a limit at `path` in the document: what a schema cannot say. */
export function adaptiveConcurrencyIssues(
  path: string,
  { enabled, minConcurrency, maxConcurrency }: AdaptiveConcurrency,
  protocol: Protocol,
): SchemaIssue[] {
  const issues: SchemaIssue[] = [];
  if (enabled && protocol === "tcp") {
    issues.push({
      path: `${path}.enabled`,
      message: "needs protocol http, http2 or grpc: there are no requests in tcp",
    });
  }
  if (minConcurrency > maxConcurrency) {
    const message = `must be at least minConcurrency, which is ${minConcurrency}, found ${maxConcurrency}`;
    issues.push({ path: `${path}.maxConcurrency`, message });
  }
  return issues;
}
