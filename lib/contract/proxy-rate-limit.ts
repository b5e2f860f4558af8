import { Type } from "typebox";
import type { Static } from "typebox";
import Value from "typebox/value";
import type { Protocol } from "./config-entries.ts";
import { FieldMatchSchema, matchIssues, MethodsSchema, PathMatchSchema } from "./proxy-match.ts";
import type { SchemaIssue } from "./schema-issues.ts";
import { compileSpiffePattern } from "./spiffe.ts";

/**
 * How many requests and connections a listener takes: Consul's `RateLimits` of service-defaults, Linkerd's HTTPLocalRateLimitPolicy
 * and Envoy's local rate limit in one. Of every limit this proxy keeps a token bucket of its own; 0 is no limit.
 */
const closed = { additionalProperties: false } as const;
const largestRate = 1_000_000;
/** A million at most: then a bucket's arithmetic is exact enough for any rate. */
const Burst = Type.Integer({
  minimum: 0,
  maximum: largestRate,
  default: 0,
  description: "so many at once; 0 is what comes in a second, and 1 at least; Consul's RequestsMaxBurst",
});
const PerSecond = (description: string) => Type.Number({ minimum: 0, maximum: largestRate, default: 0, description });
/** Of something that was named to be limited: it has to be said. */
const OwnRate = Type.Number({
  minimum: 0,
  maximum: largestRate,
  description: "requests per second, may be a fraction; 0 is no limit",
});

const listenerFields = {
  requestsPerSecond: PerSecond("of the whole listener, may be a fraction; 0 is no limit; Consul's RequestsPerSecond"),
  burst: Burst,
  countsAll: Type.Boolean({
    default: false,
    description:
      "whether what a rule or a route limits counts here as well; else their limits stand in the place of this one, as in Consul and Envoy",
  }),
  connections: Type.Object(
    {
      perSecond: PerSecond("connections, whatever the protocol, may be a fraction; what is more is closed"),
      burst: Burst,
    },
    { ...closed, default: {}, description: "connections that the listener accepts" },
  ),
  enforce: Type.Boolean({
    default: true,
    description: "false only counts what would have been refused; Envoy's filter_enforced",
  }),
  grpcStatus: Type.Enum(["unavailable", "resource-exhausted"], {
    default: "unavailable",
    description: "what a gRPC call gets in the place of 429; Envoy's rate_limited_as_resource_exhausted",
  }),
  fields: Type.Enum(["off", "x-ratelimit", "ratelimit"], {
    default: "off",
    description:
      "what responses say of the limit that is nearest: X-RateLimit-Limit, -Remaining and -Reset, Envoy's DRAFT_VERSION_03; or RateLimit and RateLimit-Policy of the later drafts",
  }),
};
const limitsDescription =
  "requests and connections that are let through; the others get 429 or are closed; with `workers` each process has its part";

const Rule = Type.Object(
  {
    path: Type.Optional(PathMatchSchema),
    headers: Type.Array(FieldMatchSchema, { maxItems: 64, default: [], description: "all of them" }),
    methods: MethodsSchema,
    requestsPerSecond: OwnRate,
    burst: Burst,
  },
  closed,
);

const Override = Type.Object(
  {
    source: Type.String({ minLength: 1, description: "a SPIFFE id; * stands for one whole segment" }),
    requestsPerSecond: OwnRate,
    burst: Burst,
  },
  closed,
);

/** Of an outbound listener; its routes may have limits of their own. */
export const OutboundRateLimitSchema = Type.Object(listenerFields, {
  ...closed,
  default: {},
  description: limitsDescription,
});

export const InboundRateLimitSchema = Type.Object(
  {
    ...listenerFields,
    rules: Type.Array(Rule, {
      maxItems: 1_000,
      default: [],
      description:
        "limits of some requests: the first that a request meets counts it, and all that it may meet where the application could read the request in another way; Consul's Routes",
    }),
    perIdentity: Type.Object(
      {
        requestsPerSecond: PerSecond(
          "of each caller's SPIFFE id, may be a fraction; 0 is no limit; Linkerd's identity.requestsPerSecond",
        ),
        burst: Burst,
        maxIdentities: Type.Integer({
          minimum: 1,
          maximum: 100_000,
          default: 1_000,
          description: "identities with a bucket of their own; those that come when all are in use share one more",
        }),
        overrides: Type.Array(Override, {
          maxItems: 1_000,
          default: [],
          description:
            "other limits: the first whose source is the caller's SPIFFE id, and all its callers share it; Linkerd's overrides",
        }),
      },
      { ...closed, default: {}, description: "a limit for each caller, beside the others" },
    ),
  },
  { ...closed, default: {}, description: limitsDescription },
);

export const RouteRateLimitSchema = Type.Object(
  { requestsPerSecond: OwnRate, burst: Burst },
  { ...closed, description: "requests of this route that are let through; as the outbound's `rateLimit` when absent" },
);

export type OutboundRateLimit = Static<typeof OutboundRateLimitSchema>;
export type InboundRateLimit = Static<typeof InboundRateLimitSchema>;
export type RateLimitRule = InboundRateLimit["rules"][number];
export type RouteRateLimit = Static<typeof RouteRateLimitSchema>;

/** Of a document that says nothing about them: no limit at all. */
export const defaultOutboundRateLimit: OutboundRateLimit = Value.Parse(
  OutboundRateLimitSchema,
  Value.Default(OutboundRateLimitSchema, {}),
);
export const defaultInboundRateLimit: InboundRateLimit = Value.Parse(
  InboundRateLimitSchema,
  Value.Default(InboundRateLimitSchema, {}),
);

interface Rated {
  readonly requestsPerSecond: number;
  readonly burst: number;
}

/** Writes out every burst that was left to its rate. */
export function completeOutboundRateLimit(limit: OutboundRateLimit): OutboundRateLimit {
  const { perSecond, burst } = limit.connections;
  return { ...completeRate(limit), connections: { perSecond, burst: completeBurst(perSecond, burst) } };
}

/** As {@link completeOutboundRateLimit}. */
export function completeInboundRateLimit(limit: InboundRateLimit): InboundRateLimit {
  const { rules, perIdentity } = limit;
  return {
    ...limit,
    ...completeOutboundRateLimit(limit),
    rules: rules.map(completeRate),
    perIdentity: { ...completeRate(perIdentity), overrides: perIdentity.overrides.map(completeRate) },
  };
}

export function completeRate<T extends Rated>(limit: T): T {
  return { ...limit, burst: completeBurst(limit.requestsPerSecond, limit.burst) };
}

function completeBurst(perSecond: number, burst: number): number {
  return burst === 0 && perSecond > 0 ? Math.max(1, Math.ceil(perSecond)) : burst;
}

const needsHttp = "needs protocol http, http2 or grpc: there are no requests in tcp";

/** Of a listener's limits at `path` in the document: what a schema cannot say. */
export function outboundRateLimitIssues(path: string, limit: OutboundRateLimit, protocol: Protocol): SchemaIssue[] {
  const issues = burstIssues(path, limit.requestsPerSecond, limit.burst);
  if (protocol === "tcp" && limit.requestsPerSecond > 0) {
    issues.push({ path: `${path}.requestsPerSecond`, message: needsHttp });
  }
  const { perSecond, burst } = limit.connections;
  return [...issues, ...burstIssues(`${path}.connections`, perSecond, burst, "perSecond")];
}

/** As {@link outboundRateLimitIssues}. */
export function inboundRateLimitIssues(path: string, limit: InboundRateLimit, protocol: Protocol): SchemaIssue[] {
  const { rules, perIdentity } = limit;
  const issues = outboundRateLimitIssues(path, limit, protocol);
  if (protocol === "tcp" && rules.length > 0) issues.push({ path: `${path}.rules`, message: needsHttp });
  if (protocol === "tcp" && (perIdentity.requestsPerSecond > 0 || perIdentity.overrides.length > 0)) {
    issues.push({ path: `${path}.perIdentity`, message: needsHttp });
  }
  issues.push(...burstIssues(`${path}.perIdentity`, perIdentity.requestsPerSecond, perIdentity.burst));
  for (const [i, rule] of rules.entries()) {
    const at = `${path}.rules[${i}]`;
    issues.push(...burstIssues(at, rule.requestsPerSecond, rule.burst));
    if (rule.path !== undefined) issues.push(...matchIssues(`${at}.path`, rule.path));
    issues.push(...rule.headers.flatMap((header, j) => matchIssues(`${at}.headers[${j}]`, header)));
  }
  for (const [i, { source, requestsPerSecond, burst }] of perIdentity.overrides.entries()) {
    const at = `${path}.perIdentity.overrides[${i}]`;
    issues.push(...burstIssues(at, requestsPerSecond, burst));
    if (compileSpiffePattern(source) !== undefined) continue;
    const message = `must be a SPIFFE id in which * stands for one whole segment, found "${source}"`;
    issues.push({ path: `${at}.source`, message });
  }
  return issues;
}

interface LimitedRoute {
  readonly name: string;
  readonly rateLimit?: RouteRateLimit;
}

/** Of the routes at `path`: a limit goes by the name of its route, so no other may have it. */
export function routeRateLimitIssues(path: string, routes: readonly LimitedRoute[]): SchemaIssue[] {
  if (routes.every(({ rateLimit }) => rateLimit === undefined)) return [];
  const nameOf = ({ name }: LimitedRoute, i: number): string => (name === "" ? `routes[${i}]` : name);
  const uses = new Map<string, number>();
  for (const [i, route] of routes.entries()) uses.set(nameOf(route, i), (uses.get(nameOf(route, i)) ?? 0) + 1);
  return routes.flatMap((route, i) => {
    if (route.rateLimit === undefined) return [];
    const at = `${path}[${i}]`;
    const issues = burstIssues(`${at}.rateLimit`, route.rateLimit.requestsPerSecond, route.rateLimit.burst);
    const name = nameOf(route, i);
    if ((uses.get(name) ?? 0) === 1) return issues;
    return [...issues, { path: `${at}.name`, message: `must be no other route's beside a rateLimit, found "${name}"` }];
  });
}

function burstIssues(path: string, perSecond: number, burst: number, rate = "requestsPerSecond"): SchemaIssue[] {
  return perSecond === 0 && burst > 0 ? [{ path: `${path}.burst`, message: `has no effect while ${rate} is 0` }] : [];
}
