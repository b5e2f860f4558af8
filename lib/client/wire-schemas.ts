/**
 * The JSON that travels inside RPC messages, as schemas. Unknown fields pass, so that programs of different releases
 * understand each other; a known field of another type is refused before anything is done with it.
 */
import { Type } from "typebox";
import { Compile } from "typebox/compile";
import { checkStatuses, serviceKinds } from "../contract/catalog.ts";
import type { DeregisterCommand, RegisterCommand } from "../contract/commands.ts";
import { protocols } from "../contract/config-entries.ts";
import { AtollError } from "../contract/error-codes.ts";
import { formatIssues, schemaIssues } from "../contract/schema-issues.ts";
import type { NodeRegistrations, Topic, TopicValues } from "../contract/topics.ts";

const text = Type.String();
const name = Type.String({ minLength: 1 });
const index = Type.Integer({ minimum: 0 });
const port = Type.Integer({ minimum: 0, maximum: 65_535 });
const textMap = Type.Record(text, text);
const openMap = Type.Record(text, Type.Unknown());
const indexed = { CreateIndex: index, ModifyIndex: index };
const action = Type.Enum(["allow", "deny"]);

const nodeFields = {
  ID: text,
  Node: name,
  Address: text,
  Datacenter: text,
  TaggedAddresses: textMap,
  Meta: textMap,
};

const upstream = Type.Object({
  DestinationType: Type.Enum(["service", "prepared_query"]),
  DestinationName: text,
  Datacenter: text,
  LocalBindAddress: text,
  LocalBindPort: port,
  Config: openMap,
});

const serviceFields = {
  Kind: Type.Enum([...serviceKinds]),
  ID: name,
  Service: name,
  Tags: Type.Array(text),
  Meta: textMap,
  Port: port,
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
    }),
  ),
  Connect: Type.Object({ Native: Type.Boolean() }),
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
};

const node = Type.Object({ ...nodeFields, ...indexed });
const service = Type.Object({ ...serviceFields, ...indexed, Node: name });
const check = Type.Object({ ...checkFields, ...indexed });

const writeCommand = Compile(
  Type.Union([
    Type.Object({
      type: Type.Literal("register"),
      node: Type.Object(nodeFields),
      skipNodeUpdate: Type.Boolean(),
      service: Type.Optional(Type.Object(serviceFields)),
      checks: Type.Array(Type.Object(checkFields)),
    }),
    Type.Object({
      type: Type.Literal("deregister"),
      node: name,
      serviceId: Type.Optional(name),
      checkId: Type.Optional(name),
    }),
  ]),
);

const nodeRegistrations = Compile(
  Type.Object({ nodeIndex: index, services: Type.Array(service), checks: Type.Array(check) }),
);

const topicValidators = {
  "connect-endpoints": Compile(Type.Array(Type.Object({ Node: node, Service: service, Checks: Type.Array(check) }))),
  intentions: Compile(
    Type.Object({
      rules: Type.Array(
        Type.Object({ sourceName: name, destinationName: name, action, precedence: Type.Integer(), description: text }),
      ),
      defaultAction: action,
    }),
  ),
  "service-config": Compile(
    Type.Object({
      service: name,
      protocol: Type.Enum([...protocols]),
      localConnectTimeoutMs: Type.Number(),
      localRequestTimeoutMs: Type.Number(),
      maxInboundConnections: Type.Number(),
    }),
  ),
  "ca-roots": Compile(
    Type.Object({
      activeRootId: text,
      trustDomain: text,
      roots: Type.Array(
        Type.Object({
          id: text,
          name: text,
          serialNumber: Type.Number(),
          signingKeyId: text,
          notBefore: text,
          notAfter: text,
          certPem: text,
          active: Type.Boolean(),
          privateKeyType: text,
          privateKeyBits: Type.Number(),
          createIndex: index,
          modifyIndex: index,
        }),
      ),
    }),
  ),
};

type AnyValidator = Parameters<typeof schemaIssues>[0];

/** The command of a `Write`. Throws `INVALID_ARGUMENT` that names the field. */
export function decodeWriteCommand(json: Uint8Array): RegisterCommand | DeregisterCommand {
  return decode<RegisterCommand | DeregisterCommand>(json, writeCommand, "command");
}

export function decodeNodeRegistrations(json: Uint8Array): NodeRegistrations {
  return decode<NodeRegistrations>(json, nodeRegistrations, "answer to NodeRegistrations");
}

/** The value of a topic. Throws `INVALID_ARGUMENT` that names the field. */
export function decodeTopicValue<K extends Topic["kind"]>(kind: K, json: Uint8Array): TopicValues[K] {
  return decode<TopicValues[K]>(json, topicValidators[kind], `value of topic ${kind}`);
}

export function encodeJson(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value), "utf8");
}

function decode<T>(json: Uint8Array, validator: AnyValidator, what: string): T {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(json).toString("utf8"));
  } catch (cause) {
    throw new AtollError("INVALID_ARGUMENT", `the ${what} is not valid JSON`, { cause });
  }
  if (!validator.Check(value)) {
    throw new AtollError(
      "INVALID_ARGUMENT",
      `the ${what} is malformed: ${formatIssues(schemaIssues(validator, value))}`,
    );
  }
  // The schema of T was just checked.
  return value as T;
}
