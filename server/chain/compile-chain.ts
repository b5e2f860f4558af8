import type { Protocol } from "../../lib/contract/config-entries.ts";
import {
  type ChainResolver,
  type ChainRoute,
  type ChainSplit,
  type ChainTarget,
  type DiscoveryChain,
  isHttpLike,
} from "../../lib/contract/discovery-chain.ts";
import { composeModifiers } from "../../lib/contract/header-modifiers.ts";
import type { ResolverTarget, ServiceResolverEntry } from "../../lib/contract/service-resolver.ts";
import type { RouteDestination, ServiceRouterEntry } from "../../lib/contract/service-router.ts";
import { roundWeight, type ServiceSplitterEntry } from "../../lib/contract/service-splitter.ts";

/**
 * The door of this folder: what router, splitters and resolvers come to for one service, as Consul compiles it. Pure. The state asks it
 * before a write, so that no chain is ever broken, and again for whoever calls the service.
 */
export interface ChainEntries {
  router(service: string): ServiceRouterEntry | undefined;
  splitter(service: string): ServiceSplitterEntry | undefined;
  resolver(service: string): ServiceResolverEntry | undefined;
  protocol(service: string): Protocol;
}

export type ChainCompilation =
  /** Absent when the entries say nothing of the service's calls. */
  { readonly ok: true; readonly chain?: DiscoveryChain } | { readonly ok: false; readonly message: string };

/** A proxy's document has as many targets in a route, and so many clusters in a listener. */
const maxSplits = 100;
const maxResolvers = 1_000;
/** Redirects, and splitters that split what another one has split: more than anybody could follow in mind. */
const maxRedirects = 32;
const maxSplitters = 32;

export function compileChain(service: string, entries: ChainEntries): ChainCompilation {
  const compiler = new Compiler(service, entries);
  try {
    return { ok: true, ...compiler.compile() };
  } catch (thrown) {
    if (thrown instanceof GraphProblem) return { ok: false, message: thrown.message };
    throw thrown;
  }
}

/** Leaves the compiler by one way, whatever the depth. */
class GraphProblem extends Error {}

class Compiler {
  readonly #service: string;
  readonly #entries: ChainEntries;
  readonly #resolvers = new Map<string, ChainResolver>();
  readonly #protocol: Protocol;

  constructor(service: string, entries: ChainEntries) {
    this.#service = service;
    this.#entries = entries;
    this.#protocol = entries.protocol(service);
  }

  compile(): { readonly chain?: DiscoveryChain } {
    const router = this.#entries.router(this.#service);
    const routes: ChainRoute[] = (router?.Routes ?? []).map((definition) => ({
      definition,
      splits: this.#destination(definition.Destination),
    }));
    routes.push({ splits: this.#splitsOf({ Service: this.#service, ServiceSubset: "" }, []) });
    const isAdvanced = router !== undefined || routes.some(({ splits }) => splits.some(isSplit));
    if (isAdvanced && !isHttpLike(this.#protocol)) {
      throw new GraphProblem(
        `discovery chain "${this.#service}" uses a protocol "${this.#protocol}" that does not permit advanced routing or splitting behavior`,
      );
    }
    const resolvers = [...this.#resolvers.values()];
    if (!isAdvanced && resolvers.every((resolver) => this.#isDefault(resolver))) return {};
    return { chain: { service: this.#service, protocol: this.#protocol, routes, resolvers } };
  }

  #destination({ Service, ServiceSubset }: RouteDestination): ChainSplit[] {
    return this.#splitsOf({ Service: Service || this.#service, ServiceSubset }, []);
  }

  /** Whoever names a subset has chosen already: its splitter is not asked. `path` are the splitters on the way. */
  #splitsOf(target: ResolverTarget, path: readonly string[]): ChainSplit[] {
    const isOwnSplit = path.at(-1) === target.Service;
    const splitter = target.ServiceSubset === "" && !isOwnSplit ? this.#entries.splitter(target.Service) : undefined;
    if (splitter === undefined) return [{ weight: 100, resolver: this.#resolve(target).id, splitters: path }];
    if (path.includes(target.Service) || path.length === maxSplitters) {
      throw new GraphProblem(`detected circular reference: [${[...path, target.Service].join(" -> ")}]`);
    }
    this.#recordProtocol(target.Service);
    const splits = splitter.Splits.flatMap((split) =>
      this.#splitsOf({ Service: split.Service || target.Service, ServiceSubset: split.ServiceSubset }, [
        ...path,
        target.Service,
      ]).map((inner) => {
        const requestHeaders = composeModifiers(split.RequestHeaders, inner.requestHeaders);
        const responseHeaders = composeModifiers(inner.responseHeaders, split.ResponseHeaders);
        return {
          resolver: inner.resolver,
          splitters: inner.splitters,
          weight: roundWeight((split.Weight * inner.weight) / 100),
          ...(requestHeaders !== undefined && { requestHeaders }),
          ...(responseHeaders !== undefined && { responseHeaders }),
        };
      }),
    );
    if (splits.length <= maxSplits) return splits;
    throw new GraphProblem(
      `the splits of "${target.Service}" come to ${splits.length} targets, ${maxSplits} are allowed`,
    );
  }

  #resolve(target: ResolverTarget): ChainResolver {
    const { at, resolvers } = this.#follow(target);
    const id = targetId(at);
    const known = this.#resolvers.get(id);
    if (known !== undefined) return known;
    const entry = this.#entries.resolver(at.Service);
    const resolver: ChainResolver = {
      id,
      ...targetOf(at, entry),
      resolvers,
      connectTimeoutMs: entry?.ConnectTimeoutMs ?? 0,
      requestTimeoutMs: entry?.RequestTimeoutMs ?? 0,
      ...(entry?.LoadBalancer !== undefined && { loadBalancer: entry.LoadBalancer }),
      failover: entry === undefined ? [] : this.#failover(at, entry),
    };
    this.#resolvers.set(id, resolver);
    if (this.#resolvers.size <= maxResolvers) return resolver;
    throw new GraphProblem(
      `discovery chain "${this.#service}" comes to more than ${maxResolvers} services and subsets`,
    );
  }

  /** Where a target is after redirects and default subsets, and the resolvers that had a say in it. */
  #follow(target: ResolverTarget): { readonly at: ResolverTarget; readonly resolvers: readonly string[] } {
    const resolvers = new Set<string>();
    const seen: string[] = [];
    let at = target;
    for (;;) {
      this.#recordProtocol(at.Service);
      const entry = this.#entries.resolver(at.Service);
      if (entry !== undefined) resolvers.add(at.Service);
      const id = targetId(at);
      if (seen.includes(id) || seen.length > maxRedirects) {
        throw new GraphProblem(`detected circular resolver redirect: [${[...seen, id].join(" -> ")}]`);
      }
      seen.push(id);
      const next = nextTarget(at, entry);
      if (targetId(next) === id) {
        subsetOf(at, entry);
        return { at, resolvers: [...resolvers] };
      }
      at = next;
    }
  }

  #failover(at: ResolverTarget, entry: ServiceResolverEntry): ChainTarget[] {
    const key = Object.hasOwn(entry.Failover, at.ServiceSubset) ? at.ServiceSubset : "*";
    const failover = entry.Failover[key];
    if (failover === undefined) return [];
    const { Targets, ...itself } = failover;
    return (Targets.length > 0 ? Targets : [itself])
      .map((to) => rewritten(at, to))
      .map((to) => this.#follow(to).at)
      .filter((end) => targetId(end) !== targetId(at))
      .map((end) => targetOf(end, this.#entries.resolver(end.Service)));
  }

  #recordProtocol(service: string): void {
    const protocol = this.#entries.protocol(service);
    if (protocol === this.#protocol) return;
    throw new GraphProblem(
      `discovery chain "${this.#service}" uses inconsistent protocols; service "${service}" has "${protocol}" which is not "${this.#protocol}"`,
    );
  }

  /** As if nobody had written a resolver. */
  #isDefault(resolver: ChainResolver): boolean {
    return (
      resolver.id === this.#service &&
      resolver.connectTimeoutMs === 0 &&
      resolver.requestTimeoutMs === 0 &&
      resolver.loadBalancer === undefined &&
      resolver.failover.length === 0
    );
  }
}

function isSplit({ splitters }: ChainSplit): boolean {
  return splitters.length > 0;
}

function nextTarget(at: ResolverTarget, entry: ServiceResolverEntry | undefined): ResolverTarget {
  if (entry?.Redirect !== undefined) {
    const redirected = rewritten(at, entry.Redirect);
    if (targetId(redirected) !== targetId(at)) return redirected;
  }
  return at.ServiceSubset === "" && entry !== undefined ? { ...at, ServiceSubset: entry.DefaultSubset } : at;
}

/** A subset belongs to its service: another service begins without one. */
function rewritten(at: ResolverTarget, to: ResolverTarget): ResolverTarget {
  const Service = to.Service || at.Service;
  return { Service, ServiceSubset: to.ServiceSubset || (Service === at.Service ? at.ServiceSubset : "") };
}

function targetOf(at: ResolverTarget, entry: ServiceResolverEntry | undefined): ChainTarget {
  const { Filter, OnlyPassing } = subsetOf(at, entry);
  return { service: at.Service, subset: at.ServiceSubset, filter: Filter, onlyPassing: OnlyPassing };
}

function subsetOf({ Service, ServiceSubset }: ResolverTarget, entry: ServiceResolverEntry | undefined) {
  if (ServiceSubset === "") return { Filter: "", OnlyPassing: false };
  const subsets = entry?.Subsets ?? {};
  const subset = Object.hasOwn(subsets, ServiceSubset) ? subsets[ServiceSubset] : undefined;
  if (subset === undefined) {
    throw new GraphProblem(`service "${Service}" does not have a subset named "${ServiceSubset}"`);
  }
  return subset;
}

/** No service has a slash in its name: it could not be part of an identity. */
function targetId({ Service, ServiceSubset }: ResolverTarget): string {
  return ServiceSubset === "" ? Service : `${Service}/${ServiceSubset}`;
}
