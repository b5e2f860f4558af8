import type { AccessLogs } from "./access-logs.ts";
import type { Indexed, StringMap } from "./catalog.ts";
import type { ExtAuthzExtension } from "./ext-authz-extension.ts";
import type { IntentionPermission } from "./intention-permissions.ts";
import type { DiscoveryChain } from "./discovery-chain.ts";
import type { IntentionJwt, JwtProviderEntry } from "./jwt-provider.ts";
import { type KeptEntry, keptKinds } from "./kept-entries.ts";
import type { ServiceRateLimits } from "./service-rate-limits.ts";
import type { ServiceResolverEntry } from "./service-resolver.ts";
import type { ServiceRouterEntry } from "./service-router.ts";
import type { ServiceSplitterEntry } from "./service-splitter.ts";
import type { UpstreamConfig } from "./upstream-config.ts";

/** Protocols that a service can speak; the first is the default. */
export const protocols = ["tcp", "http", "http2", "grpc"] as const;
export type Protocol = (typeof protocols)[number];

export const configEntryKinds = [
  "jwt-provider",
  "mesh",
  "proxy-defaults",
  "service-defaults",
  "service-intentions",
  "service-resolver",
  "service-router",
  "service-splitter",
  ...keptKinds,
] as const;
export type ConfigEntryKind = (typeof configEntryKinds)[number];

/** What every entry has. */
export interface EntryBase {
  readonly Name: string;
  readonly Meta: StringMap;
  /** Settings that say what happens anyway, as they were written: who manages entries with a tool wants to read back what it wrote. */
  readonly Stated?: Readonly<Record<string, unknown>>;
}

/** The first of each is what happens when nothing is said. */
export const escapedSlashesActions = [
  "",
  "IMPLEMENTATION_SPECIFIC_DEFAULT",
  "KEEP_UNCHANGED",
  "REJECT_REQUEST",
  "UNESCAPE_AND_REDIRECT",
  "UNESCAPE_AND_FORWARD",
] as const;
export const underscoresActions = ["", "ALLOW", "REJECT_REQUEST", "DROP_HEADER"] as const;

/** What proxies do with requests that can be read in more than one way. */
export interface RequestNormalization {
  readonly InsecureDisablePathNormalization: boolean;
  readonly MergeSlashes: boolean;
  readonly PathWithEscapedSlashesAction: (typeof escapedSlashesActions)[number];
  readonly HeadersWithUnderscoresAction: (typeof underscoresActions)[number];
}

/** What holds for every proxy; the only entry of this kind is named `mesh`. */
export interface MeshEntry extends EntryBase, ResolvedMeshConfig {
  readonly Kind: "mesh";
}

/** Mesh-wide defaults; the only entry of this kind is named `global`. `Config.protocol` is the default protocol. */
export interface ProxyDefaultsEntry extends EntryBase {
  readonly Kind: "proxy-defaults";
  readonly Config: Readonly<Record<string, unknown>>;
  readonly AccessLogs?: AccessLogs;
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
  /** Of the calls that the service makes. */
  readonly UpstreamConfig?: UpstreamConfig;
  /** Of the requests that each of its instances takes. */
  readonly RateLimits?: ServiceRateLimits;
  /** The only one of `EnvoyExtensions` that there is. */
  readonly ExtAuthz?: ExtAuthzExtension;
}

export type IntentionAction = "allow" | "deny";

export interface SourceIntention {
  /** A service name, or `*` for all of them. */
  readonly Name: string;
  /** Empty where there are permissions, of which the first that matches a request decides. */
  readonly Action: IntentionAction | "";
  readonly Permissions?: readonly IntentionPermission[];
  /** Set on writing from source and destination; 9, 8, 6 or 5 (see `intentionPrecedence`). */
  readonly Precedence: number;
  readonly Type: "consul";
  readonly Description: string;
  /** Of one that was made by `POST /v1/connect/intentions`: the UUID by which it is asked for. */
  readonly LegacyID?: string;
}

/** Who may call the service `Name` (`*` for all services); `Sources` is sorted by precedence, then name. */
export interface ServiceIntentionsEntry extends EntryBase {
  readonly Kind: "service-intentions";
  readonly Sources: readonly SourceIntention[];
  /** What every request to the service must show, whoever sends it. */
  readonly JWT?: IntentionJwt;
}

export type ConfigEntry =
  | JwtProviderEntry
  | KeptEntry
  | MeshEntry
  | ProxyDefaultsEntry
  | ServiceDefaultsEntry
  | ServiceIntentionsEntry
  | ServiceResolverEntry
  | ServiceRouterEntry
  | ServiceSplitterEntry;
export type ConfigEntryRecord = ConfigEntry & Indexed;

/** What a proxy wants to know of the `mesh` entry. */
export interface ResolvedMeshConfig {
  readonly SanitizeXForwardedClientCert: boolean;
  readonly RequestNormalization: RequestNormalization;
}

/** The settings that apply to one service after merging `proxy-defaults` under `service-defaults`. */
export interface ResolvedServiceConfig {
  readonly service: string;
  readonly protocol: Protocol;
  readonly localConnectTimeoutMs: number;
  readonly localRequestTimeoutMs: number;
  readonly maxInboundConnections: number;
  /** Settings of `proxy-defaults` for the proxies themselves, as they are written; absent when there are none. */
  readonly proxyDefaults?: Readonly<Record<string, unknown>>;
  /** Of the service's own calls, as its `service-defaults` has it. */
  readonly upstreamConfig?: UpstreamConfig;
  /** As its `service-defaults` has them. */
  readonly rateLimits?: ServiceRateLimits;
  /** As above. */
  readonly extAuthz?: ExtAuthzExtension;
  /** As `proxy-defaults` has them. */
  readonly accessLogs?: AccessLogs;
  /** Absent while there is no `mesh` entry. */
  readonly mesh?: ResolvedMeshConfig;
  /** Absent where no router, splitter or resolver says anything of the service's calls. */
  readonly chain?: DiscoveryChain;
}
