/**
 * Where answers come from: the catalog as DNS sees it, already without instances that are critical. What is at hand is
 * returned at once, and only what has to be fetched comes as a promise; a promise never rejects.
 */
import type { Place, ServiceLookup } from "./asked-name.ts";

export interface DnsCatalog {
  /** The instances of a service, of its mesh-capable side, or of the ingress gateways for it, by `kind`; empty for none. */
  instances(kind: ServiceLookup["kind"], service: string, place: Place): Found<readonly DnsInstance[]>;
  node(name: string, place: Place): Found<DnsNode | undefined>;
  /** The virtual address of a mesh service as its number; undefined where it has none. */
  virtualOffset(service: string, peer: string | undefined): Found<number | undefined>;
  /** Who has an IP address. */
  holders(address: string): Found<AddressHolders>;
  /** What a prepared query comes to, asked from `source`; undefined where there is no such query. */
  preparedQuery(query: PreparedQuestion): Found<PreparedAnswer | undefined>;
}

export type Found<T> = Outcome<T> | Promise<Outcome<T>>;

export type Outcome<T> =
  | { readonly state: "known"; readonly value: T }
  /** `unreachable`: no server answers and nothing is remembered. `denied`: the token may not see it. */
  | { readonly state: "unreachable" | "denied" };

export interface DnsNode {
  readonly name: string;
  readonly datacenter: string;
  readonly meta: readonly (readonly [string, string])[];
  readonly endpoint: DnsEndpoint;
}

/** Where something is reached: under addresses, or under a name that is none of ours. */
export interface DnsEndpoint {
  readonly ipv4?: Uint8Array;
  readonly ipv6?: Uint8Array;
  readonly hostName?: string;
}

export interface DnsInstance {
  readonly node: DnsNode;
  readonly service: string;
  /** Absent when it is reached under its node's. */
  readonly endpoint?: DnsEndpoint;
  readonly port: number;
  /** Ports with names; absent when it has none. */
  readonly ports?: ReadonlyMap<string, number>;
  /** In lower case. */
  readonly tags: readonly string[];
  readonly isPassing: boolean;
  /** That of its present health, 0 to 65535. */
  readonly weight: number;
}

export interface AddressHolders {
  readonly node?: { readonly name: string; readonly datacenter: string };
  /** Services with an instance of that address, each once. */
  readonly services: readonly { readonly name: string; readonly datacenter: string }[];
}

export interface PreparedQuestion {
  readonly name: string;
  readonly place: Place;
  /** The client's address, as it said itself or as its packets show. */
  readonly source: string;
}

export interface PreparedAnswer {
  readonly service: string;
  readonly instances: readonly DnsInstance[];
  /** Absent: that of the service. */
  readonly ttlS?: number;
}
