import { Type } from "typebox";
import type { Static } from "typebox";
import { FieldEdits, Fields } from "./proxy-field-edits.ts";
import { RouteFaultSchema } from "./proxy-fault.ts";
import { RouteHedgeSchema } from "./proxy-hedge.ts";
import { RouteMirrorsSchema } from "./proxy-mirror.ts";
import { completeRate, RouteRateLimitSchema } from "./proxy-rate-limit.ts";
import { RouteIdleTimeout, RouteRetrySchema, RouteTimeout } from "./proxy-resilience.ts";
import { FieldMatchSchema, MethodsSchema, PathMatchSchema, QueryMatchSchema } from "./proxy-match.ts";

/**
 * What becomes of a listener's requests. The first route in the order of the document whose match holds decides, as in Consul's
 * `service-router`; who writes the document sorts, where a specification wants the most specific rule first.
 */
const closed = { additionalProperties: false } as const;
export const maxRoutes = 10_000;
const maxTargets = 100;
/** Envoy's names: what becomes of a request for a subset that no endpoint belongs to. */
export const subsetFallbacks = ["no-fallback", "any-endpoint"] as const;
export type SubsetFallback = (typeof subsetFallbacks)[number];
/** Consul's splits have steps of a hundredth. */
export const weightSteps = 100;
const Host = (description: string) => Type.String({ minLength: 1, maxLength: 262, description });
const Path = (description: string) => Type.String({ maxLength: 4_096, description });
const Token = (description: string) => Type.String({ pattern: "^[A-Za-z0-9_.-]+$", maxLength: 1_024, description });

const Match = Type.Object(
  {
    hosts: Type.Array(Host("a host"), {
      maxItems: 1_000,
      default: [],
      description:
        "any of these hosts, or all when empty: a name or address, *.name for one or more labels in front, *; in any case, and a port counts where one is named",
    }),
    path: Type.Optional(PathMatchSchema),
    headers: Type.Array(FieldMatchSchema, {
      maxItems: 64,
      default: [],
      description: "all of these hold of its fields",
    }),
    query: Type.Array(QueryMatchSchema, { maxItems: 64, default: [], description: "all of these hold of its query" }),
    methods: MethodsSchema,
    grpc: Type.Optional(
      Type.Object(
        {
          service: Type.Optional(Token("of this service, with its package; any when absent")),
          method: Type.Optional(Token("of this method; any when absent")),
        },
        { ...closed, description: "a call of gRPC or gRPC-Web; in the place of `path`" },
      ),
    ),
  },
  { ...closed, default: {}, description: "requests that the route is for: all that is said here holds of them" },
);

const Target = Type.Object(
  {
    cluster: Type.Optional(
      Type.String({ minLength: 1, maxLength: 255, description: "a cluster of this outbound; its own when absent" }),
    ),
    weight: Type.Number({
      minimum: 0,
      maximum: 1_000_000,
      default: 1,
      description: "its share of the sum of all, in steps of 0.01",
    }),
    subset: Type.Optional(
      Type.Record(Type.String({ maxLength: 256 }), Type.String({ maxLength: 1_024 }), {
        description: "only endpoints of the cluster that have all of these tags; all endpoints when absent or empty",
      }),
    ),
    subsetFallback: Type.Enum([...subsetFallbacks], {
      default: "no-fallback",
      description: "when no endpoint has them: a 503, or any endpoint of the cluster; Envoy's",
    }),
    requestHeaders: FieldEdits("changes to the request, after those of the route"),
    responseHeaders: FieldEdits("changes to the response, after those of the route"),
  },
  closed,
);

const Redirect = Type.Object(
  {
    scheme: Type.Optional(Type.Enum(["http", "https"], { description: "the scheme; the request's when absent" })),
    host: Type.Optional(Host("the host; the request's when absent")),
    port: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 65_535,
        description: "the port; when absent the request's, and none where scheme or host is another one",
      }),
    ),
    path: Type.Optional(Path("the whole path; the request's when absent")),
    prefixRewrite: Type.Optional(Path("in the place of what match.path matched, as in `rewrite.prefix`")),
    status: Type.Enum([301, 302, 303, 307, 308], { default: 302, description: "the status" }),
    stripQuery: Type.Boolean({ default: false, description: "whether the query is left out" }),
  },
  { ...closed, description: "sends the client to another URI" },
);

const Reply = Type.Object(
  {
    status: Type.Integer({ minimum: 200, maximum: 599, description: "the status" }),
    body: Type.String({ maxLength: 65_536, default: "", description: "the body" }),
    contentType: Type.String({
      pattern: "^[!-~](?:[ -~]*[!-~])?$",
      maxLength: 256,
      default: "text/plain; charset=utf-8",
      description: "Content-Type of the body",
    }),
    headers: Fields("more fields"),
  },
  { ...closed, description: "answers without asking any destination" },
);

const Rewrite = Type.Object(
  {
    prefix: Type.Optional(
      Path(
        "in the place of what match.path matched: whole segments of a path-prefix, the text of a prefix (/ where there is no match.path), the whole path of exact and regex",
      ),
    ),
    path: Type.Optional(Path("in the place of the whole path")),
    regex: Type.Optional(
      Type.Object(
        {
          pattern: Type.String({
            description: "an RE2 expression; each of its matches in the path is replaced, 32 at most",
          }),
          substitution: Type.String({
            maxLength: 256,
            description: "by this: $1 is a group, $& the match, $$ a dollar sign",
          }),
        },
        { ...closed, description: "in the place of parts of the path" },
      ),
    ),
    host: Type.Optional(Host("the authority: a host, with or without a port")),
  },
  {
    ...closed,
    description:
      "changes the URI of the request; the query stays, and the new path is normalised as every request's is",
  },
);

export const RouteSchema = Type.Object(
  {
    name: Type.String({
      maxLength: 256,
      default: "",
      description: "for people, metrics and logs; routes[i] when empty",
    }),
    match: Match,
    forward: Type.Optional(
      Type.Object(
        {
          targets: Type.Array(Target, {
            minItems: 1,
            maxItems: maxTargets,
            description: "one of these, by chance in proportion to their weights",
          }),
          timeoutMs: Type.Optional(RouteTimeout),
          idleTimeoutMs: Type.Optional(RouteIdleTimeout),
          retry: Type.Optional(RouteRetrySchema),
          hedge: Type.Optional(RouteHedgeSchema),
          fault: Type.Optional(RouteFaultSchema),
          mirrors: Type.Optional(RouteMirrorsSchema),
        },
        { ...closed, description: "sends requests on; to the outbound's own cluster when there is no other action" },
      ),
    ),
    redirect: Type.Optional(Redirect),
    reply: Type.Optional(Reply),
    rewrite: Type.Optional(Rewrite),
    rateLimit: Type.Optional(RouteRateLimitSchema),
    requestHeaders: FieldEdits("changes to the request"),
    responseHeaders: FieldEdits(
      "changes to the response: the destination's, or the redirect or reply of this route; not to errors of the proxy",
    ),
  },
  closed,
);

export const RoutesSchema = Type.Array(RouteSchema, {
  maxItems: maxRoutes,
  default: [],
  description: "what becomes of requests: the first in this order whose match holds decides",
});
export const UnmatchedSchema = Type.Enum(["forward", "reply-404"], {
  default: "forward",
  description: "of requests that no route matches: to the outbound's own cluster (Consul's default route), or a 404",
});

export type Route = Static<typeof RouteSchema>;
export type RouteMatch = Route["match"];
export type RedirectConfig = NonNullable<Route["redirect"]>;
export type RewriteConfig = NonNullable<Route["rewrite"]>;
export type TargetConfig = NonNullable<Route["forward"]>["targets"][number];

/** Writes out what follows from the document: names, bursts, the action of a route that says none, the cluster of a target. */
export function completeRoutes(routes: readonly Route[], ownCluster: string): Route[] {
  return routes.map((each, i) => {
    const route = each.rateLimit === undefined ? each : { ...each, rateLimit: completeRate(each.rateLimit) };
    const name = route.name === "" ? `routes[${i}]` : route.name;
    if (route.redirect !== undefined || route.reply !== undefined) return { ...route, name };
    const empty = { set: [], add: [], remove: [] };
    const targets = route.forward?.targets ?? [
      { weight: 1, subsetFallback: "no-fallback" as const, requestHeaders: empty, responseHeaders: empty },
    ];
    return {
      ...route,
      name,
      forward: { ...route.forward, targets: targets.map((target) => ({ cluster: ownCluster, ...target })) },
    };
  });
}
