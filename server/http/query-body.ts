import { Type } from "typebox";
import type { Static } from "typebox";
import { parseDurationMs } from "../../lib/base/duration.ts";
import { compileRegex } from "../../lib/base/linear-regex.ts";
import type { PreparedQueryFields, PreparedQueryRecord, QueryTemplate } from "../../lib/contract/prepared-queries.ts";
import { hiddenSecret } from "./acl-answers.ts";
import { Count, Flag, refusal, Text, TextMap } from "./entry-fields.ts";
import { queryTemplateProblem } from "./query-template.ts";

/** The body of a prepared query, as Consul's clients write it, and the answer that they read it back as. */
const Names = Type.Optional(Type.Array(Type.String(), { maxItems: 1_024 }));

export const QueryBody = Type.Object({
  ID: Text,
  Name: Text,
  Session: Text,
  Token: Text,
  Template: Type.Optional(Type.Object({ Type: Text, Regexp: Text, RemoveEmptyTags: Flag })),
  Service: Type.Optional(
    Type.Object({
      Service: Text,
      SamenessGroup: Text,
      Failover: Type.Optional(
        Type.Object({
          NearestN: Count,
          Datacenters: Names,
          Targets: Type.Optional(
            Type.Array(Type.Object({ Peer: Text, Datacenter: Text, Partition: Text }), { maxItems: 64 }),
          ),
        }),
      ),
      OnlyPassing: Flag,
      IgnoreCheckIDs: Names,
      Near: Text,
      Tags: Names,
      NodeMeta: TextMap,
      ServiceMeta: TextMap,
      Connect: Flag,
      Peer: Text,
    }),
  ),
  DNS: Type.Optional(Type.Object({ TTL: Text })),
});

/** Throws `INVALID_ARGUMENT` in Consul's words where it has some. */
export function decodeQuery(
  body: Static<typeof QueryBody>,
  { id, tokenAccessor }: { readonly id: string; readonly tokenAccessor: string | undefined },
): PreparedQueryFields {
  const { Service: service = {}, Template, DNS } = body;
  if (service.SamenessGroup) throw refusal("SamenessGroup is a Consul Enterprise feature");
  if (service.Peer) throw refusal("Service.Peer is not supported by this version: leave it out");
  if (!service.Service) throw refusal("Must provide a Service name to query");
  if (!body.Name && !body.Session && Template?.Type === undefined) {
    throw refusal("Must be bound to a session, or have a Name, so that it does not stay for ever without being asked");
  }
  const ttl = DNS?.TTL ?? "";
  const ttlMs = ttl === "" ? 0 : parseDurationMs(ttl);
  if (ttlMs === undefined || ttlMs < 0)
    throw refusal(`Bad DNS TTL '${ttl}', it must be a duration such as "10s" and >= 0`);
  const { Failover: failover = {} } = service;
  const isByDatacenter = (failover.NearestN ?? 0) > 0 || (failover.Datacenters ?? []).length > 0;
  if (isByDatacenter && (failover.Targets ?? []).length > 0) {
    throw refusal("Targets cannot be populated with NearestN or Datacenters");
  }
  const query: PreparedQueryFields = {
    ID: id,
    Name: body.Name ?? "",
    Session: body.Session ?? "",
    ...(tokenAccessor === undefined ? {} : { TokenAccessor: tokenAccessor }),
    ...(Template?.Type && { Template: decodeTemplate(Template) }),
    Service: {
      Service: service.Service,
      Failover: {
        NearestN: failover.NearestN ?? 0,
        Datacenters: failover.Datacenters ?? [],
        Targets: (failover.Targets ?? []).map(({ Peer = "", Datacenter = "" }) => ({ Peer, Datacenter })),
      },
      OnlyPassing: service.OnlyPassing ?? false,
      IgnoreCheckIDs: service.IgnoreCheckIDs ?? [],
      Near: service.Near ?? "",
      Tags: service.Tags ?? [],
      NodeMeta: service.NodeMeta ?? {},
      ServiceMeta: service.ServiceMeta ?? {},
      Connect: service.Connect ?? false,
    },
    DnsTtl: ttl,
  };
  const problem = queryTemplateProblem(query);
  if (problem !== undefined) throw refusal(problem);
  return query;
}

function decodeTemplate(given: NonNullable<Static<typeof QueryBody>["Template"]>): QueryTemplate {
  if (given.Type !== "name_prefix_match") {
    throw refusal(`Bad Template: Type must be "name_prefix_match", found "${given.Type}"`);
  }
  const pattern = given.Regexp ?? "";
  const compiled = pattern === "" ? undefined : compileRegex(pattern);
  if (compiled?.ok === false) throw refusal(`Bad Template: bad regexp "${pattern}": ${compiled.message}`);
  return { Type: given.Type, Regexp: pattern, RemoveEmptyTags: given.RemoveEmptyTags ?? false };
}

/** Consul's JSON of a query. */
export function queryAnswer(query: PreparedQueryRecord): object {
  return { ...queryFieldsAnswer(query), CreateIndex: query.CreateIndex, ModifyIndex: query.ModifyIndex };
}

export function queryFieldsAnswer(query: PreparedQueryFields): object {
  const { Template = { Type: "", Regexp: "", RemoveEmptyTags: false }, Service } = query;
  return {
    ID: query.ID,
    Name: query.Name,
    Session: query.Session,
    Token: query.TokenAccessor === undefined ? "" : hiddenSecret,
    Template,
    Service: { ...Service, SamenessGroup: "", Peer: "" },
    DNS: { TTL: query.DnsTtl },
  };
}
