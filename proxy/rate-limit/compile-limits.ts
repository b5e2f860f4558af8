import { mustGet } from "../../lib/base/assert.ts";
import type {
  InboundRateLimit,
  OutboundRateLimit,
  RateLimitRule,
  RouteRateLimit,
} from "../../lib/contract/proxy-rate-limit.ts";
import { compileSpiffePattern } from "../../lib/contract/spiffe.ts";
import { compileConditions } from "../match/request-match.ts";
import type { RateLimitCounters } from "../telemetry/rate-limit-counters.ts";
import type { WantedBuckets } from "./kept-buckets.ts";
import { type LimitRule, RequestLimits, type RequestLimitsOptions } from "./request-limits.ts";

/** A route as far as its limit goes. */
export interface LimitedRoute {
  readonly name: string;
  readonly rateLimit?: RouteRateLimit;
}

/** Undefined where nothing limits requests. */
export function compileLimits(
  config: InboundRateLimit | OutboundRateLimit,
  routes: readonly LimitedRoute[],
  wanted: WantedBuckets,
  counts: RateLimitCounters,
): RequestLimits | undefined {
  const listener = wanted.bucket("listener", config);
  const rules = "rules" in config ? config.rules.map((rule) => compileRule(rule, wanted)) : [];
  const byName = new Map<string, ReturnType<WantedBuckets["bucket"]>>();
  for (const { name, rateLimit } of routes) {
    if (rateLimit !== undefined) byName.set(name, wanted.bucket(`route ${name}`, rateLimit));
  }
  const callers = compileCallers(config, wanted);
  const { identities, overrides } = callers;
  const hasOwn = rules.length > 0 || byName.size > 0 || overrides.length > 0;
  if (listener === undefined && identities === undefined && !hasOwn) return undefined;
  const { countsAll, enforce: isEnforced } = config;
  return new RequestLimits({ counts, isEnforced, listener, countsAll, rules, routes: byName, ...callers });
}

/** A limit is met by any way to read a request, an exception from one only by all of them. */
function compileRule({ requestsPerSecond, burst, ...conditions }: RateLimitRule, wanted: WantedBuckets): LimitRule {
  return {
    mayMatch: compileConditions(conditions, "matches"),
    mustMatch: compileConditions(conditions, "fails"),
    bucket: wanted.bucket(`rule ${JSON.stringify(conditions)}`, { requestsPerSecond, burst }),
  };
}

function compileCallers(
  config: InboundRateLimit | OutboundRateLimit,
  wanted: WantedBuckets,
): Pick<RequestLimitsOptions, "identities" | "overrides"> {
  if (!("perIdentity" in config)) return { identities: undefined, overrides: [] };
  const { overrides, ...each } = config.perIdentity;
  return {
    identities: wanted.identities(each),
    overrides: overrides.map(({ source, ...rated }) => ({
      matches: mustGet(compileSpiffePattern(source), "patterns are checked when the document is parsed"),
      bucket: wanted.bucket(`override ${source}`, rated),
    })),
  };
}
