import { Type } from "typebox";
import { readConfigText } from "../../agent/config/config-text.ts";
import { normaliseFile } from "../../agent/config/normalise.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { HttpApi } from "../http-api.ts";
import { commandGroup } from "../subcommands.ts";
import { formatTable } from "../table.ts";
import { clientCommand, mustBe, pairs, printJson } from "./client-command.ts";

const idFlag = { type: "string", placeholder: "id", summary: "ID of the service; by default its name." } as const;

const register = clientCommand({
  synopsis: "services register [options] [<file>...]",
  summary: "Register services with the local agent.",
  description: "Takes them from files as the agent's configuration has them, in JSON or HCL, or one from the flags.",
  maxPositionals: 1_000,
  examples: ["services register web.hcl", "services register -name=web -port=8080 -tag=v1"],
  flags: {
    name: { type: "string", placeholder: "name", summary: "Name of the service." },
    id: idFlag,
    address: { type: "string", placeholder: "address", summary: "Address of the service; by default the node's." },
    port: { type: "integer", placeholder: "port", summary: "Port of the service." },
    tag: { type: "string", placeholder: "tag", multiple: true, summary: "A tag." },
    meta: { type: "string", placeholder: "key=value", multiple: true, summary: "Metadata." },
    "tagged-address": {
      type: "string",
      placeholder: "tag=address",
      multiple: true,
      summary: "An address for a purpose: tag=host:port.",
    },
    kind: { type: "string", placeholder: "kind", summary: "What the service is, as connect-proxy or mesh-gateway." },
  },
  async run({ api, flags, positionals, io }) {
    const services = positionals.length > 0 ? await servicesOf(positionals) : [serviceOfFlags(flags)];
    for (const service of services) {
      await api.call({ method: "PUT", path: "/v1/agent/service/register", body: JSON.stringify(service) });
      io.stdout(`Registered service: ${fieldOf(service, "name")}\n`);
    }
    return 0;
  },
});

const deregister = clientCommand({
  synopsis: "services deregister [options] [<file>...]",
  summary: "Deregister services from the local agent.",
  maxPositionals: 1_000,
  examples: ["services deregister -id=web", "services deregister web.hcl"],
  flags: { id: { type: "string", placeholder: "id", summary: "ID of the service." } },
  async run({ api, flags, positionals, io }) {
    if ((flags.id === undefined) === (positionals.length === 0)) {
      throw new AtollError("INVALID_ARGUMENT", "give either -id or the files that registered the services");
    }
    const ids =
      flags.id === undefined
        ? (await servicesOf(positionals)).map((service) => fieldOf(service, "id") || fieldOf(service, "name"))
        : [flags.id];
    for (const id of ids) {
      await api.call({ method: "PUT", path: `/v1/agent/service/deregister/${encodeURIComponent(id)}` });
      io.stdout(`Deregistered service: ${id}\n`);
    }
    return 0;
  },
});

const Exported = Type.Object({
  ModifyIndex: Type.Integer(),
  Meta: Type.Optional(Type.Union([Type.Record(Type.String(), Type.String()), Type.Null()])),
  Services: Type.Array(
    Type.Object({ Name: Type.String(), Consumers: Type.Array(Type.Object({ Peer: Type.Optional(Type.String()) })) }),
  ),
});

const exportCommand = clientCommand({
  synopsis: "services export -name=<service> -consumer-peers=<peers>",
  summary: "Export a service to peers.",
  description: "Adds the peers to the exported-services entry; those it is exported to already stay.",
  flags: {
    name: { type: "string", placeholder: "service", summary: "Name of the service." },
    "consumer-peers": { type: "string", placeholder: "peers", summary: "Names of peers, with commas between." },
  },
  async run({ api, flags, io }) {
    const { name } = flags;
    const peers = (flags["consumer-peers"] ?? "").split(",").filter((peer) => peer !== "");
    if (name === undefined || peers.length === 0) {
      throw new AtollError("INVALID_ARGUMENT", "give the -name of the service and -consumer-peers");
    }
    const { entry, index } = await readExports(api);
    const known = entry?.Services.find((service) => service.Name === name);
    const missing = peers.filter((peer) => known?.Consumers.some((consumer) => consumer.Peer === peer) !== true);
    const consumers = [...(known?.Consumers ?? []), ...missing.map((Peer) => ({ Peer }))];
    const others = entry?.Services.filter((service) => service.Name !== name) ?? [];
    const written = {
      Kind: "exported-services",
      Name: "default",
      ...(entry?.Meta != null && { Meta: entry.Meta }),
      Services: [...others, { Name: name, Consumers: consumers }],
    };
    const query = { cas: String(index) };
    const answer = await api.json({ method: "PUT", path: "/v1/config", query, body: JSON.stringify(written) });
    if (answer !== true) throw new AtollError("CONFLICT", "the exported services were changed by others: try again");
    io.stdout(`Successfully exported service "${name}" to cluster peers "${peers.join(",")}"\n`);
    return 0;
  },
});

const Resolved = Type.Array(
  Type.Object({
    Service: Type.String(),
    Consumers: Type.Object({ Peers: Type.Optional(Type.Array(Type.String())) }),
  }),
);

const exported = clientCommand({
  synopsis: "services exported-services [options]",
  summary: "List the services that are exported.",
  flags: { format: { type: "string", placeholder: "pretty|json", summary: "Form of the output." } },
  async run({ api, flags, io }) {
    const answer = await api.json({ method: "GET", path: "/v1/exported-services" });
    if (flags.format === "json") {
      printJson(io, answer);
      return 0;
    }
    const services = mustBe(Resolved, answer ?? [], "a list of exported services");
    const rows = services.map(({ Service, Consumers }) => [Service, (Consumers.Peers ?? []).join(", ")]);
    io.stdout(
      rows.length === 0 ? "No exported services found\n" : formatTable([["Service", "Consumer Peers"], ...rows]),
    );
    return 0;
  },
});

/** `atoll services`: what the local agent registers. */
export const servicesCommand = commandGroup({
  name: "atoll services",
  description: "Registers, deregisters and exports services.",
  commands: new Map([
    ["register", register],
    ["deregister", deregister],
    ["export", exportCommand],
    ["exported-services", exported],
  ]),
});

async function readExports(api: HttpApi) {
  const answer = await api.ask({ method: "GET", path: "/v1/config/exported-services/default" });
  if (answer.status === 404) return { entry: undefined, index: 0 };
  const entry = mustBe(Exported, JSON.parse(answer.body.toString("utf8")), "an exported-services entry");
  return { entry, index: entry.ModifyIndex };
}

/** The `service` and `services` of files, whatever else is in them. */
async function servicesOf(paths: readonly string[]): Promise<object[]> {
  const services: object[] = [];
  for (const path of paths) {
    const { document } = normaliseFile(await readConfigText(path, undefined));
    const found = [document["service"], document["services"]].flatMap((list: unknown): unknown[] =>
      Array.isArray(list) ? list : [],
    );
    const objects = found.filter((one): one is object => typeof one === "object" && one !== null);
    if (objects.length === 0) throw new AtollError("INVALID_ARGUMENT", `${path} has no service and no services`);
    services.push(...objects);
  }
  return services;
}

function serviceOfFlags(flags: {
  readonly name: string | undefined;
  readonly id: string | undefined;
  readonly kind: string | undefined;
  readonly address: string | undefined;
  readonly port: number | undefined;
  readonly tag: readonly string[];
  readonly meta: readonly string[];
  readonly "tagged-address": readonly string[];
}): object {
  const { name, id, kind, address, port, tag, meta } = flags;
  if (name === undefined) throw new AtollError("INVALID_ARGUMENT", "give the -name of the service, or files");
  const tagged = Object.entries(pairs("tagged-address", flags["tagged-address"])).map(([key, value]) => {
    const [, host = value, at] = /^\[?(.*?)\]?:(\d+)$/.exec(value) ?? [];
    return [key, { Address: host, ...(at !== undefined && { Port: Number(at) }) }];
  });
  return {
    Name: name,
    ...(id !== undefined && { ID: id }),
    ...(kind !== undefined && { Kind: kind }),
    ...(address !== undefined && { Address: address }),
    ...(port !== undefined && { Port: port }),
    ...(tag.length > 0 && { Tags: tag }),
    ...(meta.length > 0 && { Meta: pairs("meta", meta) }),
    ...(tagged.length > 0 && { TaggedAddresses: Object.fromEntries(tagged) }),
  };
}

function fieldOf(service: object, name: string): string {
  const found = Object.entries(service).find(([key]) => key.toLowerCase() === name);
  return typeof found?.[1] === "string" ? found[1] : "";
}
