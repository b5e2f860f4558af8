import { mustGet } from "../../lib/base/assert.ts";
import { formatDurationMs } from "../../lib/base/duration.ts";
import type { ResolvedServiceConfig } from "../../lib/contract/config-entries.ts";
import type {
  ChainResolver,
  ChainRoute,
  ChainSplit,
  ChainTarget,
  DiscoveryChain,
} from "../../lib/contract/discovery-chain.ts";
import { meshServerName } from "../../lib/contract/spiffe.ts";
import { unlessEmpty } from "./catalog-answers.ts";
import { modifiersAnswer } from "./header-modifiers-body.ts";
import { loadBalancerAnswer } from "./load-balancer-body.ts";
import { durationAnswer, routeAnswer } from "./service-router-answer.ts";

/** The only namespace and partition that there are. */
const tenancy = "default.default";
const defaultConnectTimeoutMs = 5_000;

/** What Consul answers for a compiled chain: nodes by type and name, each naming the next, and the targets at their ends. */
export function discoveryChainAnswer(
  config: Pick<ResolvedServiceConfig, "service" | "protocol" | "chain">,
  place: { readonly datacenter: string; readonly trustDomain: string },
): object {
  const chain = config.chain ?? defaultChain(config);
  const names = new Names(chain, place.datacenter);
  const [first] = chain.routes;
  const hasRouter = chain.routes.some(({ definition }) => definition !== undefined);
  const router = `router:${chain.service}.${tenancy}`;
  return {
    ServiceName: chain.service,
    Namespace: "default",
    Partition: "default",
    Datacenter: place.datacenter,
    ...(config.chain === undefined && { Default: true }),
    Protocol: chain.protocol,
    StartNode: hasRouter || first === undefined ? router : names.next(first),
    Nodes: Object.fromEntries([
      ...(hasRouter ? [[router, routerNode(chain, names)]] : []),
      ...chain.routes.flatMap((route) => splitterNode(route, names)),
      ...chain.resolvers.map((resolver) => resolverNode(resolver, names)),
    ]),
    Targets: Object.fromEntries(
      chain.resolvers.flatMap((resolver) =>
        [resolver, ...resolver.failover].map((target) => targetEntry(target, resolver, { ...place, names })),
      ),
    ),
  };
}

function defaultChain({ service, protocol }: Pick<ResolvedServiceConfig, "service" | "protocol">): DiscoveryChain {
  const target = { service, subset: "", filter: "", onlyPassing: false };
  const settings = { resolvers: [], connectTimeoutMs: 0, requestTimeoutMs: 0, failover: [] };
  return {
    service,
    protocol,
    routes: [{ splits: [{ weight: 100, resolver: service, splitters: [] }] }],
    resolvers: [{ id: service, ...target, ...settings }],
  };
}

/** How Consul calls targets and nodes. */
class Names {
  readonly #datacenter: string;
  readonly #resolvers: ReadonlyMap<string, ChainResolver>;

  constructor({ resolvers }: DiscoveryChain, datacenter: string) {
    this.#datacenter = datacenter;
    this.#resolvers = new Map(resolvers.map((resolver) => [resolver.id, resolver]));
  }

  /** Where a split ends. */
  end(split: ChainSplit): ChainTarget {
    return mustGet(this.#resolvers.get(split.resolver), "a chain has the resolvers that its splits name");
  }

  target({ service, subset }: Pick<ChainTarget, "service" | "subset">): string {
    return `${subset === "" ? "" : `${subset}.`}${service}.${tenancy}.${this.#datacenter}`;
  }

  /** The node that a route leads to. */
  next({ splits: [split] }: ChainRoute): string {
    const splitter = split?.splitters[0];
    if (splitter !== undefined) return `splitter:${splitter}.${tenancy}`;
    return this.resolver(mustGet(split, "a route has a split"));
  }

  resolver(split: ChainSplit): string {
    return `resolver:${this.target(this.end(split))}`;
  }
}

function routerNode({ service, routes }: DiscoveryChain, names: Names): object {
  return {
    Type: "router",
    Name: `${service}.${tenancy}`,
    Routes: routes.map((route) => ({
      Definition:
        route.definition === undefined
          ? { Match: { HTTP: { PathPrefix: "/" } }, Destination: { Service: service } }
          : routeAnswer(route.definition),
      NextNode: names.next(route),
    })),
  };
}

/** Splitters of splitters have been made one: the outermost has them all. */
function splitterNode(route: ChainRoute, names: Names): [string, object][] {
  const splitter = route.splits[0]?.splitters[0];
  if (splitter === undefined) return [];
  const Splits = route.splits.map((split) => {
    const { service: Service, subset: ServiceSubset } = names.end(split);
    const changes = {
      ...(split.requestHeaders !== undefined && { RequestHeaders: split.requestHeaders }),
      ...(split.responseHeaders !== undefined && { ResponseHeaders: split.responseHeaders }),
    };
    return {
      Definition: {
        Weight: split.weight,
        Service,
        ...unlessEmpty("ServiceSubset", ServiceSubset),
        ...modifiersAnswer(changes),
      },
      Weight: split.weight,
      NextNode: names.resolver(split),
    };
  });
  return [[names.next(route), { Type: "splitter", Name: `${splitter}.${tenancy}`, Splits }]];
}

function resolverNode(resolver: ChainResolver, names: Names): [string, object] {
  const id = names.target(resolver);
  const node = {
    Type: "resolver",
    Name: id,
    Resolver: {
      Default: resolver.resolvers.length === 0,
      ConnectTimeout: formatDurationMs(resolver.connectTimeoutMs || defaultConnectTimeoutMs),
      ...durationAnswer("RequestTimeout", resolver.requestTimeoutMs),
      Target: id,
      ...(resolver.failover.length > 0 && {
        Failover: { Targets: resolver.failover.map((target) => names.target(target)) },
      }),
    },
    ...(resolver.loadBalancer !== undefined && { LoadBalancer: loadBalancerAnswer(resolver.loadBalancer) }),
  };
  return [`resolver:${id}`, node];
}

function targetEntry(
  target: ChainTarget,
  { connectTimeoutMs }: ChainResolver,
  place: { readonly datacenter: string; readonly trustDomain: string; readonly names: Names },
): [string, object] {
  const { service, subset, filter, onlyPassing } = target;
  const ID = place.names.target(target);
  const SNI = meshServerName({ service, datacenter: place.datacenter, trustDomain: place.trustDomain });
  return [
    ID,
    {
      ID,
      Service: service,
      ...unlessEmpty("ServiceSubset", subset),
      Namespace: "default",
      Partition: "default",
      Datacenter: place.datacenter,
      MeshGateway: {},
      Subset: { ...unlessEmpty("Filter", filter), ...(onlyPassing && { OnlyPassing: true }) },
      ConnectTimeout: formatDurationMs(connectTimeoutMs || defaultConnectTimeoutMs),
      SNI,
      Name: SNI,
    },
  ];
}
