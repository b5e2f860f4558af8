import type { Indexed, StringMap } from "./catalog.ts";

/**
 * Questions about the instances of a service that are kept under a name and asked by it, over HTTP and DNS. One with a template
 * answers for every name that begins with its own; the longest one does.
 */
export interface PreparedQueryFields {
  readonly ID: string;
  /** Empty for one that is only asked by its ID, and for a template for all names. */
  readonly Name: string;
  /** Accessor ID of the token that it is executed with; absent: that of whoever executes it. */
  readonly TokenAccessor?: string;
  /** The query goes with this session; empty for one that stays. */
  readonly Session: string;
  readonly Template?: QueryTemplate;
  readonly Service: ServiceQuery;
  /** As it was written; empty for the server's own. */
  readonly DnsTtl: string;
}
export type PreparedQueryRecord = PreparedQueryFields & Indexed;

export interface QueryTemplate {
  readonly Type: "name_prefix_match";
  /** RE2, looked for anywhere in the name; empty for none. */
  readonly Regexp: string;
  readonly RemoveEmptyTags: boolean;
}

export interface ServiceQuery {
  readonly Service: string;
  readonly Failover: QueryFailover;
  readonly OnlyPassing: boolean;
  readonly IgnoreCheckIDs: readonly string[];
  /** Name of a node, `_agent` or `_ip`; empty for any order. */
  readonly Near: string;
  /** All must be there; with a `!` before it one must not. */
  readonly Tags: readonly string[];
  readonly NodeMeta: StringMap;
  readonly ServiceMeta: StringMap;
  readonly Connect: boolean;
}

/** Kept for the tools that write it: instances of other datacenters are not known here. */
export interface QueryFailover {
  readonly NearestN: number;
  readonly Datacenters: readonly string[];
  readonly Targets: readonly { readonly Peer: string; readonly Datacenter: string }[];
}
