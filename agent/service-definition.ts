import type { CheckStatus, ServiceKind, StringMap, TaggedAddress, Weights } from "../lib/contract/catalog.ts";
import type { ConnectProxyFields } from "../lib/contract/catalog.ts";
import type { Locality } from "../lib/contract/locality.ts";
import type { ServicePort } from "../lib/contract/service-ports.ts";

/**
 * A service as a person defines it, in a config file or by `/v1/agent/service/register`: decoded and checked, names
 * normalised, but nothing expanded yet. Durations are milliseconds.
 */
export interface ServiceDefinition {
  readonly kind: ServiceKind;
  /** Defaults to `name`. */
  readonly id: string;
  readonly name: string;
  readonly tags: readonly string[];
  readonly meta: StringMap;
  readonly address: string;
  readonly port: number;
  /** Named ports in the place of `port`, which is 0 then. */
  readonly ports?: readonly ServicePort[];
  readonly socketPath?: string;
  readonly taggedAddresses: Readonly<Record<string, TaggedAddress>>;
  readonly weights: Weights;
  readonly enableTagOverride: boolean;
  readonly proxy?: ConnectProxyFields;
  readonly connectNative: boolean;
  /** Absent: where its node is. */
  readonly locality?: Locality;
  /** `Connect.SidecarService`: what it leaves out is derived from the parent service. */
  readonly sidecar?: SidecarDefinition;
  /** Who registered it, to write it to the catalog with; absent: the agent's own tokens. */
  readonly token?: string;
  readonly checks: readonly CheckDefinition[];
}

export interface SidecarDefinition {
  readonly name?: string;
  readonly tags?: readonly string[];
  readonly meta?: StringMap;
  readonly address?: string;
  readonly taggedAddresses?: Readonly<Record<string, TaggedAddress>>;
  readonly weights?: Weights;
  readonly enableTagOverride?: boolean;
  readonly locality?: Locality;
  /** 0 or absent: the lowest free port of the sidecar range. */
  readonly port?: number;
  readonly proxy?: Partial<ConnectProxyFields>;
  /** Absent: a TCP check of the sidecar's port and an alias of the parent. */
  readonly checks?: readonly CheckDefinition[];
}

export interface CheckDefinition {
  /** Empty: derived from the service, as `service:<id>` or `service:<id>:<n>`. */
  readonly checkId: string;
  readonly name: string;
  readonly notes: string;
  /** Empty for a check of the node. */
  readonly serviceId: string;
  readonly initialStatus: CheckStatus;
  readonly successBeforePassing: number;
  readonly failuresBeforeWarning: number;
  readonly failuresBeforeCritical: number;
  /** 0: never. */
  readonly deregisterCriticalServiceAfterMs: number;
  readonly outputMaxBytes: number;
  readonly probe: CheckProbe;
}

export interface ProbeTiming {
  readonly intervalMs: number;
  readonly timeoutMs: number;
}

/** How a probe speaks TLS; absent where it does not. */
export interface ProbeTls {
  readonly skipVerify: boolean;
  /** Name to ask for and to verify; empty: the host of the address. */
  readonly serverName: string;
}

/** The probes that make attempts of their own, once per interval. */
export type PeriodicProbe = Extract<CheckProbe, ProbeTiming>;

export function isPeriodic(probe: CheckProbe): probe is PeriodicProbe {
  return "intervalMs" in probe;
}

/** Probes that run programs of whoever registers them: off unless the agent's configuration allows them. */
export function runsScript(probe: CheckProbe): boolean {
  return probe.type === "script" || probe.type === "docker";
}

export type CheckProbe =
  | {
      readonly type: "http";
      readonly url: string;
      readonly method: string;
      readonly headers: Readonly<Record<string, readonly string[]>>;
      readonly body: string;
      readonly tlsSkipVerify: boolean;
      /** Name to ask for and to verify; empty: the URL's host. */
      readonly tlsServerName: string;
      readonly disableRedirects: boolean;
      readonly intervalMs: number;
      readonly timeoutMs: number;
    }
  | (ProbeTiming & { readonly type: "tcp"; readonly address: string; readonly tls?: ProbeTls })
  | (ProbeTiming & { readonly type: "udp"; readonly address: string })
  | (ProbeTiming & {
      readonly type: "grpc";
      readonly address: string;
      /** Whose health is asked for; empty: the server's. */
      readonly service: string;
      readonly tls?: ProbeTls;
    })
  | (ProbeTiming & { readonly type: "h2ping"; readonly address: string; readonly tls?: ProbeTls })
  | (ProbeTiming & { readonly type: "script"; readonly args: readonly string[] })
  | (ProbeTiming & { readonly type: "docker"; readonly container: string; readonly args: readonly string[] })
  | (ProbeTiming & { readonly type: "os_service"; readonly service: string })
  | { readonly type: "ttl"; readonly ttlMs: number }
  | { readonly type: "alias"; readonly node: string; readonly service: string }
  /** Says by being there that its node or service is out of rotation; see maintenance.ts. */
  | { readonly type: "maintenance" };
