import {
  boolean,
  from,
  list,
  mapOf,
  number,
  type ShapeFields,
  struct,
  structs,
  text,
  textMap,
} from "../base/filter-shape.ts";

/**
 * What filter expressions may select of the catalog's records, by the names of Consul's structs. What Consul has and we do not
 * is there with its zero value, so that an expression that Consul takes is taken here. Indexes, localities and opaque
 * configurations are no fields, as in Consul.
 */
export const nodeFields: ShapeFields = {
  ID: text,
  Node: text,
  Address: text,
  Datacenter: text,
  TaggedAddresses: textMap,
  Meta: textMap,
  PeerName: text,
};

const address = struct({ Address: text, Port: number });
const meshGateway = struct({ Mode: text });
const exposed = struct({
  Checks: boolean,
  Paths: structs({ ListenerPort: number, LocalPathPort: number, ParsedFromCheck: boolean, Path: text, Protocol: text }),
});

const proxy = struct({
  DestinationServiceName: text,
  DestinationServiceID: text,
  LocalServiceAddress: text,
  LocalServicePort: number,
  LocalServiceSocketPath: text,
  Mode: text,
  TransparentProxy: struct({ OutboundListenerPort: number, DialedDirectly: boolean }),
  MeshGateway: meshGateway,
  Expose: exposed,
  Upstreams: structs({
    Datacenter: text,
    DestinationName: text,
    DestinationNamespace: text,
    DestinationPartition: text,
    DestinationPeer: text,
    DestinationType: text,
    LocalBindAddress: text,
    LocalBindPort: number,
    LocalBindSocketPath: text,
    LocalBindSocketMode: text,
    CentrallyConfigured: boolean,
    MeshGateway: meshGateway,
  }),
});

const weights = struct({ Passing: number, Warning: number });

/** A service as part of its node. */
export const serviceFields: ShapeFields = {
  Kind: text,
  ID: text,
  Service: text,
  Tags: list,
  Meta: textMap,
  Port: number,
  Address: text,
  SocketPath: text,
  TaggedAddresses: mapOf(address),
  Weights: weights,
  EnableTagOverride: boolean,
  Proxy: proxy,
  Connect: struct({ Native: boolean }),
  PeerName: text,
};

export const checkFields: ShapeFields = {
  Node: text,
  CheckID: text,
  Name: text,
  Status: text,
  Notes: text,
  Output: text,
  ServiceID: text,
  ServiceName: text,
  ServiceTags: list,
  Type: text,
  Interval: text,
  Timeout: text,
  ExposedPort: number,
  PeerName: text,
};

/** An instance as `/v1/health/service` shows it. */
export const instanceFields: ShapeFields = {
  Node: struct(nodeFields),
  Service: struct(serviceFields),
  Checks: structs(checkFields),
};

/** An instance as `/v1/catalog/service` shows it: the service's fields, prefixed, beside its node's. */
export const serviceNodeFields: ShapeFields = {
  ...Object.fromEntries(["ID", "Node", "Address", "Datacenter"].map((name) => [name, from(["Node", name], text)])),
  TaggedAddresses: from(["Node", "TaggedAddresses"], textMap),
  NodeMeta: from(["Node", "Meta"], textMap),
  ServiceName: from(["Service", "Service"], text),
  ...Object.fromEntries(
    Object.entries(serviceFields).flatMap(([name, shape]) =>
      name === "Service" || name === "PeerName" ? [] : [[`Service${name}`, from(["Service", name], shape)]],
    ),
  ),
  PeerName: from(["Node", "PeerName"], text),
};

export const memberFields: ShapeFields = {
  Name: text,
  Addr: text,
  Port: number,
  Tags: textMap,
  Status: number,
  ProtocolMin: number,
  ProtocolMax: number,
  ProtocolCur: number,
  DelegateMin: number,
  DelegateMax: number,
  DelegateCur: number,
};
