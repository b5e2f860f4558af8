import type { ServiceInstance } from "../lib/contract/catalog.ts";
import type { Protocol } from "../lib/contract/config-entries.ts";
import { type ChainResolver, type DiscoveryChain, isHttpLike } from "../lib/contract/discovery-chain.ts";
import type { HashPolicyConfig } from "../lib/contract/proxy-cluster.ts";
import type { HashPolicy, LoadBalancer } from "../lib/contract/service-resolver.ts";
import { routeConfigs } from "./chain-routes.ts";
import { type EndpointConfig, resolverEndpoints } from "./endpoints.ts";

/** How one service, or a subset of it, is reached: the part of a document's cluster that a resolver decides. */
export interface Destination {
  readonly service: string;
  readonly endpoints: readonly EndpointConfig[];
  readonly balancer: ReturnType<typeof balancerConfig>;
  /** 0 for the default. */
  readonly connectTimeoutMs: number;
}

/** What a listener does with calls, by the chain of its service. */
export interface ChainPlan {
  /** The listener's own cluster. */
  readonly own: Destination;
  readonly clusters: readonly (Destination & { readonly name: string })[];
  readonly routes: ReturnType<typeof routeConfigs>;
  /** Of the listener, where there are no routes; 0 for none. */
  readonly timeoutMs: number;
}

/**
 * A chain that comes to one place needs no routes: the listener's own cluster is that place, whatever service it is of. Otherwise routes
 * name clusters, and the own cluster is that of the plain service; nothing goes there when no route says so.
 */
export function planChain(
  chain: DiscoveryChain,
  instancesOf: (service: string) => readonly ServiceInstance[],
  problems: string[],
): ChainPlan {
  const destinationOf = (resolver: ChainResolver): Destination => ({
    service: resolver.service,
    endpoints: resolverEndpoints(resolver, instancesOf, problems),
    balancer: balancerConfig(resolver.loadBalancer),
    connectTimeoutMs: resolver.connectTimeoutMs,
  });
  const only = onlyResolver(chain);
  if (only !== undefined) {
    return { own: destinationOf(only), clusters: [], routes: [], timeoutMs: only.requestTimeoutMs };
  }
  const { own, clusters } = namedResolvers(chain);
  const empty: Destination = { service: chain.service, endpoints: [], balancer: {}, connectTimeoutMs: 0 };
  return {
    own: own === undefined ? empty : destinationOf(own),
    clusters: clusters.map(({ name, resolver }) => ({ name, ...destinationOf(resolver) })),
    routes: routeConfigs(chain, new Map(clusters.map(({ name, resolver }) => [resolver.id, name]))),
    timeoutMs: 0,
  };
}

/** What has no requests cannot be routed or split: only a chain that comes to one place is of use to it. */
export function usedChain(chain: DiscoveryChain | undefined, protocol: Protocol): DiscoveryChain | undefined {
  if (chain === undefined || isHttpLike(protocol) || onlyResolver(chain) !== undefined) return chain;
  return undefined;
}

/** Where all calls go alike, with nothing changed on the way. */
export function onlyResolver({ routes, resolvers }: DiscoveryChain): ChainResolver | undefined {
  const [route, ...others] = routes;
  if (route === undefined || others.length > 0) return undefined;
  const [split, ...more] = route.splits;
  const isPlain = split?.requestHeaders === undefined && split?.responseHeaders === undefined;
  if (split === undefined || more.length > 0 || !isPlain) return undefined;
  return resolvers.find(({ id }) => id === split.resolver);
}

/** The resolver of the plain service, if it is in the chain, and the others with the names of their clusters. */
export function namedResolvers({ service, resolvers }: DiscoveryChain): {
  readonly own?: ChainResolver;
  readonly clusters: readonly { readonly name: string; readonly resolver: ChainResolver }[];
} {
  const own = resolvers.find(({ id }) => id === service);
  // `v1.api` is a subset of api, and could be the name of a service as well.
  const taken = new Set([service, ...resolvers.filter(({ subset }) => subset === "").map((one) => one.service)]);
  const clusters = resolvers
    .filter((resolver) => resolver !== own)
    .map((resolver) => {
      if (resolver.subset === "") return { name: resolver.service, resolver };
      const wanted = `${resolver.subset}.${resolver.service}`;
      let name = wanted;
      for (let n = 2; taken.has(name); n++) name = `${wanted}-${n}`;
      taken.add(name);
      return { name, resolver };
    });
  return { ...(own !== undefined && { own }), clusters };
}

const policies = {
  random: "random",
  round_robin: "round-robin",
  least_request: "least-request",
  ring_hash: "ring-hash",
  maglev: "maglev",
} as const;

/** Without what is the document's default. */
export function balancerConfig(balancer: LoadBalancer | undefined) {
  if (balancer === undefined) return {};
  const { Policy, RingHashConfig: ring, LeastRequestConfig: least, HashPolicies } = balancer;
  const { MinimumRingSize = 0, MaximumRingSize = 0 } = ring ?? {};
  // A ring that must be larger than our largest is that large, as Envoy's would be.
  const maxRingSize = MaximumRingSize || (MinimumRingSize > defaultMaxRingSize ? MinimumRingSize : 0);
  // And one that may not be as large as our smallest is that small.
  const minRingSize = MinimumRingSize || (maxRingSize > 0 && maxRingSize < defaultMinRingSize ? maxRingSize : 0);
  return {
    ...(Policy !== "" && { policy: policies[Policy] }),
    ...(least !== undefined && { choices: least.ChoiceCount }),
    ...(minRingSize > 0 && { minRingSize }),
    ...(maxRingSize > 0 && { maxRingSize }),
    ...(HashPolicies.length > 0 && { hashPolicies: HashPolicies.map(hashPolicyConfig) }),
  };
}

/** The document's. */
const defaultMinRingSize = 1_024;
const defaultMaxRingSize = 262_144;
const hashedParts = { header: "header", cookie: "cookie", query_parameter: "query" } as const;

function hashPolicyConfig({ Field, FieldValue, Terminal }: HashPolicy): HashPolicyConfig {
  if (Field === "") return { on: "source-ip", name: "", terminal: Terminal };
  return { on: hashedParts[Field], name: FieldValue, terminal: Terminal };
}
