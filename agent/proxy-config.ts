import { formatHostPort } from "../lib/contract/address.ts";
import type { ConnectProxyFields, ServiceFields, Upstream } from "../lib/contract/catalog.ts";
import type { Protocol, ResolvedServiceConfig } from "../lib/contract/config-entries.ts";
import { jwtProviderConfig } from "../lib/contract/jwt-provider.ts";
import type { ProxyConfig } from "../lib/contract/proxy-config.ts";
import { ProxyConfigReader } from "../lib/contract/proxy-config-reader.ts";
import {
  type ProxySettings,
  readProxySettings,
  readUpstreamSettings,
  settingsProblems,
} from "../lib/contract/proxy-settings.ts";
import { formatIssues } from "../lib/contract/schema-issues.ts";
import { meshServerName } from "../lib/contract/spiffe.ts";
import type { TopicValues } from "../lib/contract/topics.ts";
import { centralSettings } from "./central-settings.ts";
import { type ChainPlan, type Destination, planChain, usedChain } from "./chain-clusters.ts";
import { compareText } from "./compare-text.ts";
import { endpointConfigs } from "./endpoints.ts";
import { intentionRules } from "./intention-rules.ts";
import { meshClientCert, meshRequestRules } from "./mesh-settings.ts";
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
  problems.push(...settingsProblems("Proxy.Config", reading));
  const parse = reader.read({
    identity: input.identity,
    // A service without a port accepts no calls; its sidecar is there for the calls that it makes.
    inbound: input.sidecar.Proxy.LocalServicePort === 0 ? [] : [inboundConfig(input, settings, problems)],
    outbound: upstreams.map((upstream) => outboundConfig(input, upstream, problems)).sort(byServiceThenListen),
    admin: { listen: input.adminAddress },
    limits: limitOverrides(settings),
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
  return {
    service: proxy.DestinationServiceName,
    listen: formatHostPort({ host: listenHost, port: listenPort }),
    app: formatHostPort({ host: proxy.LocalServiceAddress || "127.0.0.1", port: proxy.LocalServicePort }),
    protocol: settings.protocol ?? input.serviceConfig.protocol,
    intentions: intentionRules(proxy.DestinationServiceName, input.intentions),
    jwtProviders: (input.intentions.jwtProviders ?? []).map(jwtProviderConfig),
    ...meshRequestRules(input.serviceConfig.mesh),
    ...meshClientCert(input.serviceConfig.mesh),
    connectTimeoutMs: settings.localConnectTimeoutMs ?? (central.localConnectTimeoutMs || defaultConnectTimeoutMs),
    timeoutMs: settings.localRequestTimeoutMs ?? central.localRequestTimeoutMs,
    ...(settings.localIdleTimeoutMs !== undefined && { streamIdleTimeoutMs: settings.localIdleTimeoutMs }),
    maxConnections: settings.maxInboundConnections ?? (central.maxInboundConnections || defaultMaxConnections),
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

function outboundConfig(input: ProxyConfigInput, upstream: Upstream, problems: string[]) {
  const service = upstream.DestinationName;
  const reading = readUpstreamSettings(upstream.Config);
  const { settings } = reading;
  problems.push(...settingsProblems(`upstream "${service}": Config`, reading));
  const state = input.upstreams.get(service);
  const protocol = settings.protocol ?? state?.config.protocol ?? "tcp";
  const plan = planUpstream(service, protocol, state, problems);
  const maxConnections = settings.maxConnections ?? defaultMaxConnections;
  const reached = (destination: Destination) => ({
    endpoints: destination.endpoints,
    balancer: destination.balancer,
    peerIdentity: `spiffe://${input.trustDomain}/ns/default/dc/*/svc/${destination.service}`,
    serverName: meshServerName({
      service: destination.service,
      datacenter: input.datacenter,
      trustDomain: input.trustDomain,
    }),
    connectTimeoutMs: settings.connectTimeoutMs ?? (destination.connectTimeoutMs || defaultConnectTimeoutMs),
    maxConnections,
  });
  return {
    service,
    listen: formatHostPort({ host: upstream.LocalBindAddress || "127.0.0.1", port: upstream.LocalBindPort }),
    protocol,
    ...reached(plan.own),
    ...meshRequestRules(input.serviceConfig.mesh),
    clusters: plan.clusters.map((cluster) => ({
      name: cluster.name,
      service: cluster.service,
      ...reached(cluster),
    })),
    routes: plan.routes,
    ...(plan.timeoutMs > 0 && { timeoutMs: plan.timeoutMs }),
  };
}

/** By the chain of the service, or straight to its instances where there is none. */
function planUpstream(
  service: string,
  protocol: Protocol,
  state: UpstreamState | undefined,
  problems: string[],
): ChainPlan {
  const straight: ChainPlan = {
    own: { service, endpoints: endpointConfigs(state?.endpoints ?? []), balancer: {}, connectTimeoutMs: 0 },
    clusters: [],
    routes: [],
    timeoutMs: 0,
  };
  if (state?.config.chain === undefined) return straight;
  const chain = usedChain(state.config.chain, protocol);
  const instancesOf = (name: string) => (name === service ? state.endpoints : (state.others?.get(name) ?? []));
  if (chain !== undefined) return planChain(chain, instancesOf, problems);
  problems.push(
    `upstream "${service}": Config.protocol is "${protocol}", which has no requests to route: the service's routes and splits are not used`,
  );
  return straight;
}

function byServiceThenListen(
  a: { readonly service: string; readonly listen: string },
  b: { readonly service: string; readonly listen: string },
): number {
  return compareText(a.service, b.service) || compareText(a.listen, b.listen);
}
