import type { Protocol } from "../lib/contract/config-entries.ts";
import type { PathMatch } from "../lib/contract/proxy-match.ts";
import type { RateLimit, RouteRateLimit, ServiceRateLimits } from "../lib/contract/service-rate-limits.ts";

/**
 * `RateLimits` of the service as its listener's `rateLimit`, without what is the document's default: nothing where the entry says nothing.
 * Without requests nothing can be counted, which `problems` hears.
 */
export function rateLimitConfig(limits: ServiceRateLimits | undefined, protocol: Protocol, problems: string[]) {
  if (limits === undefined) return {};
  if (protocol === "tcp") {
    problems.push('RateLimits of service-defaults: the protocol is "tcp", which has no requests to count: not used');
    return {};
  }
  const { Routes, ...limit } = limits.InstanceLevel;
  const rules = Routes.map((route) => ({ path: pathMatch(route), ...rateConfig(route) }));
  return { rateLimit: { ...rateConfig(limit), rules } };
}

/** By path in the document: `path` is the `rateLimit`'s, `entry` the name of the entry. */
export function rateLimitAuthors(
  { InstanceLevel: { Routes, ...limit } }: ServiceRateLimits,
  { path, entry }: { readonly path: string; readonly entry: string },
): Readonly<Record<string, string>> {
  const author = `${entry}: RateLimits.InstanceLevel`;
  const authors: Record<string, string> = { ...rateAuthors(limit, path, author) };
  for (const [i, route] of Routes.entries()) {
    authors[`${path}.rules[${i}].path`] = `${author}.Routes[${i}]`;
    Object.assign(authors, rateAuthors(route, `${path}.rules[${i}]`, `${author}.Routes[${i}]`));
  }
  return authors;
}

function rateConfig({ RequestsPerSecond: requestsPerSecond, RequestsMaxBurst: burst }: RateLimit) {
  return { requestsPerSecond, burst };
}

function rateAuthors(limit: RateLimit, path: string, author: string): Readonly<Record<string, string>> {
  const { RequestsPerSecond, RequestsMaxBurst } = limit;
  return {
    ...(RequestsPerSecond > 0 && { [`${path}.requestsPerSecond`]: `${author}.RequestsPerSecond` }),
    ...(RequestsMaxBurst > 0 && { [`${path}.burst`]: `${author}.RequestsMaxBurst` }),
  };
}

function pathMatch({ PathExact, PathPrefix, PathRegex }: RouteRateLimit): PathMatch {
  if (PathExact !== "") return { type: "exact", value: PathExact, ignoreCase: false };
  if (PathPrefix !== "") return { type: "prefix", value: PathPrefix, ignoreCase: false };
  return { type: "regex", value: PathRegex, ignoreCase: false };
}
