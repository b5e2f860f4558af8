/** Answers of the catalog's routes as DNS sees them. What is not of the shape it should be is left out. */
import { type Static, type TSchema, Type } from "typebox";
import { Compile, type Validator } from "typebox/compile";
import { addressBytes } from "../addresses.ts";
import type { AddressHolders, DnsEndpoint, DnsInstance, DnsNode, PreparedAnswer } from "../dns-catalog.ts";
import { foldCase, labelsOfText } from "../wire/name.ts";
import type { Decode } from "./watched-reads.ts";

const Text = Type.String();
const NodeSchema = Type.Object({
  Node: Text,
  Address: Text,
  Datacenter: Type.Optional(Text),
  TaggedAddresses: Type.Optional(Type.Union([Type.Record(Text, Text), Type.Null()])),
  Meta: Type.Optional(Type.Union([Type.Record(Text, Text), Type.Null()])),
});
const TaggedAddress = Type.Object({ Address: Text });
const EntrySchema = Type.Object({
  Node: NodeSchema,
  Service: Type.Object({
    Service: Text,
    Tags: Type.Optional(Type.Union([Type.Array(Text), Type.Null()])),
    Address: Type.Optional(Text),
    Port: Type.Optional(Type.Integer()),
    Ports: Type.Optional(Type.Union([Type.Array(Type.Object({ Name: Text, Port: Type.Integer() })), Type.Null()])),
    TaggedAddresses: Type.Optional(Type.Union([Type.Record(Text, TaggedAddress), Type.Null()])),
    Weights: Type.Optional(Type.Object({ Passing: Type.Integer(), Warning: Type.Integer() })),
  }),
  Checks: Type.Optional(Type.Union([Type.Array(Type.Object({ Status: Text })), Type.Null()])),
});
type EntryJson = Static<typeof EntrySchema>;
const VirtualSchema = Type.Object({ Offset: Type.Integer() });
const Holder = Type.Object({ Name: Text, Datacenter: Text });
const HoldersSchema = Type.Object({ Node: Type.Optional(Holder), Services: Type.Array(Holder) });
const PreparedSchema = Type.Object({
  Service: Text,
  Nodes: Type.Union([Type.Array(Type.Unknown()), Type.Null()]),
  DNS: Type.Optional(Type.Object({ TTL: Type.Optional(Type.Union([Text, Type.Integer()])) })),
});

const entryValidator = Compile(EntrySchema);
const nodeValidator = Compile(Type.Object({ Node: NodeSchema }));
const virtualValidator = Compile(VirtualSchema);
const holdersValidator = Compile(HoldersSchema);
const capitalNamesValidator = Compile(Type.Object({ Services: Type.Array(Text), Nodes: Type.Array(Text) }));
const preparedValidator = Compile(PreparedSchema);

/** Entries of `/v1/health/service/:name` and its kin. */
export const decodeInstances: Decode<readonly DnsInstance[]> = (json) => {
  const entries = listOf(json);
  return { value: instancesOf(entries), isAbsent: entries.length === 0 };
};

/** `/v1/catalog/node/:name`. */
export const decodeNode: Decode<DnsNode | undefined> = (json) => {
  const checked = checkedBy(nodeValidator, json);
  return { value: checked === undefined ? undefined : nodeOf(checked.Node), isAbsent: checked === undefined };
};

/** Names that are not in lower case, by what they are in lower case. */
export interface CapitalNames {
  readonly services: ReadonlyMap<string, string>;
  readonly nodes: ReadonlyMap<string, string>;
}

/** `/v1/internal/capital-names`. */
export const decodeCapitalNames: Decode<CapitalNames> = (json) => {
  const checked = checkedBy(capitalNamesValidator, json);
  const folded = (names: readonly string[] = []) => new Map(names.map((name) => [foldCase(name), name]));
  return { value: { services: folded(checked?.Services), nodes: folded(checked?.Nodes) }, isAbsent: false };
};

/** `/v1/catalog/datacenters`. */
export const decodeDatacenters: Decode<ReadonlySet<string>> = (json) => ({
  value: new Set(listOf(json).filter((name) => typeof name === "string")),
  isAbsent: false,
});

export const decodeVirtualOffset: Decode<number | undefined> = (json) => {
  const offset = checkedBy(virtualValidator, json)?.Offset;
  return { value: offset, isAbsent: offset === undefined };
};

export const decodeHolders: Decode<AddressHolders> = (json) => {
  const checked = checkedBy(holdersValidator, json);
  const node = checked?.Node;
  const services = checked?.Services ?? [];
  return {
    value: {
      ...(node !== undefined && { node: { name: node.Name, datacenter: node.Datacenter } }),
      services: services.map(({ Name, Datacenter }) => ({ name: Name, datacenter: Datacenter })),
    },
    isAbsent: node === undefined && services.length === 0,
  };
};

/** `/v1/query/:name/execute`. */
export const decodePrepared: Decode<PreparedAnswer | undefined> = (json) => {
  const checked = checkedBy(preparedValidator, json);
  if (checked === undefined) return { value: undefined, isAbsent: true };
  const ttlS = secondsOf(checked.DNS?.TTL);
  const instances = instancesOf(checked.Nodes ?? []);
  return {
    value: { service: checked.Service, instances, ...(ttlS !== undefined && { ttlS }) },
    isAbsent: false,
  };
};

/** Critical ones are left out: a name leads nobody to what does not work. */
function instancesOf(entries: readonly unknown[]): readonly DnsInstance[] {
  const nodes = new Map<string, DnsNode>();
  return entries.flatMap((raw) => {
    const entry = checkedBy(entryValidator, raw);
    if (entry === undefined) return [];
    const statuses = (entry.Checks ?? []).map((check) => check.Status);
    if (statuses.includes("critical") || statuses.includes("maintenance")) return [];
    const node = nodes.get(entry.Node.Node) ?? nodeOf(entry.Node);
    nodes.set(entry.Node.Node, node);
    return [instanceOf(entry, node, !statuses.includes("warning"))];
  });
}

function instanceOf({ Service: service }: EntryJson, node: DnsNode, isPassing: boolean): DnsInstance {
  const endpoint = endpointOf(service.Address ?? "", {
    ipv4: service.TaggedAddresses?.["lan_ipv4"]?.Address,
    ipv6: service.TaggedAddresses?.["lan_ipv6"]?.Address,
  });
  const weight = isPassing ? service.Weights?.Passing : service.Weights?.Warning;
  const ports = service.Ports ?? [];
  return {
    node,
    service: service.Service,
    ...(endpoint !== undefined && { endpoint }),
    port: uint16(service.Port ?? 0),
    ...(ports.length > 0 && { ports: new Map(ports.map(({ Name, Port }) => [Name.toLowerCase(), uint16(Port)])) }),
    tags: (service.Tags ?? []).map((tag) => tag.toLowerCase()),
    isPassing,
    weight: uint16(weight ?? 1),
  };
}

function nodeOf(node: Static<typeof NodeSchema>): DnsNode {
  const tagged = { ipv4: node.TaggedAddresses?.["lan_ipv4"], ipv6: node.TaggedAddresses?.["lan_ipv6"] };
  return {
    name: node.Node,
    datacenter: node.Datacenter ?? "",
    meta: Object.entries(node.Meta ?? {}),
    endpoint: endpointOf(node.Address, tagged) ?? {},
  };
}

/** The address as it is, and of the other family the tagged one; undefined for none at all. */
function endpointOf(
  address: string,
  tagged: { readonly ipv4: string | undefined; readonly ipv6: string | undefined },
): DnsEndpoint | undefined {
  if (address === "") return undefined;
  const own = addressBytes(address);
  if (own === undefined) {
    const labels = labelsOfText(address);
    // It goes into answers, so it has to be a name.
    return labels === undefined || labels.length === 0 ? undefined : { hostName: labels.join(".") };
  }
  const ipv4 = own.length === 4 ? own : addressBytes(tagged.ipv4 ?? "");
  const ipv6 = own.length === 16 ? own : addressBytes(tagged.ipv6 ?? "");
  return {
    ...(ipv4?.length === 4 && { ipv4 }),
    ...(ipv6?.length === 16 && { ipv6 }),
  };
}

function secondsOf(ttl: string | number | undefined): number | undefined {
  const match = typeof ttl === "string" ? /^(\d{1,9})(s|m|h)?$/.exec(ttl) : null;
  if (match === null) return undefined;
  return Number(match[1]) * ({ s: 1, m: 60, h: 3_600 }[match[2] ?? "s"] ?? 1);
}

function uint16(value: number): number {
  return Math.min(Math.max(value, 0), 0xffff);
}

function listOf(json: unknown): readonly unknown[] {
  return Array.isArray(json) ? json : [];
}

function checkedBy<T extends TSchema>(
  validator: Validator<Record<string, never>, T>,
  json: unknown,
): Static<T> | undefined {
  return validator.Check(json) ? json : undefined;
}
