import type { Locality } from "./locality.ts";
import type { ProxyExtras, UpstreamExtras } from "./proxy-registration.ts";
import type { ServicePort } from "./service-ports.ts";

/**
 * The records of the catalog, in the exact shape and spelling of Consul's `/v1` JSON, so that what is stored is what is
 * answered. `CreateIndex` and `ModifyIndex` are set by the state tables and are absent in requests.
 */
export const checkStatuses = ["passing", "warning", "critical"] as const;
export type CheckStatus = (typeof checkStatuses)[number];

/** Kinds of service; the empty string is an ordinary application. */
export const gatewayKinds = ["mesh-gateway", "terminating-gateway", "ingress-gateway", "api-gateway"] as const;
export const serviceKinds = ["", "connect-proxy", ...gatewayKinds] as const;
export type ServiceKind = (typeof serviceKinds)[number];

export type StringMap = Readonly<Record<string, string>>;

export interface Indexed {
  readonly CreateIndex: number;
  readonly ModifyIndex: number;
}

export interface NodeFields {
  /** UUID, or the empty string for nodes registered without one. */
  readonly ID: string;
  readonly Node: string;
  readonly Address: string;
  readonly Datacenter: string;
  readonly TaggedAddresses: StringMap;
  readonly Meta: StringMap;
  /** Where it runs; absent when nobody said. */
  readonly Locality?: Locality;
}
export type NodeRecord = NodeFields & Indexed;

export interface TaggedAddress {
  readonly Address: string;
  readonly Port: number;
}

export interface Weights {
  readonly Passing: number;
  readonly Warning: number;
}

/** One destination of a sidecar: calls to `LocalBindAddress:LocalBindPort` go to `DestinationName`. */
export interface Upstream extends UpstreamExtras {
  readonly DestinationType: "service" | "prepared_query";
  readonly DestinationName: string;
  readonly Datacenter: string;
  readonly LocalBindAddress: string;
  readonly LocalBindPort: number;
  readonly Config: Readonly<Record<string, unknown>>;
}

export interface ConnectProxyFields extends ProxyExtras {
  readonly DestinationServiceName: string;
  readonly DestinationServiceID: string;
  readonly LocalServiceAddress: string;
  readonly LocalServicePort: number;
  readonly Config: Readonly<Record<string, unknown>>;
  readonly Upstreams: readonly Upstream[];
}

export interface ServiceFields {
  readonly Kind: ServiceKind;
  readonly ID: string;
  readonly Service: string;
  readonly Tags: readonly string[];
  readonly Meta: StringMap;
  /** 0 where there are `Ports`, see `defaultPort`. */
  readonly Port: number;
  /** Named ports, in the place of `Port`; absent when there are none. */
  readonly Ports?: readonly ServicePort[];
  readonly Address: string;
  /** Path of the unix socket on which it listens in the place of a port; absent when there is none. */
  readonly SocketPath?: string;
  readonly TaggedAddresses: Readonly<Record<string, TaggedAddress>>;
  readonly Weights: Weights;
  readonly EnableTagOverride: boolean;
  /** Present when `Kind` is `connect-proxy`, and of a gateway when its registration has one. */
  readonly Proxy?: ConnectProxyFields;
  /** `Native`: the application does its own mTLS and is returned by connect queries itself. */
  readonly Connect: { readonly Native: boolean };
  /** Where it runs, in the place of its node's. */
  readonly Locality?: Locality;
  /** The ID of the node whose agent holds it; absent for what was registered in the catalog itself. */
  readonly Owner?: string;
}
/** A service instance on a node; its key is the node's name and the service ID. */
export type ServiceRecord = ServiceFields & Indexed & { readonly Node: string };

export interface CheckFields {
  readonly Node: string;
  readonly CheckID: string;
  readonly Name: string;
  readonly Status: CheckStatus;
  readonly Notes: string;
  readonly Output: string;
  /** Empty for checks of the node itself. */
  readonly ServiceID: string;
  readonly ServiceName: string;
  readonly ServiceTags: readonly string[];
  readonly Type: string;
  readonly Interval: string;
  readonly Timeout: string;
  readonly Definition: Readonly<Record<string, unknown>>;
  /** As of a service. */
  readonly Owner?: string;
}
/** A health check of a node or of one service instance; its key is the node's name and the check ID. */
export type CheckRecord = CheckFields & Indexed;

/** One instance with everything a balancer or a person needs to judge it: an entry of `/v1/health/service/:name`. */
export interface ServiceInstance {
  readonly Node: NodeRecord;
  readonly Service: ServiceRecord;
  readonly Checks: readonly CheckRecord[];
}

/** The owner of what no agent holds, as it is answered. */
export const catalogOwner = "catalog";
/** The owner of liveness checks, which follow the lease of their node. */
export const leaseOwner = "lease";

/** The check that says whether the agent of a node is alive. */
export const nodeLivenessCheckId = "serfHealth";

/** Worst status first: critical, then warning, then passing; no checks at all is passing. */
export function aggregateStatus(checks: readonly { readonly Status: CheckStatus }[]): CheckStatus {
  if (checks.some((check) => check.Status === "critical")) return "critical";
  return checks.some((check) => check.Status === "warning") ? "warning" : "passing";
}
