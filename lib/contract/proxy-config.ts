import { Type } from "typebox";
import type { Static } from "typebox";
import { Compile } from "typebox/compile";
import Value from "typebox/value";
import { parseHostPort } from "./address.ts";
import { protocols } from "./config-entries.ts";
import { ProxyLimitsSchema } from "./proxy-limits.ts";
import { ProxyTelemetrySchema, telemetryIssues } from "./proxy-telemetry.ts";
import { type SchemaIssue, schemaIssues } from "./schema-issues.ts";
import { compileSpiffePattern } from "./spiffe.ts";

/**
 * The one document that drives a proxy. The agent computes it and pushes it over the unix socket; `atoll proxy --config`
 * reads it from a file. Every effective value is in it: {@link parseProxyConfig} fills in the defaults.
 */
const closed = { additionalProperties: false } as const;
const Address = Type.String({ minLength: 1, maxLength: 300, description: "host:port; [address]:port for IPv6" });
const ServiceName = Type.String({ pattern: "^[A-Za-z0-9]([A-Za-z0-9._-]{0,253}[A-Za-z0-9])?$" });
/** Upper bounds of the document: a day, connections of a listener, processes of a proxy. */
export const largestMilliseconds = 86_400_000;
export const largestConnections = 1_000_000;
export const largestWorkers = 256;
const Milliseconds = (fallback: number) =>
  Type.Integer({ minimum: 1, maximum: largestMilliseconds, default: fallback });
const MaxConnections = Type.Integer({ minimum: 1, maximum: largestConnections, default: 65_536 });
const ProtocolSchema = Type.Enum([...protocols], { default: "tcp" });
const Action = Type.Enum(["allow", "deny"]);

/** An HTTP exchange in which nothing moves for this long is ended, as Envoy's stream_idle_timeout does; tunnels are not. */
const StreamIdleTimeout = Milliseconds(300_000);
/** What happens to requests that can be read in more than one way; names and defaults as of Consul's `mesh` entry. */
const RequestRules = Type.Object(
  {
    /** `RequestNormalization.InsecureDisablePathNormalization` turns it off. */
    normalise: Type.Boolean({ default: true }),
    /** `RequestNormalization.MergeSlashes`. */
    mergeSlashes: Type.Boolean({ default: false }),
    /** `RequestNormalization.PathWithEscapedSlashesAction`. */
    escapedSlashes: Type.Enum(["keep", "reject", "unescape-and-redirect", "unescape-and-forward"], { default: "keep" }),
    backslashes: Type.Enum(["slash", "reject", "keep"], { default: "slash" }),
    /** `;x` at the end of a path's segment. */
    parameters: Type.Enum(["keep", "reject", "drop"], { default: "keep" }),
    /** In field names: `RequestNormalization.HeadersWithUnderscoresAction`. */
    underscores: Type.Enum(["allow", "reject", "drop"], { default: "allow" }),
  },
  { ...closed, default: {} },
);

const IntentionRule = Type.Object({ source: Type.String({ minLength: 1 }), action: Action }, closed);

const Inbound = Type.Object(
  {
    service: ServiceName,
    listen: Address,
    app: Address,
    protocol: ProtocolSchema,
    /** L4 intentions; the first rule whose source pattern matches the caller's SPIFFE id decides, else `default`. */
    intentions: Type.Object(
      { default: Action, rules: Type.Array(IntentionRule, { maxItems: 10_000, default: [] }) },
      closed,
    ),
    requestRules: RequestRules,
    /** X-Forwarded-Client-Cert for the application; Consul's `SanitizeXForwardedClientCert` is `sanitize`. */
    clientCert: Type.Enum(["sanitize", "sanitize-set", "append-forward"], { default: "sanitize-set" }),
    /** Whether gRPC-Web becomes gRPC, on a listener of protocol `grpc`. */
    grpcWeb: Type.Boolean({ default: true }),
    connectTimeoutMs: Milliseconds(5_000),
    /** A connection without a byte in either direction for this long is closed. */
    idleTimeoutMs: Milliseconds(3_600_000),
    streamIdleTimeoutMs: StreamIdleTimeout,
    /** As that of an outbound's endpoints, but to the application. */
    upstreamIdleTimeoutMs: Milliseconds(55_000),
    maxConnections: MaxConnections,
  },
  closed,
);

const Endpoint = Type.Object(
  { address: Address, weight: Type.Integer({ minimum: 1, maximum: 65_535, default: 1 }) },
  closed,
);

/** How a destination is reached: its instances, who they have to be, and what is spent on them. */
const destination = {
  endpoints: Type.Array(Endpoint, { maxItems: 10_000, default: [] }),
  /** SPIFFE pattern that every endpoint's certificate must match; by default any datacenter of our own trust domain. */
  peerIdentity: Type.Optional(Type.String({ minLength: 1 })),
  /** TLS server name sent to the endpoints and checked against their DNS names; by default the service's name. */
  serverName: Type.Optional(Type.String({ minLength: 1, maxLength: 253 })),
  connectTimeoutMs: Milliseconds(5_000),
  /** An upstream connection that carries nothing for this long is closed: below what common servers allow, so that we go first. */
  upstreamIdleTimeoutMs: Milliseconds(55_000),
};

/** A destination that routes name beside the listener's own. */
const Cluster = Type.Object(
  {
    /** Unique in its outbound and not the outbound's service, which names the listener's own cluster. */
    name: ServiceName,
    /** Whose instances these are: their identity and server name. The cluster's name when absent. */
    service: Type.Optional(ServiceName),
    ...destination,
    /** To one endpoint. */
    maxConnections: MaxConnections,
  },
  closed,
);

const Outbound = Type.Object(
  {
    service: ServiceName,
    listen: Address,
    protocol: ProtocolSchema,
    ...destination,
    clusters: Type.Array(Cluster, { maxItems: 1_000, default: [] }),
    requestRules: RequestRules,
    grpcWeb: Type.Boolean({ default: true }),
    idleTimeoutMs: Milliseconds(3_600_000),
    streamIdleTimeoutMs: StreamIdleTimeout,
    /** Of clients, and to one endpoint of the listener's own cluster. */
    maxConnections: MaxConnections,
  },
  closed,
);

export const ProxyConfigSchema = Type.Object(
  {
    identity: Type.Object(
      {
        certFile: Type.String({ minLength: 1 }),
        keyFile: Type.String({ minLength: 1 }),
        caFile: Type.String({ minLength: 1 }),
      },
      closed,
    ),
    inbound: Type.Array(Inbound, { maxItems: 1_000, default: [] }),
    outbound: Type.Array(Outbound, { maxItems: 10_000, default: [] }),
    admin: Type.Object({ listen: Address }, closed),
    limits: ProxyLimitsSchema,
    telemetry: ProxyTelemetrySchema,
    /** How long connections may go on that have no moment to end them: of listeners that left, and of all when the proxy ends. */
    drainTimeoutMs: Milliseconds(30_000),
    /** Processes that share the listeners: a number, or `auto` for one per core. Read when the proxy starts. */
    workers: Type.Union([Type.Integer({ minimum: 1, maximum: largestWorkers }), Type.Literal("auto")], { default: 1 }),
  },
  closed,
);

export type ProxyConfig = Static<typeof ProxyConfigSchema>;
export type InboundConfig = ProxyConfig["inbound"][number];
export type OutboundConfig = ProxyConfig["outbound"][number];
export type ClusterConfig = OutboundConfig["clusters"][number];
export type IntentionsConfig = InboundConfig["intentions"];

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
    ...patternIssues(candidate),
    ...clashIssues(candidate),
    ...clusterIssues(candidate),
    ...telemetryIssues(candidate.telemetry, "telemetry"),
  ];
  return issues.length > 0 ? { ok: false, issues } : { ok: true, config: candidate };
}

function namedAddresses(config: ProxyConfig): { path: string; address: string; isListener: boolean }[] {
  return [
    ...config.inbound.flatMap((inbound, i) => [
      { path: `inbound[${i}].listen`, address: inbound.listen, isListener: true },
      { path: `inbound[${i}].app`, address: inbound.app, isListener: false },
    ]),
    ...config.outbound.flatMap((outbound, i) => [
      { path: `outbound[${i}].listen`, address: outbound.listen, isListener: true },
      ...destinationsOf(outbound, i).flatMap(({ path, destination: { endpoints } }) =>
        endpoints.map(({ address }, j) => ({ path: `${path}.endpoints[${j}].address`, address, isListener: false })),
      ),
    ]),
    { path: "admin.listen", address: config.admin.listen, isListener: true },
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

function addressIssues(config: ProxyConfig): SchemaIssue[] {
  return namedAddresses(config).flatMap(({ path, address, isListener }) => {
    const parsed = parseHostPort(address);
    if (parsed === undefined)
      return [{ path, message: `must be host:port with a port from 0 to 65535, found "${address}"` }];
    if (parsed.port === 0 && !isListener)
      return [{ path, message: `must have a port from 1 to 65535, found "${address}"` }];
    return [];
  });
}

function patternIssues(config: ProxyConfig): SchemaIssue[] {
  const expected = "must be a SPIFFE id in which * stands for one whole segment";
  const patterns = [
    ...config.inbound.flatMap((inbound, i) =>
      inbound.intentions.rules.map((rule, j) => ({
        path: `inbound[${i}].intentions.rules[${j}].source`,
        pattern: rule.source,
      })),
    ),
    ...config.outbound.flatMap((outbound, i) =>
      destinationsOf(outbound, i).flatMap(({ path, destination: { peerIdentity } }) =>
        peerIdentity === undefined ? [] : [{ path: `${path}.peerIdentity`, pattern: peerIdentity }],
      ),
    ),
  ];
  return patterns
    .filter(({ pattern }) => compileSpiffePattern(pattern) === undefined)
    .map(({ path, pattern }) => ({ path, message: `${expected}, found "${pattern}"` }));
}

function clashIssues(config: ProxyConfig): SchemaIssue[] {
  const firstPath = new Map<string, string>();
  return namedAddresses(config).flatMap(({ path, address, isListener }) => {
    if (!isListener || parseHostPort(address)?.port === 0) return [];
    const earlier = firstPath.get(address);
    if (earlier !== undefined) return [{ path, message: `${address} is already the address of ${earlier}` }];
    firstPath.set(address, path);
    return [];
  });
}
