import { Type } from "typebox";
import { commandGroup } from "../subcommands.ts";
import { formatTable } from "../table.ts";
import { clientCommand, mustBe, pairs } from "./client-command.ts";

const nothingFound = (what: string): string => `No ${what} match the given query - try expanding your search.\n`;

const datacenters = clientCommand({
  synopsis: "catalog datacenters [options]",
  summary: "List all known datacenters.",
  flags: {},
  async run({ api, io }) {
    const answer = await api.json({ method: "GET", path: "/v1/catalog/datacenters" });
    for (const name of mustBe(Type.Array(Type.String()), answer, "a list of datacenters")) io.stdout(`${name}\n`);
    return 0;
  },
});

const StringMap = Type.Optional(Type.Union([Type.Record(Type.String(), Type.String()), Type.Null()]));
const Nodes = Type.Array(
  Type.Object({
    ID: Type.Optional(Type.String()),
    Node: Type.String(),
    Address: Type.String(),
    Datacenter: Type.Optional(Type.String()),
    TaggedAddresses: StringMap,
    Meta: StringMap,
    NodeMeta: StringMap,
  }),
);

const shownIdLength = 8;

const nodes = clientCommand({
  synopsis: "catalog nodes [options]",
  summary: "List all nodes.",
  flags: {
    detailed: { type: "boolean", summary: "Print all of the ID, the tagged addresses and the metadata too." },
    near: {
      type: "string",
      placeholder: "node",
      summary: "Put nodes near this one first; _agent for the agent's own.",
    },
    "node-meta": {
      type: "string",
      placeholder: "key=value",
      multiple: true,
      summary: "Only nodes with this metadata.",
    },
    service: { type: "string", placeholder: "name", summary: "Only nodes with an instance of this service." },
    filter: { type: "string", placeholder: "expression", summary: "Only nodes that this expression holds for." },
  },
  async run({ api, flags, io }) {
    const path =
      flags.service === undefined ? "/v1/catalog/nodes" : `/v1/catalog/service/${encodeURIComponent(flags.service)}`;
    const query = [
      ...Object.entries(pairs("node-meta", flags["node-meta"])).map(([key, value]) => ["node-meta", `${key}:${value}`]),
      ...(flags.near === undefined ? [] : [["near", flags.near]]),
      ...(flags.filter === undefined ? [] : [["filter", flags.filter]]),
    ];
    const answer = await api.json({ method: "GET", path, query });
    const seen = new Set<string>();
    const list = mustBe(Nodes, answer, "a list of nodes").filter(({ Node }) => !seen.has(Node) && seen.add(Node));
    if (list.length === 0) {
      io.stdout(nothingFound("nodes"));
      return 0;
    }
    const isDetailed = flags.detailed === true;
    io.stdout(
      formatTable([
        ["Node", "ID", "Address", "DC", ...(isDetailed ? ["TaggedAddresses", "Meta"] : [])],
        ...list.map((node) => [
          node.Node,
          isDetailed ? (node.ID ?? "") : (node.ID ?? "").slice(0, shownIdLength),
          node.Address,
          node.Datacenter ?? "",
          ...(isDetailed ? [listed(node.TaggedAddresses), listed(node.NodeMeta ?? node.Meta)] : []),
        ]),
      ]),
    );
    return 0;
  },
});

const Services = Type.Record(Type.String(), Type.Array(Type.String()));
const NodeServices = Type.Union([
  Type.Null(),
  Type.Object({
    Services: Type.Record(
      Type.String(),
      Type.Object({
        Service: Type.String(),
        Tags: Type.Optional(Type.Union([Type.Array(Type.String()), Type.Null()])),
      }),
    ),
  }),
]);

const services = clientCommand({
  synopsis: "catalog services [options]",
  summary: "List all services.",
  flags: {
    node: { type: "string", placeholder: "node", summary: "Only services of this node, by its name or ID." },
    "node-meta": {
      type: "string",
      placeholder: "key=value",
      multiple: true,
      summary: "Only services of nodes with this metadata.",
    },
    tags: { type: "boolean", summary: "Print the tags of each service too." },
    filter: { type: "string", placeholder: "expression", summary: "Only services that this expression holds for." },
  },
  async run({ api, flags, io }) {
    const meta = Object.entries(pairs("node-meta", flags["node-meta"])).map(([key, value]) => [
      "node-meta",
      `${key}:${value}`,
    ]);
    const query = [...meta, ...(flags.filter === undefined ? [] : [["filter", flags.filter]])];
    const found = new Map<string, Set<string>>();
    if (flags.node === undefined) {
      const answer = await api.json({ method: "GET", path: "/v1/catalog/services", query });
      for (const [name, tags] of Object.entries(mustBe(Services, answer, "a map of services"))) {
        found.set(name, new Set(tags));
      }
    } else {
      const path = `/v1/catalog/node/${encodeURIComponent(flags.node)}`;
      const node = mustBe(NodeServices, await api.json({ method: "GET", path, query }), "a node with its services");
      for (const { Service, Tags } of Object.values(node?.Services ?? {})) {
        found.set(Service, new Set([...(found.get(Service) ?? []), ...(Tags ?? [])]));
      }
    }
    if (found.size === 0) {
      io.stdout(nothingFound("services"));
      return 0;
    }
    const rows = [...found].toSorted(([a], [b]) => (a < b ? -1 : 1));
    io.stdout(
      formatTable(rows.map(([name, tags]) => (flags.tags === true ? [name, [...tags].toSorted().join(",")] : [name]))),
    );
    return 0;
  },
});

/** `atoll catalog`: what is registered anywhere. */
export const catalogCommand = commandGroup({
  name: "atoll catalog",
  description: "Lists datacenters, nodes and services.",
  commands: new Map([
    ["datacenters", datacenters],
    ["nodes", nodes],
    ["services", services],
  ]),
});

function listed(map: Readonly<Record<string, string>> | null | undefined): string {
  return Object.entries(map ?? {})
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${value}`)
    .join(", ");
}
