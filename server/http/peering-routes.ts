import { createHash } from "node:crypto";
import type { FastifyRequest } from "fastify";
import { Type } from "typebox";
import { demand } from "../../lib/acl/authorizer.ts";
import { parseJsonText } from "../../lib/base/json-file.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { type PeeringFields, type PeeringRecord, peerNamePattern } from "../../lib/contract/peerings.ts";
import { sendEmpty, sendJson } from "../../lib/http/answers.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import { checkDatacenter } from "../../lib/http/read-query.ts";
import { refusal, Text, TextMap } from "./entry-fields.ts";
import { proposeOrThrow } from "./propose.ts";
import type { RouteContext } from "./server-routes.ts";

const Names = Type.Optional(Type.Array(Type.String(), { maxItems: 64 }));
const NamePath = Type.Object({ name: Type.String() });
const TokenBody = Type.Object({
  PeerName: Text,
  Partition: Text,
  Meta: TextMap,
  ServerExternalAddresses: Names,
});
const EstablishBody = Type.Object({ PeerName: Text, Partition: Text, PeeringToken: Text, Meta: TextMap });

/** `/v1/peering`: clusters that trust each other. Peerings are agreed on and kept; no services travel over them yet. */
export function registerPeeringRoutes(app: HttpApp, { server, runtime, reads, authorize }: RouteContext): void {
  const write = (request: FastifyRequest): void => {
    demand(authorize(request), "peering", "write");
    checkDatacenter(request, server.datacenter);
  };

  app.post("/v1/peering/token", { schema: { body: TokenBody } }, async (request, reply) => {
    write(request);
    const { Meta = {}, ServerExternalAddresses = [], Partition } = request.body;
    const name = mustPeerName(request.body.PeerName, { Partition, doing: "generating a new peering token" });
    const secret = runtime.random.uuid();
    const peering: PeeringFields = {
      ...newPeering(name, runtime.random.uuid(), Meta),
      State: "PENDING",
      ManualServerPeeringAddresses: ServerExternalAddresses,
      secret: createHash("sha256").update(secret).digest("hex"),
    };
    await proposeOrThrow({ server, request, command: { type: "peering-upsert", peering } });
    const roots = server.reader.caRoots().value;
    const token = {
      CA: roots.roots.map(({ certPem }) => certPem),
      ManualServerAddresses: ServerExternalAddresses.length > 0 ? ServerExternalAddresses : null,
      ServerAddresses: server.operator.members().map(({ address }) => address),
      ServerName: serverName(server.datacenter, roots.trustDomain),
      PeerID: server.reader.peering(name).value?.ID ?? peering.ID,
      EstablishmentSecret: secret,
      Remote: { Partition: "default", Datacenter: server.datacenter },
    };
    return sendJson(reply, { PeeringToken: Buffer.from(JSON.stringify(token)).toString("base64") });
  });

  app.post("/v1/peering/establish", { schema: { body: EstablishBody } }, async (request, reply) => {
    write(request);
    const { Meta = {}, Partition, PeeringToken = "" } = request.body;
    const name = mustPeerName(request.body.PeerName, { Partition, doing: "establishing a peering" });
    const token = decodeToken(PeeringToken);
    const { trustDomain } = server.reader.caRoots().value;
    if (token.ServerName.endsWith(`.peering.${trustDomain}`)) {
      throw refusal("cannot create a peering within the same cluster: the token was made by this one");
    }
    const peering: PeeringFields = {
      ...newPeering(name, runtime.random.uuid(), Meta),
      State: "ESTABLISHING",
      PeerID: token.PeerID,
      PeerCAPems: token.CA,
      PeerServerName: token.ServerName,
      PeerServerAddresses: token.addresses,
      Remote: { Partition: "default", Datacenter: token.datacenter },
      secret: token.EstablishmentSecret,
    };
    await proposeOrThrow({ server, request, command: { type: "peering-upsert", peering } });
    return sendJson(reply, {});
  });

  app.get("/v1/peerings", async (request, reply) => {
    demand(authorize(request), "peering", "read");
    return reads.answer(request, reply, {
      query: (reader) => reader.peerings(),
      body: (peerings) => peerings.map(peeringAnswer),
    });
  });

  app.get("/v1/peering/:name", { schema: { params: NamePath } }, async (request, reply) => {
    demand(authorize(request), "peering", "read");
    const { name } = request.params;
    if (name === "") throw refusal("Must specify a name to fetch.");
    return reads.answer(request, reply, {
      query: (reader) => reader.peering(name),
      body: (peering) => {
        if (peering !== undefined) return peeringAnswer(peering);
        throw new AtollError("NOT_FOUND", `Peering not found for "${name}"`);
      },
    });
  });

  app.delete("/v1/peering/:name", { schema: { params: NamePath } }, async (request, reply) => {
    write(request);
    await proposeOrThrow({ server, request, command: { type: "peering-delete", name: request.params.name } });
    return sendEmpty(reply);
  });
}

function newPeering(name: string, id: string, meta: PeeringFields["Meta"]): PeeringFields {
  return {
    ID: id,
    Name: name,
    State: "PENDING",
    Meta: meta,
    PeerID: "",
    PeerCAPems: [],
    PeerServerName: "",
    PeerServerAddresses: [],
    ManualServerPeeringAddresses: [],
    Remote: { Partition: "", Datacenter: "" },
    secret: "",
  };
}

function mustPeerName(
  name: string | undefined,
  { Partition, doing }: { readonly Partition: string | undefined; readonly doing: string },
): string {
  if (Partition && Partition !== "default") {
    throw refusal(`Partition: "${Partition}" - Partitions are a Consul Enterprise feature`);
  }
  if (!name) throw refusal(`PeerName is required in the payload when ${doing}.`);
  if (peerNamePattern.test(name)) return name;
  throw refusal(
    `a valid peer name must consist of lower case alphanumeric characters or '-', begin and end with one of the former, and have at most 63, found "${name}"`,
  );
}

interface PeeringToken {
  readonly CA: readonly string[];
  readonly ServerName: string;
  readonly PeerID: string;
  readonly EstablishmentSecret: string;
  readonly addresses: readonly string[];
  readonly datacenter: string;
}

/** The token of another cluster. What is wrong with it is told without what it holds. */
function decodeToken(text: string): PeeringToken {
  if (text === "") throw refusal("PeeringToken is required in the payload when establishing a peering.");
  const parsed = parseJsonText(Buffer.from(text, "base64").toString("utf8"));
  const fields = new Map(
    parsed.ok && typeof parsed.value === "object" && parsed.value !== null ? Object.entries(parsed.value) : [],
  );
  const word = (name: string): string => {
    const value: unknown = fields.get(name);
    return typeof value === "string" ? value : "";
  };
  const list = (name: string): readonly string[] => {
    const value: unknown = fields.get(name);
    return Array.isArray(value) ? value.filter((one) => typeof one === "string") : [];
  };
  const remote: unknown = fields.get("Remote");
  const datacenter =
    typeof remote === "object" && remote !== null && "Datacenter" in remote && typeof remote.Datacenter === "string"
      ? remote.Datacenter
      : "";
  const manual = list("ManualServerAddresses");
  const token = {
    CA: list("CA"),
    ServerName: word("ServerName"),
    PeerID: word("PeerID"),
    EstablishmentSecret: word("EstablishmentSecret"),
    addresses: manual.length > 0 ? manual : list("ServerAddresses"),
    datacenter,
  };
  const missing = Object.entries({
    ServerName: token.ServerName,
    PeerID: token.PeerID,
    EstablishmentSecret: token.EstablishmentSecret,
    ServerAddresses: token.addresses.join(),
  }).find(([, value]) => value === "");
  if (missing !== undefined) {
    throw refusal(
      `peering token is invalid: it has no ${missing[0]}; take the PeeringToken that the other cluster made as it is`,
    );
  }
  return token;
}

function serverName(datacenter: string, trustDomain: string): string {
  return `server.${datacenter}.peering.${trustDomain}`;
}

/** Consul's JSON of a peering; the secret is no part of it. */
function peeringAnswer(peering: PeeringRecord): object {
  const { secret: _, Meta, CreateIndex, ModifyIndex, ...fields } = peering;
  return {
    ...fields,
    Meta: Object.keys(Meta).length === 0 ? null : Meta,
    StreamStatus: {
      ImportedServices: null,
      ExportedServices: null,
      LastHeartbeat: null,
      LastReceive: null,
      LastSend: null,
    },
    CreateIndex,
    ModifyIndex,
  };
}
