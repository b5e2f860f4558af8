import { Type } from "typebox";
import type { Static } from "typebox";
import type { SchemaIssue } from "./schema-issues.ts";

/**
 * Which endpoints are left out because they do not answer when they are asked how they are: Envoy's `health_checks`. Absent is off. The
 * times are Envoy Gateway's, since Envoy has no defaults for them.
 */
const closed = { additionalProperties: false } as const;
const Milliseconds = (fallback: number, description: string) =>
  Type.Integer({ minimum: 1, maximum: 86_400_000, default: fallback, description });
const Count = (fallback: number, maximum: number, description: string) =>
  Type.Integer({ minimum: 1, maximum, default: fallback, description });

export const HealthCheckSchema = Type.Object(
  {
    type: Type.Enum(["http", "grpc", "tcp"], {
      description:
        "a request, a call of grpc.health.v1.Health/Check, or a connection with its TLS handshake and no more",
    }),
    intervalMs: Milliseconds(3_000, "from the end of a check to the next one"),
    intervalJitterPercent: Type.Integer({
      minimum: 0,
      maximum: 100,
      default: 10,
      description: "by chance up to so much longer, so that checks do not come together",
    }),
    timeoutMs: Milliseconds(1_000, "for a check, its connection included"),
    unhealthyThreshold: Count(3, 1_000, "checks that fail in a row take an endpoint out"),
    healthyThreshold: Count(1, 1_000, "checks that pass in a row bring it back"),
    initialState: Type.Enum(["healthy", "unhealthy"], {
      default: "healthy",
      description:
        "before its first check, which brings an unhealthy one in by itself; healthy, since the catalog has checked it",
    }),
    path: Type.String({
      // As in a request: visible ASCII without a fragment.
      pattern: '^/[!"$-~]*$',
      maxLength: 4_096,
      default: "/",
      description: "of the request, where the type is http",
    }),
    host: Type.Optional(
      Type.String({
        pattern: "^[!$&'()*+.0-9:;=A-Z[\\]_a-z~%-]+$",
        maxLength: 262,
        description: "its Host or :authority; the service when absent",
      }),
    ),
    method: Type.Enum(["GET", "HEAD", "OPTIONS"], {
      default: "GET",
      description: "its method, where the type is http",
    }),
    expectedStatuses: Type.Array(
      Type.String({ pattern: "^[1-5][0-9]{2}(-[1-5][0-9]{2})?$", description: "as 200 or 200-299" }),
      { minItems: 1, maxItems: 100, default: ["200"], description: "statuses that pass, where the type is http" },
    ),
    grpcService: Type.String({
      maxLength: 512,
      default: "",
      description: "the service that is asked about, where the type is grpc; empty for the server as a whole",
    }),
    maxConcurrent: Count(32, 1_000, "checks of the cluster at a time; the others wait their turn"),
  },
  { ...closed, description: "endpoints are asked how they are; off when absent" },
);

export type HealthCheckConfig = Static<typeof HealthCheckSchema>;

/** What a schema cannot say of a health check that is found at `path` of the document. */
export function healthCheckIssues(check: HealthCheckConfig | undefined, path: string, protocol: string): SchemaIssue[] {
  if (check === undefined) return [];
  const { type, expectedStatuses } = check;
  return [
    ...(protocol === "tcp" && type !== "tcp"
      ? [{ path: `${path}.type`, message: `must be tcp where the protocol is tcp, found "${type}"` }]
      : []),
    ...expectedStatuses.flatMap((text, i) => {
      const { first, last } = statusRange(text);
      const message = `must be a status or a range that begins with the lower one, found "${text}"`;
      return first <= last ? [] : [{ path: `${path}.expectedStatuses[${i}]`, message }];
    }),
  ];
}

/** Of a text that the schema has let through. */
export function statusRange(text: string): { readonly first: number; readonly last: number } {
  const [first = text, last = first] = text.split("-");
  return { first: Number(first), last: Number(last) };
}
