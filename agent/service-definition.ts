import type { CheckStatus, ServiceKind, StringMap, TaggedAddress, Weights } from "../lib/contract/catalog.ts";
import type { ConnectProxyFields } from "../lib/contract/catalog.ts";
import type { Locality } from "../lib/contract/locality.ts";

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
  | { readonly type: "tcp"; readonly address: string; readonly intervalMs: number; readonly timeoutMs: number }
  | { readonly type: "ttl"; readonly ttlMs: number }
  | { readonly type: "alias"; readonly node: string; readonly service: string };
