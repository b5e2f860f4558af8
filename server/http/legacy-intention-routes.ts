import { Type } from "typebox";
import type { Static } from "typebox";
import { demand } from "../../lib/acl/authorizer.ts";
import type { SourceIntention } from "../../lib/contract/config-entries.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { wildcard } from "../../lib/contract/intentions.ts";
import { sendJson } from "../../lib/http/answers.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import { checkDatacenter } from "../../lib/http/read-query.ts";
import type { StateReader } from "../state/reader.ts";
import { PermissionsBody } from "./config-entry-schema.ts";
import { refusal } from "./entry-fields.ts";
import { intentionAnswer, scope } from "./intention-answers.ts";
import { changeSources } from "./intention-changes.ts";
import { plainServiceName } from "./intention-query.ts";
import type { RouteContext } from "./server-routes.ts";
import { sourceIntention } from "./source-intention.ts";

const IdPath = Type.Object({ id: Type.String() });
const Text = Type.Optional(Type.String());
const LegacyBody = Type.Object({
  SourceName: Text,
  SourceNS: Text,
  DestinationName: Text,
  DestinationNS: Text,
  SourceType: Text,
  Action: Text,
  Permissions: PermissionsBody,
  Description: Text,
});

/**
 * Intentions by UUID, as programs from before config entries write them: `POST /v1/connect/intentions` and `/:id`. Each is a source of a
 * `service-intentions` entry like any other, which has the UUID beside it.
 */
export function registerLegacyIntentionRoutes(app: HttpApp, { server, runtime, reads, authorize }: RouteContext): void {
  app.post("/v1/connect/intentions", { schema: { body: LegacyBody } }, async (request, reply) => {
    checkDatacenter(request, server.datacenter);
    const pair = pairOf(request.body);
    demand(authorize(request), "intention", "write", pair.destination);
    if (find(server.reader, (source, destination) => source.Name === pair.source && destination === pair.destination)) {
      throw new AtollError("CONFLICT", "duplicate intention found", { status: 500 });
    }
    const id = runtime.random.uuid();
    const rule = decodeRule(request.body, { ...pair, id });
    await changeSources({ server, request, destination: pair.destination }, (sources) => [...sources, rule]);
    return sendJson(reply, { ID: id });
  });

  app.get("/v1/connect/intentions/:id", { schema: { params: IdPath } }, async (request, reply) => {
    const { read } = await reads.read(request, reply, (reader) => reader.intentions({ by: "all" }));
    const intention = read.value.find(({ legacyId }) => legacyId === request.params.id);
    if (intention === undefined) throw notFound(request.params.id);
    demand(authorize(request), "intention", "read", intention.destinationName);
    const entry = server.reader.configEntry("service-intentions", intention.destinationName).value;
    return sendJson(reply, intentionAnswer({ intention, entry, ...scope }));
  });

  app.put("/v1/connect/intentions/:id", { schema: { params: IdPath, body: LegacyBody } }, async (request, reply) => {
    checkDatacenter(request, server.datacenter);
    const { id } = request.params;
    const known = find(server.reader, (source) => source.LegacyID === id);
    if (known === undefined) throw notFound(id);
    const pair = pairOf(request.body);
    demand(authorize(request), "intention", "write", known.destination);
    if (pair.source !== known.source.Name || pair.destination !== known.destination) {
      throw refusal(`Cannot modify SourceName or DestinationName of intention "${id}": delete it and create another`);
    }
    const rule = decodeRule(request.body, { ...pair, id });
    await changeSources({ server, request, destination: known.destination }, (sources) => [
      ...sources.filter(({ LegacyID }) => LegacyID !== id),
      rule,
    ]);
    return sendJson(reply, { ID: id });
  });

  app.delete("/v1/connect/intentions/:id", { schema: { params: IdPath } }, async (request, reply) => {
    checkDatacenter(request, server.datacenter);
    const { id } = request.params;
    const known = find(server.reader, (source) => source.LegacyID === id);
    if (known === undefined) throw notFound(id);
    demand(authorize(request), "intention", "write", known.destination);
    await changeSources({ server, request, destination: known.destination }, (sources) =>
      sources.filter(({ LegacyID }) => LegacyID !== id),
    );
    return sendJson(reply, true);
  });
}

interface Found {
  readonly source: SourceIntention;
  readonly destination: string;
}

/** Through all entries: they are written by people, and few. */
function find(
  reader: StateReader,
  isWanted: (source: SourceIntention, destination: string) => boolean,
): Found | undefined {
  for (const entry of reader.configEntries("service-intentions").value) {
    if (entry.Kind !== "service-intentions") continue;
    const source = entry.Sources.find((one) => isWanted(one, entry.Name));
    if (source !== undefined) return { source, destination: entry.Name };
  }
  return undefined;
}

function pairOf(body: Static<typeof LegacyBody>): { readonly source: string; readonly destination: string } {
  for (const [field, value] of [["SourceNS", body.SourceNS] as const, ["DestinationNS", body.DestinationNS] as const]) {
    if (value && value !== "default")
      throw refusal(`${field}: "${value}" - Namespaces are a Consul Enterprise feature`);
  }
  return { source: named(body.SourceName, "SourceName"), destination: named(body.DestinationName, "DestinationName") };
}

function named(given: string | undefined, field: string): string {
  if (!given) throw refusal(`${field} must be set`);
  const name = plainServiceName(given);
  if (name !== wildcard && name.includes(wildcard)) {
    throw refusal(`${field}: wildcard character '*' cannot be used with partial values`);
  }
  return name;
}

function decodeRule(
  { Action, Permissions, Description, SourceType }: Static<typeof LegacyBody>,
  { source, destination, id }: { readonly source: string; readonly destination: string; readonly id: string },
): SourceIntention {
  const body = {
    Name: source,
    LegacyID: id,
    ...(Action !== undefined && { Action }),
    ...(Permissions !== undefined && { Permissions }),
    ...(Description !== undefined && { Description }),
    ...(SourceType !== undefined && { Type: SourceType }),
  };
  return sourceIntention(body, { destination, path: "" });
}

function notFound(id: string): AtollError {
  return new AtollError("NOT_FOUND", `Intention not found: "${id}"`);
}
