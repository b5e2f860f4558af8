import { Type } from "typebox";
import { type Access, type Authorizer, demand } from "../../lib/acl/authorizer.ts";
import { configEntryKinds } from "../../lib/contract/config-entries.ts";
import type { ConfigEntryKind, ConfigEntryRecord } from "../../lib/contract/config-entries.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { sendJson } from "../../lib/http/answers.ts";
import { readJsonBody } from "../../lib/http/body-decoder.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import { checkDatacenter } from "../../lib/http/read-query.ts";
import { queryOf } from "../../lib/http/request-line.ts";
import type { Read } from "../state/reader.ts";
import { configEntryRule, seesConfigEntry } from "./acl-sight.ts";
import { configEntryAnswer } from "./config-entry-answer.ts";
import { parseCas } from "./cas.ts";
import { decodeConfigEntry, mustKind } from "./config-entry-decoder.ts";
import { foreignKinds } from "./config-entry-schema.ts";
import { mustName } from "./path-name.ts";
import { proposeOrThrow } from "./propose.ts";
import type { RouteContext } from "./server-routes.ts";

const KindPath = Type.Object({ kind: Type.String() });
const EntryPath = Type.Object({ kind: Type.String(), name: Type.String() });

/** `/v1/config`: mesh settings by kind and name, each write replacing a whole entry. */
export function registerConfigRoutes(app: HttpApp, { server, reads, authorize }: RouteContext): void {
  app.put("/v1/config", async (request, reply) => {
    checkDatacenter(request, server.datacenter);
    const authorizer = authorize(request);
    const entry = decodeConfigEntry(readJsonBody(request.body));
    demandEntry(authorizer, "write", { kind: entry.Kind, name: entry.Name });
    const expectedIndex = parseCas(queryOf(request));
    const command = { type: "config-entry-upsert", entry, ...expectedIndex } as const;
    return sendJson(reply, await proposeOrThrow({ server, request, command }));
  });

  app.get("/v1/config/:kind", { schema: { params: KindPath } }, (request, reply) => {
    const kind = readableKind(request.params.kind);
    return reads.answer(request, reply, {
      query: (reader) => (kind === "foreign" ? noEntries : reader.configEntries(kind)),
      body: (entries, _parameters, sight) => sight.keep(entries, seesConfigEntry).map(configEntryAnswer),
    });
  });

  app.get("/v1/config/:kind/:name", { schema: { params: EntryPath } }, (request, reply) => {
    const kind = readableKind(request.params.kind);
    const name = mustName(request.params.name, "config entry name");
    return reads.answer(request, reply, {
      requires: (authorizer) => kind === "foreign" || demandEntry(authorizer, "read", { kind, name }),
      query: (reader) => (kind === "foreign" ? noEntry : reader.configEntry(kind, name)),
      body: (entry) => {
        if (entry !== undefined) return configEntryAnswer(entry);
        throw new AtollError("NOT_FOUND", `Config entry not found for "${request.params.kind}" / "${name}"`);
      },
    });
  });

  app.delete("/v1/config/:kind/:name", { schema: { params: EntryPath } }, async (request, reply) => {
    checkDatacenter(request, server.datacenter);
    const kind = mustKind(request.params.kind);
    const name = mustName(request.params.name, "config entry name");
    demandEntry(authorize(request), "write", { kind, name });
    const expected = parseCas(queryOf(request));
    const command = { type: "config-entry-delete", kind, name, ...expected } as const;
    const isApplied = await proposeOrThrow({ server, request, command });
    return sendJson(reply, expected.expectedIndex === undefined ? {} : isApplied);
  });
}

function demandEntry(
  authorizer: Authorizer,
  access: Extract<Access, "read" | "write">,
  { kind, name }: { readonly kind: ConfigEntryKind; readonly name: string },
): void {
  const rule = configEntryRule(kind, access);
  if (rule !== undefined) demand(authorizer, rule, access, rule === "mesh" ? "" : name);
}

/** What there is of a kind that only Consul has: nothing, for ever. */
const noEntries: Read<readonly ConfigEntryRecord[]> = { index: 1, value: [], watch: [] };
const noEntry: Read<ConfigEntryRecord | undefined> = { index: 1, value: undefined, watch: [] };

/** Tools list every kind that they know; only kinds that nobody knows are an error for reads. */
function readableKind(text: string): ConfigEntryKind | "foreign" {
  const kind = configEntryKinds.find((known) => known === text);
  if (kind !== undefined) return kind;
  return foreignKinds.includes(text) ? "foreign" : mustKind(text);
}
