import type { EntryBase } from "./config-entries.ts";

/**
 * Which instances a service is, and how one of them is chosen: Consul's `service-resolver` entry. An empty text and 0 say nothing. What
 * needs other datacenters and peers is refused where the entry is written.
 */
export interface ServiceResolverEntry extends EntryBase {
  readonly Kind: "service-resolver";
  /** A name in `Subsets`, for calls that name none. */
  readonly DefaultSubset: string;
  readonly Subsets: Readonly<Record<string, ResolverSubset>>;
  /** Calls go there instead, and nothing else here counts. */
  readonly Redirect?: ResolverTarget;
  /** By subset, `*` for all others: where calls go while no instance is healthy. */
  readonly Failover: Readonly<Record<string, ResolverFailover>>;
  readonly ConnectTimeoutMs: number;
  readonly RequestTimeoutMs: number;
  readonly LoadBalancer?: LoadBalancer;
}

export interface ResolverSubset {
  /** An expression over the instance; see `instance-filter.ts`. Empty for all. */
  readonly Filter: string;
  /** Leaves out instances with a warning. */
  readonly OnlyPassing: boolean;
}

export interface ResolverTarget {
  readonly Service: string;
  readonly ServiceSubset: string;
}

/** Either itself a target, or targets in their order. */
export interface ResolverFailover extends ResolverTarget {
  readonly Targets: readonly ResolverTarget[];
}

/** The first is what happens when nothing is said. */
export const loadBalancerPolicies = ["", "random", "round_robin", "least_request", "ring_hash", "maglev"] as const;
export const hashFields = ["", "header", "cookie", "query_parameter"] as const;

export interface LoadBalancer {
  readonly Policy: (typeof loadBalancerPolicies)[number];
  readonly RingHashConfig?: { readonly MinimumRingSize: number; readonly MaximumRingSize: number };
  readonly LeastRequestConfig?: { readonly ChoiceCount: number };
  readonly HashPolicies: readonly HashPolicy[];
}

export interface HashPolicy {
  readonly Field: (typeof hashFields)[number];
  readonly FieldValue: string;
  readonly SourceIP: boolean;
  readonly Terminal: boolean;
}
