import { Type } from "typebox";
import type { Static } from "typebox";
import { checkStatuses, serviceKinds } from "../../lib/contract/catalog.ts";
import { proxyExtraFields, upstreamExtraFields } from "../../lib/contract/proxy-registration.ts";
import { ServicePortsBody } from "../../lib/contract/service-ports.ts";

/**
 * Bodies of `/v1/catalog/register` and `/deregister`. Everything is optional to the schema: what must be there has a
 * sentence of its own in register-command.ts, worded as Consul words it.
 */
const Text = Type.Optional(Type.String());
const Flag = Type.Optional(Type.Boolean());
const Port = Type.Optional(Type.Integer({ minimum: 0, maximum: 65_535 }));
const TextMap = Type.Optional(Type.Record(Type.String(), Type.String()));
const OpenMap = Type.Optional(Type.Record(Type.String(), Type.Unknown()));

const LocalityBody = Type.Optional(Type.Object({ Region: Text, Zone: Text }));
export type LocalityBody = Static<typeof LocalityBody>;

const UpstreamBody = Type.Object({
  DestinationType: Type.Optional(Type.Enum(["", "service", "prepared_query"])),
  DestinationName: Text,
  Datacenter: Text,
  LocalBindAddress: Text,
  LocalBindPort: Port,
  Config: OpenMap,
  ...upstreamExtraFields,
});

const ProxyBody = Type.Object({
  DestinationServiceName: Text,
  DestinationServiceID: Text,
  LocalServiceAddress: Text,
  LocalServicePort: Port,
  Config: OpenMap,
  Upstreams: Type.Optional(Type.Array(UpstreamBody, { maxItems: 1_000 })),
  ...proxyExtraFields,
});

export const ServiceBody = Type.Object({
  Kind: Type.Optional(Type.Enum([...serviceKinds])),
  ID: Text,
  Service: Text,
  Tags: Type.Optional(Type.Array(Type.String(), { maxItems: 1_024 })),
  Meta: TextMap,
  Port,
  Ports: ServicePortsBody,
  Address: Text,
  TaggedAddresses: Type.Optional(Type.Record(Type.String(), Type.Object({ Address: Text, Port }))),
  Weights: Type.Optional(
    Type.Object({
      Passing: Type.Optional(Type.Integer({ minimum: 0, maximum: 65_535 })),
      Warning: Type.Optional(Type.Integer({ minimum: 0, maximum: 65_535 })),
    }),
  ),
  EnableTagOverride: Flag,
  Proxy: Type.Optional(ProxyBody),
  Connect: Type.Optional(Type.Object({ Native: Flag })),
  SocketPath: Text,
  Locality: LocalityBody,
});
export type ServiceBody = Static<typeof ServiceBody>;

export const CheckBody = Type.Object({
  Node: Text,
  CheckID: Text,
  Name: Text,
  Status: Type.Optional(Type.Enum(["", ...checkStatuses])),
  Notes: Text,
  Output: Text,
  ServiceID: Text,
  ServiceName: Text,
  Type: Text,
  Interval: Text,
  Timeout: Text,
  Definition: OpenMap,
});
export type CheckBody = Static<typeof CheckBody>;

export const RegisterBody = Type.Object({
  Datacenter: Text,
  ID: Text,
  Node: Text,
  Address: Text,
  TaggedAddresses: TextMap,
  NodeMeta: TextMap,
  Service: Type.Optional(ServiceBody),
  Check: Type.Optional(CheckBody),
  Checks: Type.Optional(Type.Array(CheckBody, { maxItems: 1_024 })),
  SkipNodeUpdate: Flag,
  Locality: LocalityBody,
});
export type RegisterBody = Static<typeof RegisterBody>;

export const DeregisterBody = Type.Object({ Datacenter: Text, Node: Text, ServiceID: Text, CheckID: Text });
export type DeregisterBody = Static<typeof DeregisterBody>;
