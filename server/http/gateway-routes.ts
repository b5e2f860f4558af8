import { Type } from "typebox";
import { demand } from "../../lib/acl/authorizer.ts";
import type { ConfigEntryRecord } from "../../lib/contract/config-entries.ts";
import { recordsIn } from "../../lib/contract/kept-entries.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import type { Read, StateReader } from "../state/reader.ts";
import { combineReads } from "./combine-reads.ts";
import { mustName } from "./path-name.ts";
import type { RouteContext } from "./server-routes.ts";

const GatewayPath = Type.Object({ gateway: Type.String() });
const wildcard = "*";

/** What follows from the entries of gateways: the services behind one of them, and what peers are given. */
export function registerGatewayRoutes(app: HttpApp, { reads, authorize }: RouteContext): void {
  app.get("/v1/catalog/gateway-services/:gateway", { schema: { params: GatewayPath } }, (request, reply) => {
    const gateway = mustName(request.params.gateway, "gateway name");
    demand(authorize(request), "service", "read", gateway);
    return reads.answer(request, reply, {
      query: (reader) => withServiceNames(reader, gatewayEntries(reader, gateway), (entries) => entries.flatMap(links)),
      body: ([entries, names]) => entries.flatMap((entry) => gatewayServices(entry, names)),
    });
  });

  app.get("/v1/exported-services", (request, reply) => {
    demand(authorize(request), "mesh", "read");
    return reads.answer(request, reply, {
      query: (reader) =>
        withServiceNames(reader, reader.configEntry("exported-services", "default"), (entry) => links(entry)),
      body: ([entry, names]) => exportedServices(entry, names),
    });
  });
}

type Entry = ConfigEntryRecord | undefined;
type Link = Readonly<Record<string, unknown>> & { readonly Name: string };

function gatewayEntries(reader: StateReader, gateway: string): Read<readonly Entry[]> {
  return combineReads(
    reader.configEntry("ingress-gateway", gateway),
    reader.configEntry("terminating-gateway", gateway),
  );
}

/** With the names of all services where one of the links stands for them, and only then woken by them. */
function withServiceNames<T>(
  reader: StateReader,
  read: Read<T>,
  linksOf: (value: T) => readonly Link[],
): Read<readonly [T, readonly string[]]> {
  if (!linksOf(read.value).some(({ Name }) => Name === wildcard)) return { ...read, value: [read.value, []] };
  const both = combineReads(read, reader.services());
  const [value, services] = both.value;
  return { ...both, value: [value, [...services.keys()].filter((name) => name !== "consul")] };
}

/** The services that an entry names, each with its listener's fields. The entry was checked when it was written. */
function links(entry: Entry): readonly Link[] {
  if (entry === undefined || !("Fields" in entry)) return [];
  const { Listeners, Services } = entry.Fields;
  const ofListeners = recordsIn(Listeners).flatMap((listener) =>
    recordsIn(listener["Services"]).map((service) => ({
      ...service,
      Port: listener["Port"],
      Protocol: listener["Protocol"],
    })),
  );
  return [...ofListeners, ...recordsIn(Services)].map((link) => ({ ...link, Name: nameOf(link) }));
}

function nameOf(link: Readonly<Record<string, unknown>>): string {
  return typeof link["Name"] === "string" ? link["Name"] : "";
}

function gatewayServices(entry: Entry, names: readonly string[]): object[] {
  return expanded(links(entry), names).map(({ link, name }) => ({
    Gateway: { Name: entry?.Name },
    Service: { Name: name },
    GatewayKind: entry?.Kind,
    ...picked(link, ["Port", "Protocol", "Hosts", "CAFile", "CertFile", "KeyFile", "SNI"]),
    ...(link.Name === wildcard && { FromWildcard: true }),
  }));
}

function exportedServices(entry: Entry, names: readonly string[]): object[] {
  return expanded(links(entry), names)
    .map(({ link, name }) => ({
      Service: name,
      Consumers: { Peers: recordsIn(link["Consumers"]).map((consumer) => String(consumer["Peer"])) },
    }))
    .sort((a, b) => (a.Service < b.Service ? -1 : 1));
}

/** A name that is written beside a wildcard has its own line, and not the wildcard's. */
function expanded(all: readonly Link[], names: readonly string[]): { link: Link; name: string }[] {
  const own = new Set(all.map(({ Name }) => Name));
  return all.flatMap((link) =>
    link.Name === wildcard
      ? names.filter((name) => !own.has(name)).map((name) => ({ link, name }))
      : [{ link, name: link.Name }],
  );
}

function picked(link: Link, fields: readonly string[]): object {
  return Object.fromEntries(
    fields.flatMap((field) => (link[field] === undefined || link[field] === "" ? [] : [[field, link[field]]])),
  );
}
