import { Type } from "typebox";
import type { Static } from "typebox";
import { Compile } from "typebox/compile";
import Value from "typebox/value";
import { parseHostPort } from "./address.ts";
import { protocols } from "./config-entries.ts";
import { BalancerSchema, balancerIssues } from "./proxy-cluster.ts";
import { type AdaptiveConcurrency, adaptiveConcurrencyIssues, AdaptiveConcurrencySchema } from "./proxy-concurrency.ts";
import { endpointIssues, EndpointSchema, ServerName, ServiceName } from "./proxy-endpoint.ts";
import { HealthCheckSchema, healthCheckIssues } from "./proxy-health-check.ts";
import { extAuthzIssues, ExtAuthzSchema } from "./proxy-ext-authz.ts";
import { FaultSchema } from "./proxy-fault.ts";
import { HedgeSchema } from "./proxy-hedge.ts";
import { intentionIssues, IntentionsSchema } from "./proxy-intentions.ts";
import { jwtProviderIssues, JwtProvidersSchema } from "./proxy-jwt.ts";
import { ProxyLimitsSchema } from "./proxy-limits.ts";
import { MirrorsSchema } from "./proxy-mirror.ts";
import { OutlierDetectionSchema } from "./proxy-outlier.ts";
import {
  completeInboundRateLimit,
  completeOutboundRateLimit,
  inboundRateLimitIssues,
  InboundRateLimitSchema,
  outboundRateLimitIssues,
  OutboundRateLimitSchema,
  routeRateLimitIssues,
} from "./proxy-rate-limit.ts";
import { RequestTimeout, RetrySchema } from "./proxy-resilience.ts";
import { completeRoutes, RoutesSchema, UnmatchedSchema } from "./proxy-routes.ts";
import { routeIssues } from "./route-issues.ts";
import { treatmentIssues } from "./treatment-issues.ts";
import { ProxyTelemetrySchema, telemetryIssues } from "./proxy-telemetry.ts";
import { type SchemaIssue, schemaIssues } from "./schema-issues.ts";
import { compileSpiffePattern } from "./spiffe.ts";

/**
 * The one document that drives a proxy. The agent computes it and pushes it over the unix socket; `atoll proxy --config`
 * reads it from a file. Every effective value is in it: {@link parseProxyConfig} fills in the defaults.
 */
const closed = { additionalProperties: false } as const;
const Address = (description: string) => Type.String({ minLength: 1, maxLength: 300, description });
/** Upper bounds of the document: a day, connections of a listener, processes of a proxy. */
export const largestMilliseconds = 86_400_000;
export const largestConnections = 1_000_000;
export const largestWorkers = 256;
const Milliseconds = (fallback: number, description: string) =>
  Type.Integer({ minimum: 1, maximum: largestMilliseconds, default: fallback, description });
const MaxConnections = (description: string) =>
  Type.Integer({ minimum: 1, maximum: largestConnections, default: 65_536, description });
const File = (description: string) => Type.String({ minLength: 1, description });

/** What both kinds of listeners have. */
const listener = {
  listen: Address("where it listens: host:port, [address]:port for IPv6; port 0 is any free one"),
  protocol: Type.Enum([...protocols], {
    default: "tcp",
    description: "what the application speaks; http2 and grpc with prior knowledge",
  }),
  grpcWeb: Type.Boolean({ default: true, description: "whether gRPC-Web becomes gRPC, where the protocol is grpc" }),
  idleTimeoutMs: Milliseconds(3_600_000, "a connection without a byte in either direction for so long is closed"),
  streamIdleTimeoutMs: Milliseconds(
    300_000,
    "an HTTP exchange in which nothing moves for so long is ended, as by Envoy's stream_idle_timeout; tunnels are not",
  ),
  timeoutMs: RequestTimeout,
  fault: Type.Optional(FaultSchema),
  requestRules: Type.Object(
    {
      normalise: Type.Boolean({
        default: true,
        description:
          "dot segments and escapes of plain characters; RequestNormalization.InsecureDisablePathNormalization",
      }),
      mergeSlashes: Type.Boolean({ default: false, description: "// is /; RequestNormalization.MergeSlashes" }),
      escapedSlashes: Type.Enum(["keep", "reject", "unescape-and-redirect", "unescape-and-forward"], {
        default: "keep",
        description: "%2F and %5C; RequestNormalization.PathWithEscapedSlashesAction",
      }),
      backslashes: Type.Enum(["slash", "reject", "keep"], { default: "slash", description: "\\ in a path" }),
      parameters: Type.Enum(["keep", "reject", "drop"], {
        default: "keep",
        description: ";x at the end of a path's segment",
      }),
      underscores: Type.Enum(["allow", "reject", "drop"], {
        default: "allow",
        description: "in field names; RequestNormalization.HeadersWithUnderscoresAction",
      }),
    },
    {
      ...closed,
      default: {},
      description: "what happens to requests that can be read in more than one way; as Consul's mesh entry",
    },
  ),
};

const Inbound = Type.Object(
  {
    service: ServiceName("the local service"),
    ...listener,
    app: Address("where its application listens: host:port"),
    intentions: IntentionsSchema,
    jwtProviders: JwtProvidersSchema,
    extAuthz: Type.Optional(ExtAuthzSchema),
    rateLimit: InboundRateLimitSchema,
    adaptiveConcurrency: AdaptiveConcurrencySchema,
    clientCert: Type.Enum(["sanitize", "sanitize-set", "append-forward"], {
      default: "sanitize-set",
      description: "X-Forwarded-Client-Cert for the application; Consul's SanitizeXForwardedClientCert is sanitize",
    }),
    connectTimeoutMs: Milliseconds(5_000, "for a connection to the application"),
    upstreamIdleTimeoutMs: Milliseconds(
      55_000,
      "a connection to the application that carries nothing for so long is closed, before common servers do it",
    ),
    maxConnections: MaxConnections("of callers, and to the application"),
  },
  closed,
);

/** How a destination is reached: its instances, who they have to be, and what is spent on them. */
const destination = {
  endpoints: Type.Array(EndpointSchema, { maxItems: 10_000, default: [], description: "its instances" }),
  balancer: BalancerSchema,
  outlierDetection: Type.Optional(OutlierDetectionSchema),
  healthCheck: Type.Optional(HealthCheckSchema),
  maxRequests: Type.Integer({
    minimum: 0,
    maximum: 1_000_000_000,
    default: 0,
    description: "requests to it under way, more are answered 503; 0 is no limit; Consul's MaxConcurrentRequests",
  }),
  maxPendingRequests: Type.Integer({
    minimum: 0,
    maximum: 1_000_000_000,
    default: 1_024,
    description: "requests that wait for room where connections may not become more; Consul's MaxPendingRequests",
  }),
  adaptiveConcurrency: AdaptiveConcurrencySchema,
  peerIdentity: Type.Optional(
    Type.String({
      minLength: 1,
      description:
        "SPIFFE id or pattern of every endpoint; the service in any datacenter of our trust domain when absent",
    }),
  ),
  serverName: Type.Optional(
    ServerName("TLS server name sent and checked against the endpoints' DNS names; the service's name when absent"),
  ),
  connectTimeoutMs: Milliseconds(5_000, "for a connection to an endpoint, its TLS handshake included"),
  upstreamIdleTimeoutMs: Milliseconds(
    55_000,
    "a connection to an endpoint that carries nothing for so long is closed, before common servers do it",
  ),
};

const Cluster = Type.Object(
  {
    name: ServiceName("unique in its outbound; the outbound's service names the listener's own cluster"),
    service: Type.Optional(
      ServiceName("whose instances these are: identity, server name; the cluster's name when absent"),
    ),
    ...destination,
    maxConnections: MaxConnections("to one endpoint"),
  },
  closed,
);

const Outbound = Type.Object(
  {
    service: ServiceName("the destination, and the name of the listener's own cluster"),
    ...listener,
    ...destination,
    clusters: Type.Array(Cluster, {
      maxItems: 1_000,
      default: [],
      description: "destinations that routes name beside the listener's own",
    }),
    routes: RoutesSchema,
    rateLimit: OutboundRateLimitSchema,
    retry: RetrySchema,
    hedge: Type.Optional(HedgeSchema),
    mirrors: MirrorsSchema,
    unmatched: UnmatchedSchema,
    maxConnections: MaxConnections("of clients, and to one endpoint of the listener's own cluster"),
  },
  closed,
);

/** Goes up when a document of before would mean something else; new fields alone do not change it, since unknown ones are refused. */
export const proxySchemaVersion = 1;

export const ProxyConfigSchema = Type.Object(
  {
    schemaVersion: Type.Integer({
      minimum: proxySchemaVersion,
      maximum: proxySchemaVersion,
      default: proxySchemaVersion,
      description: "of what the document's fields mean; a proxy refuses those that it does not know",
    }),
    identity: Type.Object(
      {
        certFile: File("PEM: the leaf certificate, then its intermediates"),
        keyFile: File("PEM: its private key"),
        caFile: File("PEM: the roots that peers are verified with"),
      },
      { ...closed, description: "who the proxy is" },
    ),
    inbound: Type.Array(Inbound, { maxItems: 1_000, default: [], description: "local services, for the mesh" }),
    outbound: Type.Array(Outbound, { maxItems: 10_000, default: [], description: "the mesh, for local applications" }),
    admin: Type.Object(
      {
        listen: Address(
          "where /metrics, /ready, /config (with ?sources: who said what), /tap, /drain and /restart are",
        ),
      },
      { ...closed, description: "for people and scrapers on this host" },
    ),
    limits: ProxyLimitsSchema,
    telemetry: ProxyTelemetrySchema,
    drainTimeoutMs: Milliseconds(
      30_000,
      "for connections without a moment to end them: of listeners that left, and of all when the proxy ends",
    ),
    workers: Type.Union([Type.Integer({ minimum: 1, maximum: largestWorkers }), Type.Literal("auto")], {
      default: 1,
      description: "processes that share the listeners; auto is one per core; read when the proxy starts",
    }),
  },
  closed,
);

export type ProxyConfig = Static<typeof ProxyConfigSchema>;
export type InboundConfig = ProxyConfig["inbound"][number];
export type OutboundConfig = ProxyConfig["outbound"][number];
export type ClusterConfig = OutboundConfig["clusters"][number];

export type ProxyConfigParse =
  | { readonly ok: true; readonly config: ProxyConfig }
  | { readonly ok: false; readonly issues: readonly SchemaIssue[] };

const validator = Compile(ProxyConfigSchema);

/** Checks a document from outside and fills in every default. `value` itself is not changed. */
export function parseProxyConfig(value: unknown): ProxyConfigParse {
  const candidate: unknown = Value.Default(ProxyConfigSchema, structuredClone(value));
  if (!validator.Check(candidate)) return { ok: false, issues: schemaIssues(validator, candidate) };
  const issues = [
    ...addressIssues(candidate),
    ...candidate.inbound.flatMap(({ intentions, jwtProviders, extAuthz, protocol }, i) => [
      ...intentionIssues(`inbound[${i}].intentions`, intentions, jwtProviders),
      ...jwtProviderIssues(`inbound[${i}].jwtProviders`, jwtProviders),
      ...extAuthzIssues(`inbound[${i}].extAuthz`, extAuthz, protocol),
    ]),
    ...patternIssues(candidate),
    ...clashIssues(candidate),
    ...clusterIssues(candidate),
    ...telemetryIssues(candidate.telemetry, "telemetry"),
    ...candidate.outbound.flatMap((outbound, i) =>
      destinationsOf(outbound, i).flatMap(({ path, destination: { balancer, healthCheck } }) => [
        ...balancerIssues(balancer, `${path}.balancer`),
        ...healthCheckIssues(healthCheck, `${path}.healthCheck`, outbound.protocol),
      ]),
    ),
    ...routingIssues(candidate),
    ...treatmentIssues(candidate),
    ...loadIssues(candidate),
  ];
  if (issues.length > 0) return { ok: false, issues };
  const inbound = candidate.inbound.map((each) => ({ ...each, rateLimit: completeInboundRateLimit(each.rateLimit) }));
  const outbound = candidate.outbound.map((each) => ({
    ...each,
    routes: completeRoutes(each.routes, each.service),
    rateLimit: completeOutboundRateLimit(each.rateLimit),
  }));
  return { ok: true, config: { ...candidate, inbound, outbound } };
}

interface NamedAddress {
  readonly path: string;
  readonly address: string;
}

/** Where the proxy listens. */
function listenAddresses(config: ProxyConfig): NamedAddress[] {
  return [
    ...config.inbound.map(({ listen }, i) => ({ path: `inbound[${i}].listen`, address: listen })),
    ...config.outbound.map(({ listen }, i) => ({ path: `outbound[${i}].listen`, address: listen })),
    { path: "admin.listen", address: config.admin.listen },
  ];
}

/** Where it connects to. */
function dialAddresses(config: ProxyConfig): NamedAddress[] {
  return [
    ...config.inbound.map(({ app }, i) => ({ path: `inbound[${i}].app`, address: app })),
    ...config.outbound.flatMap((outbound, i) =>
      destinationsOf(outbound, i).flatMap(({ path, destination: { endpoints } }) =>
        endpoints.map(({ address }, j) => ({ path: `${path}.endpoints[${j}].address`, address })),
      ),
    ),
  ];
}

/** An outbound's own cluster and the others, with their paths. */
function destinationsOf(
  outbound: OutboundConfig,
  i: number,
): { readonly path: string; readonly destination: OutboundConfig | ClusterConfig }[] {
  return [
    { path: `outbound[${i}]`, destination: outbound },
    ...outbound.clusters.map((cluster, j) => ({ path: `outbound[${i}].clusters[${j}]`, destination: cluster })),
  ];
}

function clusterIssues(config: ProxyConfig): SchemaIssue[] {
  return config.outbound.flatMap(({ service, clusters }, i) => {
    const taken = new Map([[service, `outbound[${i}].service`]]);
    return clusters.flatMap(({ name }, j) => {
      const path = `outbound[${i}].clusters[${j}].name`;
      const earlier = taken.get(name);
      if (earlier !== undefined) return [{ path, message: `"${name}" is already the name of ${earlier}` }];
      taken.set(name, path);
      return [];
    });
  });
}

function routingIssues(config: ProxyConfig): SchemaIssue[] {
  return config.outbound.flatMap(({ service, protocol, clusters, routes, unmatched }, i) => {
    if (protocol === "tcp") {
      const needs = "needs protocol http, http2 or grpc: there are no requests in tcp";
      if (routes.length > 0) return [{ path: `outbound[${i}].routes`, message: needs }];
      return unmatched === "forward" ? [] : [{ path: `outbound[${i}].unmatched`, message: needs }];
    }
    const names = new Set([service, ...clusters.map(({ name }) => name)]);
    return routes.flatMap((route, j) => routeIssues(`outbound[${i}].routes[${j}]`, route, names));
  });
}

/** Of limits of rate and concurrency. */
function loadIssues({ inbound, outbound }: ProxyConfig): SchemaIssue[] {
  const concurrencyIssues = (path: string, limit: AdaptiveConcurrency, { protocol }: InboundConfig | OutboundConfig) =>
    adaptiveConcurrencyIssues(`${path}.adaptiveConcurrency`, limit, protocol);
  return [
    ...inbound.flatMap((each, i) => [
      ...inboundRateLimitIssues(`inbound[${i}].rateLimit`, each.rateLimit, each.protocol),
      ...concurrencyIssues(`inbound[${i}]`, each.adaptiveConcurrency, each),
    ]),
    ...outbound.flatMap((each, i) => [
      ...outboundRateLimitIssues(`outbound[${i}].rateLimit`, each.rateLimit, each.protocol),
      ...routeRateLimitIssues(`outbound[${i}].routes`, each.routes),
      ...destinationsOf(each, i).flatMap(({ path, destination }) =>
        concurrencyIssues(path, destination.adaptiveConcurrency, each),
      ),
    ]),
  ];
}

function addressIssues(config: ProxyConfig): SchemaIssue[] {
  const portIssues = ({ path, address }: NamedAddress, smallest: 0 | 1): SchemaIssue[] => {
    const port = parseHostPort(address)?.port;
    if (port === undefined) {
      return [{ path, message: `must be host:port with a port from 0 to 65535, found "${address}"` }];
    }
    return port >= smallest ? [] : [{ path, message: `must have a port from 1 to 65535, found "${address}"` }];
  };
  return [
    ...listenAddresses(config).flatMap((one) => portIssues(one, 0)),
    ...dialAddresses(config).flatMap((one) => portIssues(one, 1)),
  ];
}

function patternIssues(config: ProxyConfig): SchemaIssue[] {
  return config.outbound.flatMap((outbound, i) =>
    destinationsOf(outbound, i).flatMap(({ path, destination }) => {
      const { peerIdentity: pattern } = destination;
      if (pattern === undefined || compileSpiffePattern(pattern) !== undefined)
        return endpointIssues(path, destination);
      const message = `must be a SPIFFE id in which * stands for one whole segment, found "${pattern}"`;
      return [{ path: `${path}.peerIdentity`, message }];
    }),
  );
}

/** Of addresses that two listeners want: what no listener shows alone. */
export function clashIssues(config: ProxyConfig): SchemaIssue[] {
  const firstPath = new Map<string, string>();
  return listenAddresses(config).flatMap(({ path, address }) => {
    if (parseHostPort(address)?.port === 0) return [];
    const earlier = firstPath.get(address);
    if (earlier !== undefined) return [{ path, message: `${address} is already the address of ${earlier}` }];
    firstPath.set(address, path);
    return [];
  });
}
