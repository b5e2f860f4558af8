import { accessLogConfig } from "../lib/contract/access-logs.ts";
import type { InboundConfig, OutboundConfig, ProxyConfig } from "../lib/contract/proxy-config.ts";
import { formatHostPort } from "../lib/contract/address.ts";
import type { Upstream } from "../lib/contract/catalog.ts";
import { chainAuthors } from "./chain-authors.ts";
import { usedChain } from "./chain-clusters.ts";
import { ownZone } from "./outbound-config.ts";
import { rateLimitAuthors } from "./rate-limit-config.ts";
import { saidOfUpstream } from "./upstream-settings.ts";
import type { ProxyConfigInput } from "./proxy-config.ts";

/**
 * Who said what in the document of a sidecar, by path: what a proxy prints beside its values. Whatever is under none of these paths is the
 * document's default.
 */
export type SettingAuthors = Readonly<Record<string, string>>;

/** Consul's name of a setting, and the paths that it decides. */
const proxySettings: Readonly<Record<string, readonly string[]>> = {
  local_connect_timeout_ms: ["inbound[0].connectTimeoutMs"],
  local_idle_timeout_ms: ["inbound[0].streamIdleTimeoutMs"],
  max_inbound_connections: ["inbound[0].maxConnections"],
  max_request_headers_kb: [
    "limits.http1.maxHeadBytes",
    "limits.http2.maxHeaderListBytes",
    "limits.http2.maxHeaderBlockBytes",
  ],
  drain_timeout_ms: ["drainTimeoutMs"],
  workers: ["workers"],
  metric_names: ["telemetry.metrics.names"],
};

export function settingAuthors(input: ProxyConfigInput, config: ProxyConfig): SettingAuthors {
  const [inbound] = config.inbound;
  return {
    identity: "agent",
    admin: "agent",
    ...(inbound !== undefined && inboundAuthors(input, inbound)),
    ...accessLogAuthors(input),
    ...proxyAuthors(input),
    ...upstreamAuthors(input, config),
  };
}

function upstreamAuthors(input: ProxyConfigInput, config: ProxyConfig): SettingAuthors {
  const upstreams = new Map(
    input.sidecar.Proxy.Upstreams.map((upstream) => {
      const { LocalBindAddress: host, LocalBindPort: port } = upstream;
      return [formatHostPort({ host: host || "127.0.0.1", port }), upstream];
    }),
  );
  const authors: Record<string, string> = {};
  for (const [i, outbound] of config.outbound.entries()) {
    Object.assign(authors, outboundAuthors(input, outbound, upstreams.get(outbound.listen), `outbound[${i}]`));
  }
  return authors;
}

function registration({ sidecar }: ProxyConfigInput): string {
  return `registration of ${sidecar.ID}`;
}

function inboundAuthors(input: ProxyConfigInput, inbound: InboundConfig): SettingAuthors {
  const { serviceConfig, sidecar } = input;
  const service = sidecar.Proxy.DestinationServiceName;
  const central = `service-defaults of ${service}`;
  const hasProtocol = isGiven(sidecar.Proxy.Config, "protocol");
  return {
    "inbound[0].service": registration(input),
    "inbound[0].listen": registration(input),
    "inbound[0].app": registration(input),
    "inbound[0].protocol": hasProtocol ? `${registration(input)}: protocol` : `${central} or proxy-defaults`,
    "inbound[0].intentions": `intentions of ${service}`,
    ...Object.fromEntries(
      (input.intentions.jwtProviders ?? []).map(({ Name }, i) => [
        `inbound[0].jwtProviders[${i}]`,
        `jwt-provider ${Name}`,
      ]),
    ),
    ...(serviceConfig.localConnectTimeoutMs > 0 && { "inbound[0].connectTimeoutMs": central }),
    ...(serviceConfig.maxInboundConnections > 0 && { "inbound[0].maxConnections": central }),
    ...(inbound.extAuthz !== undefined && { "inbound[0].extAuthz": `${central}: EnvoyExtensions` }),
    ...(serviceConfig.extAuthz?.Required === true &&
      inbound.protocol === "tcp" && { "inbound[0].intentions": `${central}: EnvoyExtensions` }),
    ...(serviceConfig.rateLimits !== undefined &&
      inbound.protocol !== "tcp" &&
      rateLimitAuthors(serviceConfig.rateLimits, { path: "inbound[0].rateLimit", entry: central })),
    ...(serviceConfig.mesh !== undefined && meshAuthors("inbound[0]")),
    ...(serviceConfig.mesh?.SanitizeXForwardedClientCert === true && { "inbound[0].clientCert": "mesh" }),
  };
}

function accessLogAuthors({ serviceConfig: { accessLogs } }: ProxyConfigInput): SettingAuthors {
  if (accessLogs === undefined) return {};
  const said = Object.keys(accessLogConfig(accessLogs));
  return Object.fromEntries(said.map((key) => [`telemetry.accessLog.${key}`, "proxy-defaults: AccessLogs"]));
}

/** The registration says more than `proxy-defaults`, and both more than the entries above. */
function proxyAuthors(input: ProxyConfigInput): SettingAuthors {
  const authors: Record<string, string> = {};
  for (const [key, paths] of Object.entries(proxySettings)) {
    const isOwn = isGiven(input.sidecar.Proxy.Config, key);
    if (!isOwn && !isGiven(input.serviceConfig.proxyDefaults, key)) continue;
    for (const path of paths) authors[path] = `${isOwn ? registration(input) : "proxy-defaults"}: ${key}`;
  }
  return authors;
}

function outboundAuthors(
  input: ProxyConfigInput,
  { service, protocol, clusters }: OutboundConfig,
  upstream: Upstream | undefined,
  path: string,
): SettingAuthors {
  const own = `${registration(input)}: upstream ${service}`;
  const said = upstream && saidOfUpstream(upstream, input.serviceConfig, registration(input));
  const chain = usedChain(input.upstreams.get(service)?.config.chain, protocol);
  const authors: Record<string, string> = {
    [`${path}.service`]: own,
    [`${path}.listen`]: own,
    [`${path}.protocol`]: said?.protocol?.author ?? `service-defaults of ${service} or proxy-defaults`,
    [`${path}.endpoints`]: "catalog",
    [`${path}.peerIdentity`]: "agent",
    [`${path}.serverName`]: "agent",
    ...(input.serviceConfig.mesh !== undefined && meshAuthors(path)),
    ...(ownZone(input) !== "" && { [`${path}.balancer.localZone`]: zoneAuthor(input) }),
    ...(chain !== undefined && chainAuthors(chain, path)),
  };
  const zone = authors[`${path}.balancer.localZone`];
  for (const at of [path, ...clusters.map((_, i) => `${path}.clusters[${i}]`)]) {
    if (zone !== undefined) authors[`${at}.balancer.localZone`] = zone;
    for (const [name, { author }] of said?.numbers ?? []) authors[`${at}.${name}`] = author;
    for (const [name, { author }] of said?.outlierDetection ?? []) authors[`${at}.outlierDetection.${name}`] = author;
  }
  return authors;
}

function zoneAuthor(input: ProxyConfigInput): string {
  return input.sidecar.Locality === undefined ? "locality of the node" : `${registration(input)}: Locality`;
}

/** Of the rules, those that the `mesh` entry has a word for. */
function meshAuthors(path: string): SettingAuthors {
  const rules = ["normalise", "mergeSlashes", "escapedSlashes", "underscores"];
  return Object.fromEntries(rules.map((rule) => [`${path}.requestRules.${rule}`, "mesh"]));
}

/** As the settings' readers take it: nothing, an empty text and 0 leave the default where it is. */
function isGiven(config: Readonly<Record<string, unknown>> | undefined, key: string): boolean {
  const value = config?.[key];
  return value !== undefined && value !== null && value !== "" && value !== 0 && value !== "0";
}
