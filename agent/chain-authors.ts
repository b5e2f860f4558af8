import type { ChainResolver, ChainRoute, DiscoveryChain } from "../lib/contract/discovery-chain.ts";
import { balancerConfig, namedResolvers, onlyResolver } from "./chain-clusters.ts";

/** Who said what of the part of a listener that its chain decides; `path` is the listener's. See `setting-authors.ts`. */
export function chainAuthors(chain: DiscoveryChain, path: string): Readonly<Record<string, string>> {
  const only = onlyResolver(chain);
  if (only !== undefined) {
    const timeout = only.requestTimeoutMs > 0 ? { [`${path}.timeoutMs`]: resolverName(only) } : {};
    return { ...destinationAuthors(only, path), ...timeout };
  }
  const { own, clusters } = namedResolvers(chain);
  const hasRouter = chain.routes.some(({ definition }) => definition !== undefined);
  const namer = `${hasRouter ? "service-router" : "service-splitter"} ${chain.service}`;
  const authors: Record<string, string> = own === undefined ? {} : destinationAuthors(own, path);
  for (const [i, { resolver }] of clusters.entries()) {
    const at = `${path}.clusters[${i}]`;
    const said = { [`${at}.name`]: namer, [`${at}.service`]: namer, [`${at}.endpoints`]: "catalog" };
    const ours = { [`${at}.peerIdentity`]: "agent", [`${at}.serverName`]: "agent" };
    Object.assign(authors, said, ours, destinationAuthors(resolver, at));
  }
  for (const [i, route] of chain.routes.entries()) {
    authors[`${path}.routes[${i}]`] = namer;
    Object.assign(authors, routeAuthors(chain, route, `${path}.routes[${i}].forward`));
  }
  return authors;
}

function destinationAuthors(resolver: ChainResolver, path: string): Record<string, string> {
  const name = resolverName(resolver);
  const balancer = Object.keys(balancerConfig(resolver.loadBalancer)).map((key) => [`${path}.balancer.${key}`, name]);
  return {
    ...(resolver.connectTimeoutMs > 0 && { [`${path}.connectTimeoutMs`]: name }),
    ...(resolver.resolvers.length > 0 && { [`${path}.endpoints`]: `catalog and ${name}` }),
    ...Object.fromEntries(balancer),
  };
}

function routeAuthors({ resolvers }: DiscoveryChain, route: ChainRoute, path: string): Record<string, string> {
  const hasOwnTime = (route.definition?.Destination.RequestTimeoutMs ?? 0) > 0;
  const reached = resolvers.filter(({ id }) => route.splits.some(({ resolver }) => resolver === id));
  const authors: Record<string, string> = hasOwnTime
    ? {}
    : { [`${path}.timeoutMs`]: reached.map(resolverName).join(", ") };
  for (const [i, { splitters }] of route.splits.entries()) {
    if (splitters.length > 0) authors[`${path}.targets[${i}]`] = `service-splitter ${splitters.join(", ")}`;
  }
  return authors;
}

function resolverName({ resolvers }: ChainResolver): string {
  return `service-resolver ${resolvers.join(", ")}`;
}
