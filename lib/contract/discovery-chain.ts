import type { Protocol } from "./config-entries.ts";
import type { HeaderModifiers } from "./header-modifiers.ts";
import type { LoadBalancer } from "./service-resolver.ts";
import type { ServiceRoute } from "./service-router.ts";

/**
 * What becomes of calls to a service once router, splitters and resolvers are worked out: routes to splits to resolvers. Servers compile it
 * from the entries; a service without any has none, and its calls go to its own instances.
 */
export interface DiscoveryChain {
  readonly service: string;
  readonly protocol: Protocol;
  /** The first that matches decides. The last one has no definition and matches everything. */
  readonly routes: readonly ChainRoute[];
  /** Each once, in the order in which the routes come to them. */
  readonly resolvers: readonly ChainResolver[];
}

export interface ChainRoute {
  /** As the router has it. */
  readonly definition?: ServiceRoute;
  /** At least one, with a weight above 0. */
  readonly splits: readonly ChainSplit[];
}

export interface ChainSplit {
  readonly weight: number;
  /** `id` of a resolver. */
  readonly resolver: string;
  /** Names of the splitters on the way, outermost first; none where nothing is split. */
  readonly splitters: readonly string[];
  readonly requestHeaders?: HeaderModifiers;
  readonly responseHeaders?: HeaderModifiers;
}

/** Instances of one service, or a subset of it, and how they are called. */
export interface ChainResolver extends ChainTarget {
  /** `service`, or `service/subset`. */
  readonly id: string;
  /** Names of the resolvers that redirected to here or speak of it; none for a service without any. */
  readonly resolvers: readonly string[];
  /** 0 for the default. */
  readonly connectTimeoutMs: number;
  /** 0 for none. */
  readonly requestTimeoutMs: number;
  readonly loadBalancer?: LoadBalancer;
  /** Instances, of other services as well, that are used in this order while those before them cannot serve. */
  readonly failover: readonly ChainTarget[];
}

export interface ChainTarget {
  readonly service: string;
  /** Empty for all instances. */
  readonly subset: string;
  /** Of `instance-filter.ts`; empty for all instances. */
  readonly filter: string;
  readonly onlyPassing: boolean;
}

/** The services whose instances a chain comes to, each once. */
export function chainServices(chain: DiscoveryChain): string[] {
  const targets = chain.resolvers.flatMap((resolver) => [resolver, ...resolver.failover]);
  return [...new Set(targets.map(({ service }) => service))];
}

export function isHttpLike(protocol: Protocol): boolean {
  return protocol !== "tcp";
}
