import { Type } from "typebox";
import type { Static } from "typebox";
import { Compile } from "typebox/compile";

/**
 * The shape of a service or check as people write it, in Consul's field names. Everything is optional here: what must be
 * there, and what fits together, are rules with sentences of their own (decode-service.ts, decode-check.ts). Fields of
 * Consul that this version cannot honour are listed too, so that they are refused by name instead of being ignored.
 */
const optional = Type.Optional;
const Text = optional(Type.String({ maxLength: 4_096 }));
const Flag = optional(Type.Boolean());
const Count = optional(Type.Integer({ minimum: 0, maximum: 1_000_000 }));
const Port = optional(Type.Integer({ minimum: 0, maximum: 65_535 }));
const TextList = optional(Type.Array(Type.String({ maxLength: 1_024 }), { maxItems: 1_024 }));
const TextMap = optional(Type.Record(Type.String(), Type.String()));
const OpenMap = optional(Type.Record(Type.String(), Type.Unknown()));
/** Text or nanoseconds: read by durations.ts, which words the error better than a union could. */
const Duration = optional(Type.Unknown());
const Unsupported = optional(Type.Unknown());

export const CheckSchema = Type.Object({
  ID: Text,
  CheckID: Text,
  Name: Text,
  Notes: Text,
  ServiceID: Text,
  Status: optional(Type.Enum(["", "passing", "warning", "critical"])),
  HTTP: Text,
  Method: Text,
  Header: optional(Type.Record(Type.String(), Type.Array(Type.String()))),
  Body: optional(Type.String({ maxLength: 65_536 })),
  TLSSkipVerify: Flag,
  TLSServerName: Text,
  DisableRedirects: Flag,
  TCP: Text,
  TTL: Duration,
  AliasNode: Text,
  AliasService: Text,
  Interval: Duration,
  Timeout: Duration,
  SuccessBeforePassing: Count,
  FailuresBeforeWarning: Count,
  FailuresBeforeCritical: Count,
  DeregisterCriticalServiceAfter: Duration,
  OutputMaxSize: Count,
  GRPC: Unsupported,
  GRPCUseTLS: Unsupported,
  UDP: Unsupported,
  H2PING: Unsupported,
  Script: Unsupported,
  ScriptArgs: Unsupported,
  Args: Unsupported,
  Shell: Unsupported,
  DockerContainerID: Unsupported,
  OSService: Unsupported,
  TCPUseTLS: Unsupported,
});
export type RawCheck = Static<typeof CheckSchema>;

const UpstreamSchema = Type.Object({
  DestinationType: optional(Type.Enum(["", "service", "prepared_query"])),
  DestinationName: Text,
  Datacenter: Text,
  LocalBindAddress: Text,
  LocalBindPort: Port,
  Config: OpenMap,
  DestinationPeer: Unsupported,
  LocalBindSocketPath: Unsupported,
  LocalBindSocketMode: Unsupported,
  MeshGateway: optional(Type.Object({ Mode: Text })),
});
export type RawUpstream = Static<typeof UpstreamSchema>;

export const ProxySchema = Type.Object({
  DestinationServiceName: Text,
  DestinationServiceID: Text,
  LocalServiceAddress: Text,
  LocalServicePort: Port,
  Config: OpenMap,
  Upstreams: optional(Type.Array(UpstreamSchema, { maxItems: 1_000 })),
  LocalServiceSocketPath: Unsupported,
  Mode: Text,
  TransparentProxy: Unsupported,
  Expose: Unsupported,
  MeshGateway: optional(Type.Object({ Mode: Text })),
});
export type RawProxy = Static<typeof ProxySchema>;

const WeightsSchema = Type.Object({
  Passing: optional(Type.Integer({ minimum: 1, maximum: 65_535 })),
  Warning: optional(Type.Integer({ minimum: 0, maximum: 65_535 })),
});

const TaggedAddressMap = optional(Type.Record(Type.String(), Type.Object({ Address: Text, Port })));

/** What a service and a sidecar have in common. */
const instanceFields = {
  Kind: Text,
  ID: Text,
  Name: Text,
  Tags: TextList,
  Meta: TextMap,
  Address: Text,
  Port,
  TaggedAddresses: TaggedAddressMap,
  Weights: optional(WeightsSchema),
  EnableTagOverride: Flag,
  Proxy: optional(ProxySchema),
  Check: optional(CheckSchema),
  Checks: optional(Type.Array(CheckSchema, { maxItems: 256 })),
  Locality: optional(Type.Object({ Region: Text, Zone: Text })),
  Ports: Unsupported,
  SocketPath: Unsupported,
};

/** A sidecar's own `Connect` is an error that deserves its own sentence, hence unknown. */
const SidecarSchema = Type.Object({ ...instanceFields, Connect: optional(Type.Unknown()) });
export type RawSidecar = Static<typeof SidecarSchema>;

export const ServiceSchema = Type.Object({
  Token: Text,
  ...instanceFields,
  Connect: optional(Type.Object({ Native: Flag, SidecarService: optional(SidecarSchema) })),
});
export type RawService = Static<typeof ServiceSchema>;
export type RawInstance = Omit<RawSidecar, "Connect">;

export const checkValidator = Compile(CheckSchema);
export const serviceValidator = Compile(ServiceSchema);
