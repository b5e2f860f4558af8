import { accessLogConfig } from "../lib/contract/access-logs.ts";
import { formatHostPort } from "../lib/contract/address.ts";
import type { ConnectProxyFields, ServiceFields, Upstream } from "../lib/contract/catalog.ts";
import type { ResolvedServiceConfig } from "../lib/contract/config-entries.ts";
import { jwtProviderConfig } from "../lib/contract/jwt-provider.ts";
import type { ProxyConfig } from "../lib/contract/proxy-config.ts";
import { ProxyConfigReader } from "../lib/contract/proxy-config-reader.ts";
import { type ProxySettings, readProxySettings, settingsProblems } from "../lib/contract/proxy-settings.ts";
import { formatIssues } from "../lib/contract/schema-issues.ts";
import type { TopicValues } from "../lib/contract/topics.ts";
import { centralSettings } from "./central-settings.ts";
import { compareText } from "./compare-text.ts";
import { extAuthzSetting } from "./ext-authz-setting.ts";
import { intentionRules } from "./intention-rules.ts";
import { outboundConfig } from "./outbound-config.ts";
import { meshClientCert, meshRequestRules } from "./mesh-settings.ts";
import { rateLimitConfig } from "./rate-limit-config.ts";
import { type SettingAuthors, settingAuthors } from "./setting-authors.ts";

/**
 * What a sidecar's proxy shall do, from its registration and what the servers say about the services around it. Pure, and
 * its output is in a fixed order, so that an unchanged world gives an identical document and nothing is pushed.
 */
export interface ProxyConfigInput {
  /** A service of kind `connect-proxy` with its `Proxy`. */
  readonly sidecar: ServiceFields & { readonly Proxy: ConnectProxyFields };
  readonly trustDomain: string;
  readonly datacenter: string;
  /** Of the node that the proxy runs on; empty when it is not known. */
  readonly nodeZone: string;
  /** Where the sidecar listens when its registration names no address. */
  readonly bindAddress: string;
  /** `host:port` of the proxy's own endpoint. */
  readonly adminAddress: string;
  readonly identity: ProxyConfig["identity"];
  readonly intentions: TopicValues["intentions"];
  /** Settings of the sidecar's destination. */
  readonly serviceConfig: ResolvedServiceConfig;
  /** By the upstream's service name. One that is absent gets a listener without endpoints. */
  readonly upstreams: ReadonlyMap<string, UpstreamState>;
}

export interface UpstreamState {
  readonly config: ResolvedServiceConfig;
  /** The instances of the service itself. */
  readonly endpoints: TopicValues["connect-endpoints"];
  /** Those of the other services that its chain comes to. */
  readonly others?: ReadonlyMap<string, TopicValues["connect-endpoints"]>;
}

/** `problems` are parts of the registration that cannot be honoured; the rest of the document stands without them. */
export type ProxyConfigResult =
  | {
      readonly ok: true;
      readonly config: ProxyConfig;
      readonly authors: SettingAuthors;
      readonly problems: readonly string[];
    }
  | { readonly ok: false; readonly problems: readonly string[] };

/** The document's. */
const defaultConnectTimeoutMs = 5_000;
const defaultMaxConnections = 65_536;

/** The document for one sidecar, or why there can be none. `reader` may know the document before. */
export function computeProxyConfig(input: ProxyConfigInput, reader = new ProxyConfigReader()): ProxyConfigResult {
  const problems: string[] = [];
  const upstreams = input.sidecar.Proxy.Upstreams.filter((upstream) => {
    const problem = upstreamProblem(upstream, input.datacenter);
    if (problem !== undefined) problems.push(problem);
    return problem === undefined;
  });
  const reading = readProxySettings({ ...input.serviceConfig.proxyDefaults, ...input.sidecar.Proxy.Config });
  const { settings } = reading;
  const { accessLogs } = input.serviceConfig;
  problems.push(...settingsProblems("Proxy.Config", reading));
  const parse = reader.read({
    identity: input.identity,
    // A service without a port accepts no calls; its sidecar is there for the calls that it makes.
    inbound: input.sidecar.Proxy.LocalServicePort === 0 ? [] : [inboundConfig(input, settings, problems)],
    outbound: upstreams.map((upstream) => outboundConfig(input, upstream, problems)).sort(byServiceThenListen),
    admin: { listen: input.adminAddress },
    limits: limitOverrides(settings),
    telemetry: {
      ...(accessLogs !== undefined && { accessLog: accessLogConfig(accessLogs) }),
      ...(settings.metricNames !== undefined && { metrics: { names: settings.metricNames } }),
    },
    ...(settings.drainTimeoutMs !== undefined && { drainTimeoutMs: settings.drainTimeoutMs }),
    ...(settings.workers !== undefined && { workers: settings.workers }),
  });
  if (!parse.ok) return { ok: false, problems: [...problems, formatIssues(parse.issues)] };
  return { ok: true, config: parse.config, authors: settingAuthors(input, parse.config), problems };
}

function inboundConfig(input: ProxyConfigInput, settings: ProxySettings, problems: string[]) {
  const { Proxy: proxy } = input.sidecar;
  const central = centralSettings(input.serviceConfig, problems);
  const listenHost = settings.bindAddress ?? (input.sidecar.Address || input.bindAddress);
  const listenPort = settings.bindPort ?? input.sidecar.Port;
  const protocol = settings.protocol ?? input.serviceConfig.protocol;
  return {
    service: proxy.DestinationServiceName,
    listen: formatHostPort({ host: listenHost, port: listenPort }),
    app: formatHostPort({ host: proxy.LocalServiceAddress || "127.0.0.1", port: proxy.LocalServicePort }),
    protocol,
    intentions: intentionRules(proxy.DestinationServiceName, input.intentions),
    jwtProviders: (input.intentions.jwtProviders ?? []).map(jwtProviderConfig),
    ...meshRequestRules(input.serviceConfig.mesh),
    ...meshClientCert(input.serviceConfig.mesh),
    connectTimeoutMs: settings.localConnectTimeoutMs ?? (central.localConnectTimeoutMs || defaultConnectTimeoutMs),
    timeoutMs: settings.localRequestTimeoutMs ?? central.localRequestTimeoutMs,
    ...(settings.localIdleTimeoutMs !== undefined && { streamIdleTimeoutMs: settings.localIdleTimeoutMs }),
    maxConnections: settings.maxInboundConnections ?? (central.maxInboundConnections || defaultMaxConnections),
    ...rateLimitConfig(input.serviceConfig.rateLimits, protocol, problems),
    ...extAuthzSetting(input.serviceConfig.extAuthz, protocol, problems),
  };
}

/** The limits of a whole proxy that Consul has settings for; the document's defaults stand for all others. */
function limitOverrides({ maxHeadBytes: headBytes }: ProxySettings) {
  if (headBytes === undefined) return {};
  return {
    http1: { maxHeadBytes: headBytes },
    http2: { maxHeaderListBytes: headBytes, maxHeaderBlockBytes: headBytes },
  };
}

function upstreamProblem(upstream: Upstream, datacenter: string): string | undefined {
  const name = `upstream "${upstream.DestinationName}"`;
  if (upstream.DestinationType !== "service") return `${name}: prepared queries cannot be upstreams yet`;
  if (upstream.Datacenter !== "" && upstream.Datacenter !== datacenter) {
    return `${name}: datacenter "${upstream.Datacenter}" cannot be reached from "${datacenter}"`;
  }
  return undefined;
}

function byServiceThenListen(
  a: { readonly service: string; readonly listen: string },
  b: { readonly service: string; readonly listen: string },
): number {
  return compareText(a.service, b.service) || compareText(a.listen, b.listen);
}
