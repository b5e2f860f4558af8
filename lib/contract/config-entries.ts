import type { Indexed, StringMap } from "./catalog.ts";

/** Protocols that a service can speak; the first is the default. */
export const protocols = ["tcp", "http", "http2", "grpc"] as const;
export type Protocol = (typeof protocols)[number];

export const configEntryKinds = ["proxy-defaults", "service-defaults", "service-intentions"] as const;
export type ConfigEntryKind = (typeof configEntryKinds)[number];

interface EntryBase {
  readonly Name: string;
  readonly Meta: StringMap;
}

/** Mesh-wide defaults; the only entry of this kind is named `global`. `Config.protocol` is the default protocol. */
export interface ProxyDefaultsEntry extends EntryBase {
  readonly Kind: "proxy-defaults";
  readonly Config: Readonly<Record<string, unknown>>;
}

/** Defaults of one service, over `proxy-defaults`. An empty `Protocol` means "not set here". */
export interface ServiceDefaultsEntry extends EntryBase {
  readonly Kind: "service-defaults";
  readonly Protocol: Protocol | "";
  /** 0 means no limit of its own. */
  readonly MaxInboundConnections: number;
  /** 0 means the default of 5000. */
  readonly LocalConnectTimeoutMs: number;
  /** 0 means no limit. */
  readonly LocalRequestTimeoutMs: number;
}

export type IntentionAction = "allow" | "deny";

export interface SourceIntention {
  /** A service name, or `*` for all of them. */
  readonly Name: string;
  readonly Action: IntentionAction;
  /** Set on writing from source and destination; 9, 8, 6 or 5 (see `intentionPrecedence`). */
  readonly Precedence: number;
  readonly Type: "consul";
  readonly Description: string;
}

/** Who may call the service `Name` (`*` for all services); `Sources` is sorted by precedence, then name. */
export interface ServiceIntentionsEntry extends EntryBase {
  readonly Kind: "service-intentions";
  readonly Sources: readonly SourceIntention[];
}

export type ConfigEntry = ProxyDefaultsEntry | ServiceDefaultsEntry | ServiceIntentionsEntry;
export type ConfigEntryRecord = ConfigEntry & Indexed;

/** The settings that apply to one service after merging `proxy-defaults` under `service-defaults`. */
export interface ResolvedServiceConfig {
  readonly service: string;
  readonly protocol: Protocol;
  readonly localConnectTimeoutMs: number;
  readonly localRequestTimeoutMs: number;
  readonly maxInboundConnections: number;
}
