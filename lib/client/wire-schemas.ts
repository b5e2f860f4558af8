/**
 * The JSON that travels inside RPC messages, as schemas. Unknown fields pass, so that programs of different releases
 * understand each other; a known field of another type is refused before anything is done with it.
 */
import { type Static, type TSchema, Type } from "typebox";
import { Compile, type Validator } from "typebox/compile";
import { accessLogTypes } from "../contract/access-logs.ts";
import { ExtAuthzArgumentsSchema } from "../contract/ext-authz-extension.ts";
import { checkStatuses, serviceKinds } from "../contract/catalog.ts";
import type { DeregisterCommand, RegisterCommand } from "../contract/commands.ts";
import { escapedSlashesActions, protocols, underscoresActions } from "../contract/config-entries.ts";
import { AtollError } from "../contract/error-codes.ts";
import { formatIssues, schemaIssues } from "../contract/schema-issues.ts";
import { proxyExtraFields, upstreamExtraFields } from "../contract/proxy-registration.ts";
import { ServicePortSchema } from "../contract/service-ports.ts";
import { chainSchema } from "./wire-chain.ts";
import type { NodeRegistrations, Topic, TopicValues } from "../contract/topics.ts";

const text = Type.String();
const name = Type.String({ minLength: 1 });
const index = Type.Integer({ minimum: 0 });
const port = Type.Integer({ minimum: 0, maximum: 65_535 });
const textMap = Type.Record(text, text);
const openMap = Type.Record(text, Type.Unknown());
const indexed = { CreateIndex: index, ModifyIndex: index };
const action = Type.Enum(["allow", "deny"]);

const locality = Type.Optional(Type.Object({ Region: text, Zone: text }));

const nodeFields = {
  ID: text,
  Node: name,
  Address: text,
  Datacenter: text,
  TaggedAddresses: textMap,
  Meta: textMap,
  Locality: locality,
};

const upstream = Type.Object({
  DestinationType: Type.Enum(["service", "prepared_query"]),
  DestinationName: text,
  Datacenter: text,
  LocalBindAddress: text,
  LocalBindPort: port,
  Config: openMap,
  ...upstreamExtraFields,
});

const serviceFields = {
  Kind: Type.Enum([...serviceKinds]),
  ID: name,
  Service: name,
  Tags: Type.Array(text),
  Meta: textMap,
  Port: port,
  Ports: Type.Optional(Type.Array(ServicePortSchema)),
  SocketPath: Type.Optional(text),
  Address: text,
  TaggedAddresses: Type.Record(text, Type.Object({ Address: text, Port: port })),
  Weights: Type.Object({ Passing: Type.Integer(), Warning: Type.Integer() }),
  EnableTagOverride: Type.Boolean(),
  Proxy: Type.Optional(
    Type.Object({
      DestinationServiceName: text,
      DestinationServiceID: text,
      LocalServiceAddress: text,
      LocalServicePort: port,
      Config: openMap,
      Upstreams: Type.Array(upstream),
      ...proxyExtraFields,
    }),
  ),
  Connect: Type.Object({ Native: Type.Boolean() }),
  Locality: locality,
  Owner: Type.Optional(text),
};

const checkFields = {
  Node: name,
  CheckID: name,
  Name: text,
  Status: Type.Enum([...checkStatuses]),
  Notes: text,
  Output: text,
  ServiceID: text,
  ServiceName: text,
  ServiceTags: Type.Array(text),
  Type: text,
  Interval: text,
  Timeout: text,
  Definition: openMap,
  Owner: Type.Optional(text),
};

const node = Type.Object({ ...nodeFields, ...indexed });
const service = Type.Object({ ...serviceFields, ...indexed, Node: name });
const check = Type.Object({ ...checkFields, ...indexed });
const root = Type.Object({
  id: text,
  name: text,
  serialNumber: Type.Number(),
  signingKeyId: text,
  notBefore: text,
  notAfter: text,
  certPem: text,
  active: Type.Boolean(),
  intermediateCerts: Type.Optional(Type.Array(text)),
  trustedUntil: Type.Optional(text),
  privateKeyType: text,
  privateKeyBits: Type.Number(),
  createIndex: index,
  modifyIndex: index,
});

/** The command of a `Write`. Throws `INVALID_ARGUMENT` that names the field, as all decoders here do. */
export const decodeWriteCommand: Decoder<RegisterCommand | DeregisterCommand> = createDecoder("command", () =>
  Type.Union([
    Type.Object({
      type: Type.Literal("register"),
      node: Type.Object(nodeFields),
      skipNodeUpdate: Type.Boolean(),
      service: Type.Optional(Type.Object(serviceFields)),
      checks: Type.Array(Type.Object(checkFields)),
      isRepair: Type.Optional(Type.Boolean()),
    }),
    Type.Object({
      type: Type.Literal("deregister"),
      left: Type.Optional(Type.Object({ id: text, atMs: index })),
      node: name,
      serviceId: Type.Optional(name),
      checkId: Type.Optional(name),
    }),
  ]),
);

export const decodeNodeRegistrations: Decoder<NodeRegistrations> = createDecoder("answer to NodeRegistrations", () =>
  Type.Object({
    nodeIndex: index,
    node: Type.Optional(node),
    services: Type.Array(service),
    checks: Type.Array(check),
    withdrawn: Type.Optional(Type.Object({ services: Type.Array(text), checks: Type.Array(text) })),
  }),
);

const tokens = Type.Object({
  Providers: Type.Array(
    Type.Object({
      Name: name,
      VerifyClaims: Type.Array(Type.Object({ Path: Type.Array(text), Value: text })),
    }),
  ),
});

const jwtProvider = Type.Object({
  Name: name,
  Issuer: text,
  Audiences: Type.Array(text),
  JSONWebKeySet: Type.Union([
    Type.Object({ JWKS: text }),
    Type.Object({ Filename: text }),
    Type.Object({
      URI: text,
      RequestTimeoutMs: Type.Number(),
      CacheDurationMs: Type.Number(),
      FetchAsynchronously: Type.Boolean(),
      NumRetries: Type.Number(),
    }),
  ]),
  Locations: Type.Array(
    Type.Object({
      In: Type.Enum(["Header", "QueryParam", "Cookie"]),
      Name: text,
      ValuePrefix: text,
      Forward: Type.Boolean(),
    }),
  ),
  ForwardHeader: text,
  ClockSkewSeconds: Type.Number(),
});

const permission = Type.Object({
  JWT: Type.Optional(tokens),
  Action: action,
  HTTP: Type.Object({
    PathExact: text,
    PathPrefix: text,
    PathRegex: text,
    Header: Type.Array(
      Type.Object({
        Name: name,
        Present: Type.Boolean(),
        Exact: text,
        Prefix: text,
        Suffix: text,
        Contains: text,
        Regex: text,
        Invert: Type.Boolean(),
        IgnoreCase: Type.Boolean(),
      }),
    ),
    Methods: Type.Array(text),
  }),
});

const upstreamDefaults = {
  Protocol: Type.Enum(["", ...protocols]),
  ConnectTimeoutMs: Type.Number(),
  MaxConnections: Type.Number(),
  MaxPendingRequests: Type.Optional(Type.Number()),
  MaxConcurrentRequests: Type.Optional(Type.Number()),
  PassiveHealthCheck: Type.Optional(
    Type.Object({
      IntervalMs: Type.Number(),
      MaxFailures: Type.Number(),
      EnforcingConsecutive5xx: Type.Optional(Type.Number()),
      MaxEjectionPercent: Type.Optional(Type.Number()),
      BaseEjectionTimeMs: Type.Number(),
    }),
  ),
};

const rateLimit = { RequestsPerSecond: Type.Number(), RequestsMaxBurst: Type.Number() };

const topicDecoders: { readonly [K in Topic["kind"]]: Decoder<TopicValues[K]> } = {
  "connect-endpoints": createDecoder("value of topic connect-endpoints", () =>
    Type.Array(Type.Object({ Node: node, Service: service, Checks: Type.Array(check) })),
  ),
  intentions: createDecoder("value of topic intentions", () =>
    Type.Object({
      rules: Type.Array(
        Type.Object({
          sourceName: name,
          destinationName: name,
          action,
          permissions: Type.Optional(Type.Array(permission)),
          precedence: Type.Integer(),
          description: text,
        }),
      ),
      defaultAction: action,
      isDefaultSet: Type.Optional(Type.Boolean()),
      jwt: Type.Optional(tokens),
      jwtProviders: Type.Optional(Type.Array(jwtProvider)),
    }),
  ),
  "service-config": createDecoder("value of topic service-config", () =>
    Type.Object({
      service: name,
      protocol: Type.Enum([...protocols]),
      localConnectTimeoutMs: Type.Number(),
      localRequestTimeoutMs: Type.Number(),
      maxInboundConnections: Type.Number(),
      proxyDefaults: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
      chain: Type.Optional(chainSchema()),
      upstreamConfig: Type.Optional(
        Type.Object({
          Defaults: Type.Optional(Type.Object(upstreamDefaults)),
          Overrides: Type.Array(Type.Object({ ...upstreamDefaults, Name: name })),
        }),
      ),
      extAuthz: Type.Optional(Type.Object({ Required: Type.Boolean(), Arguments: ExtAuthzArgumentsSchema })),
      rateLimits: Type.Optional(
        Type.Object({
          InstanceLevel: Type.Object({
            ...rateLimit,
            Routes: Type.Array(Type.Object({ PathExact: text, PathPrefix: text, PathRegex: text, ...rateLimit })),
          }),
        }),
      ),
      accessLogs: Type.Optional(
        Type.Object({
          Enabled: Type.Boolean(),
          DisableListenerLogs: Type.Boolean(),
          Type: Type.Enum([...accessLogTypes]),
          Path: text,
          JSONFormat: text,
          TextFormat: text,
        }),
      ),
      mesh: Type.Optional(
        Type.Object({
          SanitizeXForwardedClientCert: Type.Boolean(),
          RequestNormalization: Type.Object({
            InsecureDisablePathNormalization: Type.Boolean(),
            MergeSlashes: Type.Boolean(),
            PathWithEscapedSlashesAction: Type.Enum([...escapedSlashesActions]),
            HeadersWithUnderscoresAction: Type.Enum([...underscoresActions]),
          }),
        }),
      ),
    }),
  ),
  "ca-roots": createDecoder("value of topic ca-roots", () =>
    Type.Object({ activeRootId: text, trustDomain: text, roots: Type.Array(root) }),
  ),
};

export function decodeTopicValue<K extends Topic["kind"]>(kind: K, json: Uint8Array): TopicValues[K] {
  return topicDecoders[kind](json);
}

export function encodeJson(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value), "utf8");
}

type Decoder<T> = (json: Uint8Array) => T;

/** The schema is compiled on first use: all of them at once would cost every start 30 ms. */
function createDecoder<Schema extends TSchema>(what: string, makeSchema: () => Schema): Decoder<Static<Schema>> {
  let compiled: Validator<Record<never, never>, Schema> | undefined;
  return (json) => {
    compiled ??= Compile(makeSchema());
    const value = parseJson(json, what);
    if (compiled.Check(value)) return value;
    throw new AtollError(
      "INVALID_ARGUMENT",
      `the ${what} is malformed: ${formatIssues(schemaIssues(compiled, value))}`,
    );
  };
}

function parseJson(json: Uint8Array, what: string): unknown {
  try {
    return JSON.parse(Buffer.from(json).toString("utf8"));
  } catch (cause) {
    throw new AtollError("INVALID_ARGUMENT", `the ${what} is not valid JSON`, { cause });
  }
}
