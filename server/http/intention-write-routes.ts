import { Type } from "typebox";
import type { Static } from "typebox";
import { demand } from "../../lib/acl/authorizer.ts";
import type { SourceIntention } from "../../lib/contract/config-entries.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { isZeroValue } from "../../lib/contract/zero-value.ts";
import { sendJson } from "../../lib/http/answers.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import { checkDatacenter } from "../../lib/http/read-query.ts";
import { PermissionsBody } from "./config-entry-schema.ts";
import { findSource } from "./intention-answers.ts";
import { changeSources } from "./intention-changes.ts";
import { parsePair } from "./intention-query.ts";
import type { RouteContext } from "./server-routes.ts";
import { sourceIntention } from "./source-intention.ts";

/** The names come from the URL; those in the body are ignored, as Consul does. */
const IntentionBody = Type.Object({
  Action: Type.Optional(Type.String()),
  Permissions: PermissionsBody,
  Description: Type.Optional(Type.String()),
  SourceType: Type.Optional(Type.String()),
  Meta: Type.Optional(Type.Record(Type.String(), Type.String())),
});

/** Writes of `/v1/connect/intentions/exact`: one source of a `service-intentions` entry at a time; each answers `true`. */
export function registerIntentionWriteRoutes(app: HttpApp, { server, authorize }: RouteContext): void {
  app.put("/v1/connect/intentions/exact", { schema: { body: IntentionBody } }, async (request, reply) => {
    checkDatacenter(request, server.datacenter);
    const { source, destination } = parsePair(request);
    demand(authorize(request), "intention", "write", destination);
    const rule = decodeRule(request.body, { source, destination });
    await changeSources({ server, request, destination }, (sources) => [
      ...sources.filter(({ Name }) => Name !== source),
      rule,
    ]);
    return sendJson(reply, true);
  });

  app.delete("/v1/connect/intentions/exact", async (request, reply) => {
    checkDatacenter(request, server.datacenter);
    const { source, destination } = parsePair(request);
    demand(authorize(request), "intention", "write", destination);
    const entry = server.reader.configEntry("service-intentions", destination).value;
    if (findSource(entry, source) !== undefined) {
      await changeSources({ server, request, destination }, (sources) => sources.filter(({ Name }) => Name !== source));
    }
    return sendJson(reply, true);
  });
}

function decodeRule(
  body: Static<typeof IntentionBody>,
  pair: { readonly source: string; readonly destination: string },
): SourceIntention {
  if (!isZeroValue(body.Meta)) {
    throw new AtollError("INVALID_ARGUMENT", "Meta must not be specified: it belongs to the service-intentions entry");
  }
  const { Action, Permissions, Description, SourceType } = body;
  return sourceIntention(
    {
      Name: pair.source,
      ...(Action === undefined ? {} : { Action }),
      ...(Permissions === undefined ? {} : { Permissions }),
      ...(Description === undefined ? {} : { Description }),
      ...(SourceType === undefined ? {} : { Type: SourceType }),
    },
    { destination: pair.destination, path: "" },
  );
}
