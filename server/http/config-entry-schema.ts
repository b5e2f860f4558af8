import { Type } from "typebox";
import type { Static } from "typebox";
import { type ConfigEntryKind, escapedSlashesActions, underscoresActions } from "../../lib/contract/config-entries.ts";
import { maxHeaders, maxPermissions } from "../../lib/contract/intention-permissions.ts";
import { AccessLogsBody } from "./access-logs-body.ts";
import { Anything, common, Count, Flag, OpenMap, Text } from "./entry-fields.ts";
import { EnvoyExtensionsBody } from "./envoy-extensions-body.ts";
import { IntentionJwtBody } from "./intention-jwt-body.ts";
import { RateLimitsBody } from "./rate-limits-body.ts";
import { UpstreamConfigBody } from "./upstream-config-body.ts";

/** Config entries as Consul's clients write them, one schema per kind; rules with sentences are in the decoder. */
const RequestNormalizationBody = Type.Object({
  InsecureDisablePathNormalization: Flag,
  MergeSlashes: Flag,
  PathWithEscapedSlashesAction: Type.Optional(Type.Enum([...escapedSlashesActions])),
  HeadersWithUnderscoresAction: Type.Optional(Type.Enum([...underscoresActions])),
});

export const MeshBody = Type.Object({
  ...common,
  HTTP: Type.Optional(
    Type.Object({
      SanitizeXForwardedClientCert: Flag,
      Incoming: Type.Optional(Type.Object({ RequestNormalization: Type.Optional(RequestNormalizationBody) })),
    }),
  ),
  TransparentProxy: Anything,
  AllowEnablingPermissiveMutualTLS: Anything,
  ValidateClusters: Anything,
  TLS: Anything,
  Peering: Anything,
});

export const ProxyDefaultsBody = Type.Object({
  ...common,
  Config: OpenMap,
  Mode: Anything,
  TransparentProxy: Anything,
  MutualTLSMode: Anything,
  MeshGateway: Anything,
  Expose: Anything,
  AccessLogs: AccessLogsBody,
  EnvoyExtensions: Anything,
  FailoverPolicy: Anything,
  PrioritizeByLocality: Anything,
});

export const ServiceDefaultsBody = Type.Object({
  ...common,
  Protocol: Text,
  MaxInboundConnections: Count,
  LocalConnectTimeoutMs: Count,
  LocalRequestTimeoutMs: Count,
  Mode: Anything,
  TransparentProxy: Anything,
  MutualTLSMode: Anything,
  MeshGateway: Anything,
  Expose: Anything,
  ExternalSNI: Anything,
  UpstreamConfig: UpstreamConfigBody,
  Destination: Anything,
  BalanceInboundConnections: Anything,
  RateLimits: RateLimitsBody,
  EnvoyExtensions: EnvoyExtensionsBody,
});

const HeaderBody = Type.Object({
  Name: Text,
  Present: Flag,
  Exact: Text,
  Prefix: Text,
  Suffix: Text,
  Contains: Text,
  Regex: Text,
  Invert: Flag,
  IgnoreCase: Flag,
});
export type HeaderBody = Static<typeof HeaderBody>;

const HttpPermissionBody = Type.Object({
  PathExact: Text,
  PathPrefix: Text,
  PathRegex: Text,
  Header: Type.Optional(Type.Array(HeaderBody, { maxItems: maxHeaders })),
  Methods: Type.Optional(Type.Array(Type.String())),
});
export type HttpPermissionBody = Static<typeof HttpPermissionBody>;

const PermissionBody = Type.Object({
  Action: Text,
  HTTP: Type.Optional(HttpPermissionBody),
  JWT: IntentionJwtBody,
});
export type PermissionBody = Static<typeof PermissionBody>;
export const PermissionsBody = Type.Optional(Type.Array(PermissionBody, { maxItems: maxPermissions }));

const SourceBody = Type.Object({
  Name: Text,
  Action: Text,
  Permissions: PermissionsBody,
  Precedence: Anything,
  Type: Text,
  Description: Text,
  Namespace: Text,
  Partition: Text,
  Peer: Anything,
  SamenessGroup: Anything,
  LegacyID: Text,
  LegacyMeta: Anything,
  LegacyCreateTime: Anything,
  LegacyUpdateTime: Anything,
});
export type SourceBody = Static<typeof SourceBody>;

export const ServiceIntentionsBody = Type.Object({
  ...common,
  Sources: Type.Optional(Type.Array(SourceBody, { maxItems: 4_096 })),
  JWT: IntentionJwtBody,
});

/**
 * Fields of Consul that this version cannot honour: accepted while they say nothing, or what happens anyway, and refused
 * by name otherwise.
 */
export const unsupportedFields: Readonly<Partial<Record<ConfigEntryKind, readonly string[]>>> = {
  mesh: ["TransparentProxy", "AllowEnablingPermissiveMutualTLS", "ValidateClusters", "TLS", "Peering"],
  "proxy-defaults": [
    "Mode",
    "TransparentProxy",
    "MutualTLSMode",
    "MeshGateway",
    "Expose",
    "EnvoyExtensions",
    "FailoverPolicy",
    "PrioritizeByLocality",
  ],
  "service-defaults": [
    "Mode",
    "TransparentProxy",
    "MutualTLSMode",
    "MeshGateway",
    "Expose",
    "ExternalSNI",
    "Destination",
    "BalanceInboundConnections",
  ],
  "service-resolver": ["PrioritizeByLocality"],
};

/** Kinds that Consul knows and nobody can write: those of its enterprise edition, and what its servers write themselves. */
export const foreignKinds: readonly string[] = ["bound-api-gateway", "sameness-group"];
