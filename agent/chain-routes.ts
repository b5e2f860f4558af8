import type { ChainResolver, ChainRoute, ChainSplit, DiscoveryChain } from "../lib/contract/discovery-chain.ts";
import { fieldEdits } from "../lib/contract/header-modifiers.ts";
import type { FieldMatch, PathMatch, QueryMatch } from "../lib/contract/proxy-match.ts";
import type { RetryCondition } from "../lib/contract/proxy-resilience.ts";
import type { RouteDestination, RouteHeader, RouteHttpMatch, RouteQueryParam } from "../lib/contract/service-router.ts";

/**
 * The routes of a chain in the words of a proxy's document, without what is the document's default. `clusterNames` are by the ids of
 * resolvers; one without a name is the listener's own cluster.
 */
export function routeConfigs(chain: DiscoveryChain, clusterNames: ReadonlyMap<string, string>) {
  const resolvers = new Map(chain.resolvers.map((resolver) => [resolver.id, resolver]));
  return chain.routes.map((route) => {
    const { definition } = route;
    return {
      ...(definition !== undefined && { match: matchConfig(definition.Match) }),
      ...(definition?.Destination.PrefixRewrite && { rewrite: { prefix: definition.Destination.PrefixRewrite } }),
      ...editsOf("requestHeaders", definition?.Destination.RequestHeaders),
      ...editsOf("responseHeaders", definition?.Destination.ResponseHeaders),
      forward: forwardConfig(route, resolvers, clusterNames),
    };
  });
}

function forwardConfig(
  { definition, splits }: ChainRoute,
  resolvers: ReadonlyMap<string, ChainResolver>,
  clusterNames: ReadonlyMap<string, string>,
) {
  const own = definition?.Destination.RequestTimeoutMs ?? 0;
  const timeoutMs = own > 0 ? own : splitTimeoutMs(splits, resolvers);
  const retry = definition === undefined ? undefined : retryConfig(definition.Destination);
  return {
    targets: splits.map((split) => ({
      ...clusterOf(split, clusterNames),
      weight: split.weight,
      ...editsOf("requestHeaders", split.requestHeaders),
      ...editsOf("responseHeaders", split.responseHeaders),
    })),
    ...(timeoutMs > 0 && { timeoutMs }),
    ...(definition !== undefined &&
      definition.Destination.IdleTimeoutMs > 0 && { idleTimeoutMs: definition.Destination.IdleTimeoutMs }),
    ...(retry !== undefined && { retry }),
  };
}

function clusterOf({ resolver }: ChainSplit, clusterNames: ReadonlyMap<string, string>) {
  const cluster = clusterNames.get(resolver);
  return cluster === undefined ? {} : { cluster };
}

/** A route has one time for all that it forwards to: the longest of its resolvers', and none where one of them has none. */
function splitTimeoutMs(splits: readonly ChainSplit[], resolvers: ReadonlyMap<string, ChainResolver>): number {
  const timeouts = splits.map(({ resolver }) => resolvers.get(resolver)?.requestTimeoutMs ?? 0);
  return timeouts.includes(0) ? 0 : Math.max(...timeouts);
}

function editsOf(name: "requestHeaders" | "responseHeaders", modifiers: RouteDestination["RequestHeaders"]) {
  return modifiers === undefined ? {} : { [name]: fieldEdits(modifiers) };
}

function matchConfig(match: RouteHttpMatch) {
  const path = pathMatch(match);
  return {
    ...(path !== undefined && { path }),
    headers: match.Header.map(headerMatch),
    query: match.QueryParam.map(queryMatch),
    methods: [...match.Methods],
  };
}

function pathMatch({ PathExact, PathPrefix, PathRegex, CaseInsensitive }: RouteHttpMatch): PathMatch | undefined {
  if (PathExact !== "") return { type: "exact", value: PathExact, ignoreCase: CaseInsensitive };
  if (PathPrefix !== "") return { type: "prefix", value: PathPrefix, ignoreCase: CaseInsensitive };
  // Envoy overlooks the flag here, and an expression can say (?i) itself.
  if (PathRegex !== "") return { type: "regex", value: PathRegex, ignoreCase: false };
  return undefined;
}

function headerMatch(header: RouteHeader): Omit<FieldMatch, "ignoreCase"> {
  const { Name: name, Invert: invert } = header;
  if (header.Exact !== "") return { name, type: "exact", value: header.Exact, invert };
  if (header.Prefix !== "") return { name, type: "prefix", value: header.Prefix, invert };
  if (header.Suffix !== "") return { name, type: "suffix", value: header.Suffix, invert };
  if (header.Regex !== "") return { name, type: "regex", value: header.Regex, invert };
  return { name, type: "present", value: "", invert };
}

function queryMatch({ Name: name, Exact, Regex }: RouteQueryParam): QueryMatch {
  if (Exact !== "") return { name, type: "exact", value: Exact };
  if (Regex !== "") return { name, type: "regex", value: Regex };
  return { name, type: "present", value: "" };
}

/** Envoy's: one retry where their number is not said, and none of what no condition names. */
function retryConfig(destination: RouteDestination) {
  const { NumRetries, RetryOn, RetryOnConnectFailure, RetryOnStatusCodes } = destination;
  const on = new Set<RetryCondition>(RetryOn);
  if (RetryOnConnectFailure) on.add("connect-failure");
  if (RetryOnStatusCodes.length > 0) on.add("retriable-status-codes");
  if (NumRetries === 0 && on.size === 0) return undefined;
  return { attempts: NumRetries || 1, on: [...on], statusCodes: [...RetryOnStatusCodes] };
}
