import { Type } from "typebox";
import type { Static } from "typebox";
import { FieldMatchSchema, matchIssues } from "./proxy-match.ts";
import type { SchemaIssue } from "./schema-issues.ts";

/**
 * Faults that are injected on purpose: Envoy's fault filter and Istio's `HTTPFaultInjection`. Shares have no default, since those two
 * take none of the requests when nothing is said, and who writes a fault expects all of them.
 */
const closed = { additionalProperties: false } as const;
const Percent = (description: string) => Type.Number({ minimum: 0, maximum: 100, description });
const Milliseconds = (minimum: number, description: string) =>
  Type.Integer({ minimum, maximum: 3_600_000, description });
/** Thirty days. */
const longestMs = 2_592_000_000;

const faultFields = {
  delay: Type.Optional(
    Type.Object(
      {
        fixedDelayMs: Milliseconds(1, "how long; late by up to 8 ms or a 32nd of it"),
        percent: Percent("of the requests"),
      },
      { ...closed, description: "requests are held up before they are sent; their `timeoutMs` goes on meanwhile" },
    ),
  ),
  abort: Type.Optional(
    Type.Object(
      {
        httpStatus: Type.Optional(
          Type.Integer({ minimum: 200, maximum: 599, description: "the answer; as a status of gRPC to gRPC calls" }),
        ),
        grpcStatus: Type.Optional(
          Type.Integer({ minimum: 1, maximum: 16, description: "the answer; as a status of HTTP to other requests" }),
        ),
        percent: Percent("of the requests"),
      },
      { ...closed, description: "requests are answered here, after the delay if they have one, and not tried again" },
    ),
  ),
  bandwidth: Type.Optional(
    Type.Object(
      {
        limitKbps: Type.Integer({ minimum: 1, maximum: 10_000_000, description: "KiB per second" }),
        percent: Percent("of the responses"),
      },
      { ...closed, description: "bodies of responses come no faster than this" },
    ),
  ),
  headers: Type.Array(FieldMatchSchema, {
    maxItems: 64,
    default: [],
    description: "only requests of which all these hold, as they came; all requests when empty",
  }),
  headerControl: Type.Optional(
    Type.Object(
      {
        maxDelayMs: Type.Integer({
          minimum: 0,
          maximum: 3_600_000,
          default: 0,
          description: "x-envoy-fault-delay-request in milliseconds, up to this; 0: it says nothing",
        }),
        allowsAbort: Type.Boolean({
          default: false,
          description: "whether x-envoy-fault-abort-request and x-envoy-fault-abort-grpc-request say a status",
        }),
        minLimitKbps: Type.Integer({
          minimum: 0,
          maximum: 10_000_000,
          default: 0,
          description: "x-envoy-fault-throughput-response in KiB per second, from this on; 0: it says nothing",
        }),
        maxPercent: Type.Number({
          minimum: 0,
          maximum: 100,
          default: 100,
          description: "the share of each, and the most that its field with -percentage behind the name may say",
        }),
      },
      { ...closed, description: "requests may ask for faults themselves, in Envoy's fields; else they may not" },
    ),
  ),
  maxActive: Type.Integer({
    minimum: 1,
    maximum: 1_000_000_000,
    default: 1_000_000_000,
    description: "requests that are held up or whose response is slowed down at a time; others go without a fault",
  }),
  expiresAt: Type.Optional(
    Type.String({ maxLength: 64, description: "after this moment (RFC 3339) nothing is injected any more" }),
  ),
  ttlMs: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: longestMs,
      description:
        "so long after this fault first came into force nothing is injected any more; another process or a changed fault begins anew",
    }),
  ),
};
const description = "faults injected into requests that are sent on, to see what they do to callers";
export const FaultSchema = Type.Object(faultFields, { ...closed, description });
export const RouteFaultSchema = Type.Object(faultFields, {
  ...closed,
  description: `${description}; in the place of the outbound's \`fault\`, and none when it is empty`,
});

export type FaultConfig = Static<typeof FaultSchema>;

const isMoment = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/;

/** Of a fault at `path` in its document: what a schema cannot say. */
export function faultIssues(path: string, fault: FaultConfig | undefined): SchemaIssue[] {
  if (fault === undefined) return [];
  const { abort, headers, expiresAt } = fault;
  const issues = headers.flatMap((match, i) => matchIssues(`${path}.headers[${i}]`, match));
  if (abort !== undefined && (abort.httpStatus === undefined) === (abort.grpcStatus === undefined)) {
    issues.push({ path: `${path}.abort`, message: "must have either httpStatus or grpcStatus" });
  }
  if (expiresAt !== undefined && (!isMoment.test(expiresAt) || Number.isNaN(Date.parse(expiresAt)))) {
    const message = `must be a moment of RFC 3339 such as 2026-01-31T12:00:00Z, found "${expiresAt}"`;
    issues.push({ path: `${path}.expiresAt`, message });
  }
  return issues;
}
