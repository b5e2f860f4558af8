import { Type } from "typebox";
import type { Static } from "typebox";

/**
 * What is done about requests that fail or take too long. Conditions and their names are Envoy's, and so Consul's `RetryOn`;
 * the budget is Envoy's `retry_budget` and Linkerd's at once, since the first bounds slow failures and the second fast ones.
 */
const closed = { additionalProperties: false } as const;
const Milliseconds = (minimum: number, fallback: number, description: string) =>
  Type.Integer({ minimum, maximum: 86_400_000, default: fallback, description });
const Count = (fallback: number, maximum: number, description: string) =>
  Type.Integer({ minimum: 0, maximum, default: fallback, description });

export const retryConditions = [
  "5xx",
  "gateway-error",
  "connect-failure",
  "refused-stream",
  "reset",
  "retriable-4xx",
  "retriable-status-codes",
  "cancelled",
  "deadline-exceeded",
  "internal",
  "resource-exhausted",
  "unavailable",
] as const;
export type RetryCondition = (typeof retryConditions)[number];

const retryDescription = "requests that fail are tried again, while their body is still here (64 KB)";
const retryFields = {
  attempts: Count(0, 100, "retries of a request at most, beyond its first try; 0 is none"),
  on: Type.Array(Type.Enum([...retryConditions]), {
    maxItems: retryConditions.length,
    default: ["gateway-error", "connect-failure", "refused-stream", "reset", "unavailable"],
    description:
      "what is tried again, by Envoy's names: 5xx (with reset, connect-failure and refused-stream), gateway-error is 502 to 504, retriable-4xx is 409; the last five are statuses of gRPC in a response without messages",
  }),
  statusCodes: Type.Array(Type.Integer({ minimum: 200, maximum: 599 }), {
    maxItems: 100,
    default: [],
    description: "of the condition retriable-status-codes",
  }),
  methods: Type.Array(Type.String({ pattern: "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$", maxLength: 64 }), {
    maxItems: 64,
    default: ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"],
    description:
      "those that may be tried again after the server may have acted; what certainly was not acted on, and statuses of gRPC that `on` names, are tried again with any",
  }),
  perTryTimeoutMs: Milliseconds(0, 0, "for each try, its connection included, until the response's head; 0 is none"),
  backoff: Type.Object(
    {
      baseMs: Milliseconds(1, 25, "the longest pause before the first retry, twice that before each further one"),
      maxMs: Milliseconds(1, 250, "the longest before any; pauses are from 0 to that by chance"),
      maxRetryAfterMs: Milliseconds(
        0,
        1_000,
        "Retry-After of a response is kept up to this; who asks for more is not tried again",
      ),
    },
    { ...closed, default: {}, description: "pauses before retries" },
  ),
  budget: Type.Object(
    {
      percent: Type.Number({
        minimum: 0,
        maximum: 100,
        default: 20,
        description: "retries at most, of the cluster's requests: of those under way and of those of the last 10 s",
      }),
      minConcurrent: Count(3, 1_000_000, "retries under way that are allowed whatever the share; Envoy's"),
      minPerSecond: Count(10, 1_000_000, "retries per second, over 10 s, allowed whatever the share; Linkerd's"),
    },
    { ...closed, default: {}, description: "retries of all requests to one cluster; both bounds hold" },
  ),
};

/** Of a whole listener. */
export const RetrySchema = Type.Object(retryFields, { ...closed, default: {}, description: retryDescription });
/** Of a route, in the place of its listener's. */
export const RouteRetrySchema = Type.Object(retryFields, {
  ...closed,
  description: `${retryDescription}; as the outbound's \`retry\` when absent`,
});

const timeoutDescription = "for a request, from its head's arrival to the end of its response; 0 is none";
export const RequestTimeout = Milliseconds(0, 0, timeoutDescription);
export const RouteTimeout = Type.Integer({
  minimum: 0,
  maximum: 86_400_000,
  description: `${timeoutDescription}; as the outbound's \`timeoutMs\` when absent`,
});
/** Envoy's idle_timeout of a route, Consul's IdleTimeout. */
export const RouteIdleTimeout = Type.Integer({
  minimum: 0,
  maximum: 86_400_000,
  description:
    "a request in which nothing moves for so long is ended; 0 is never; as the outbound's `streamIdleTimeoutMs` when absent; the listener of the destination's proxy has its own",
});

export type RetryConfig = Static<typeof RetrySchema>;
export type RetryBudgetConfig = RetryConfig["budget"];
