import type { EntryBase } from "./config-entries.ts";
import type { HeaderModifiers } from "./header-modifiers.ts";

/** Where single requests to a service go: Consul's `service-router` entry. An empty text, 0 and an empty list say nothing. */
export interface ServiceRouterEntry extends EntryBase {
  readonly Kind: "service-router";
  /** The first that matches decides; what none matches goes on to the service itself. */
  readonly Routes: readonly ServiceRoute[];
}

export interface ServiceRoute {
  readonly Match: RouteHttpMatch;
  readonly Destination: RouteDestination;
}

/** All that is said holds of the request. */
export interface RouteHttpMatch {
  /** At most one of the three. */
  readonly PathExact: string;
  readonly PathPrefix: string;
  readonly PathRegex: string;
  /** Not of the expression. */
  readonly CaseInsensitive: boolean;
  readonly Header: readonly RouteHeader[];
  readonly QueryParam: readonly RouteQueryParam[];
  readonly Methods: readonly string[];
}

/** Exactly one of Present to Regex is set. */
export interface RouteHeader {
  readonly Name: string;
  readonly Present: boolean;
  readonly Exact: string;
  readonly Prefix: string;
  readonly Suffix: string;
  readonly Regex: string;
  readonly Invert: boolean;
}

/** Exactly one of Present to Regex is set. */
export interface RouteQueryParam {
  readonly Name: string;
  readonly Present: boolean;
  readonly Exact: string;
  readonly Regex: string;
}

export interface RouteDestination {
  /** Empty for the service that the router is of. */
  readonly Service: string;
  readonly ServiceSubset: string;
  readonly PrefixRewrite: string;
  readonly RequestTimeoutMs: number;
  readonly IdleTimeoutMs: number;
  readonly NumRetries: number;
  readonly RetryOnConnectFailure: boolean;
  readonly RetryOn: readonly RouteRetryCondition[];
  readonly RetryOnStatusCodes: readonly number[];
  readonly RequestHeaders?: HeaderModifiers;
  readonly ResponseHeaders?: HeaderModifiers;
}

/** Consul's, but for `envoy-ratelimited`, of which other proxies know nothing. */
export const routeRetryConditions = [
  "5xx",
  "gateway-error",
  "reset",
  "connect-failure",
  "retriable-4xx",
  "refused-stream",
  "cancelled",
  "deadline-exceeded",
  "internal",
  "resource-exhausted",
  "unavailable",
] as const;
export type RouteRetryCondition = (typeof routeRetryConditions)[number];
