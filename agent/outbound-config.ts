import { formatHostPort } from "../lib/contract/address.ts";
import type { Upstream } from "../lib/contract/catalog.ts";
import type { Protocol } from "../lib/contract/config-entries.ts";
import { zoneName } from "../lib/contract/locality.ts";
import { meshServerName } from "../lib/contract/spiffe.ts";
import { type ChainPlan, type Destination, planChain, usedChain } from "./chain-clusters.ts";
import { endpointConfigs } from "./endpoints.ts";
import { meshRequestRules } from "./mesh-settings.ts";
import type { ProxyConfigInput, UpstreamState } from "./proxy-config.ts";
import { saidOfUpstream, saidValues } from "./upstream-settings.ts";

/** The document's. */
const defaultConnectTimeoutMs = 5_000;
const defaultMaxConnections = 65_536;

/** The listener of one upstream, without what is the document's default. */
export function outboundConfig(input: ProxyConfigInput, upstream: Upstream, problems: string[]) {
  const service = upstream.DestinationName;
  const said = saidOfUpstream(upstream, input.serviceConfig, "registration");
  problems.push(...said.problems);
  const state = input.upstreams.get(service);
  const protocol = said.protocol?.value ?? state?.config.protocol ?? "tcp";
  const plan = planUpstream(service, protocol, state, problems);
  const localZone = ownZone(input);
  const serverNameOf = (name: string): string =>
    meshServerName({ service: name, datacenter: input.datacenter, trustDomain: input.trustDomain });
  const reached = (destination: Destination) => ({
    endpoints: destination.endpoints.map((endpoint) =>
      endpoint.service === undefined ? endpoint : { ...endpoint, serverName: serverNameOf(endpoint.service) },
    ),
    balancer: { ...destination.balancer, ...(localZone !== "" && { localZone }) },
    peerIdentity: `spiffe://${input.trustDomain}/ns/default/dc/*/svc/${destination.service}`,
    serverName: serverNameOf(destination.service),
    connectTimeoutMs: destination.connectTimeoutMs || defaultConnectTimeoutMs,
    maxConnections: defaultMaxConnections,
    ...saidValues(said.numbers),
    ...(said.outlierDetection !== undefined && { outlierDetection: saidValues(said.outlierDetection) }),
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

/** Where the proxy runs: as its registration says, else where its node is. */
export function ownZone({ sidecar, nodeZone }: Pick<ProxyConfigInput, "sidecar" | "nodeZone">): string {
  return zoneName(sidecar.Locality) || nodeZone;
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
    `upstream "${service}": the protocol is "${protocol}", which has no requests to route: the service's routes and splits are not used`,
  );
  return straight;
}
