import { Type } from "typebox";
import type { Static } from "typebox";
import { Anything, checkRegex, httpMethods, refusal, Text, TextMap } from "./entry-fields.ts";

/** Entries that bind services to the listeners of an `api-gateway`: `http-route` and `tcp-route`. */
const Names = Type.Optional(Type.Array(Type.String(), { maxItems: 1_024 }));
export const HeaderModifiersBody = Type.Optional(Type.Object({ Add: TextMap, Set: TextMap, Remove: Names }));

const ParentsBody = Type.Optional(
  Type.Array(Type.Object({ Kind: Text, Name: Text, SectionName: Text, Namespace: Text, Partition: Text }), {
    maxItems: 256,
  }),
);
const ServiceFields = { Name: Type.String(), Namespace: Text, Partition: Text };
const MatchBody = Type.Object({ Match: Text, Name: Text, Value: Text });
const FiltersFields = {
  Headers: Type.Optional(Type.Array(Type.Object({ Add: TextMap, Set: TextMap, Remove: Names }), { maxItems: 64 })),
  JWT: Anything,
};

const HttpRuleBody = Type.Object({
  Filters: Type.Optional(
    Type.Object({
      ...FiltersFields,
      URLRewrite: Type.Optional(Type.Object({ Path: Text })),
      RetryFilter: Anything,
      TimeoutFilter: Anything,
    }),
  ),
  ResponseFilters: Type.Optional(Type.Object({ Headers: FiltersFields.Headers })),
  Matches: Type.Optional(
    Type.Array(
      Type.Object({
        Path: Type.Optional(Type.Object({ Match: Text, Value: Text })),
        Headers: Type.Optional(Type.Array(MatchBody, { maxItems: 64 })),
        Query: Type.Optional(Type.Array(MatchBody, { maxItems: 64 })),
        Method: Text,
      }),
      { maxItems: 256 },
    ),
  ),
  Services: Type.Optional(
    Type.Array(
      Type.Object({
        ...ServiceFields,
        Weight: Type.Optional(Type.Integer({ minimum: 0, maximum: 1_000_000 })),
        Filters: Anything,
        ResponseFilters: Anything,
      }),
      { maxItems: 256 },
    ),
  ),
});

export const httpRouteFields = {
  Parents: ParentsBody,
  Hostnames: Names,
  Rules: Type.Optional(Type.Array(HttpRuleBody, { maxItems: 1_024 })),
};
const HttpRouteBody = Type.Object(httpRouteFields);

export const tcpRouteFields = {
  Parents: ParentsBody,
  Services: Type.Optional(Type.Array(Type.Object(ServiceFields), { maxItems: 16 })),
};
const TcpRouteBody = Type.Object(tcpRouteFields);

export function decodeHttpRoute(body: Static<typeof HttpRouteBody>): object {
  const rules = (body.Rules ?? []).map((rule, i) => {
    const at = `Rules[${i}]`;
    for (const [m, match] of (rule.Matches ?? []).entries()) checkMatch(match, `${at}.Matches[${m}]`);
    const services = (rule.Services ?? []).map((service, s) => {
      if (service.Name === "") throw refusal(`${at}.Services[${s}]: service name cannot be blank`);
      return { ...service, Weight: service.Weight ?? 1 };
    });
    return { ...rule, Services: services };
  });
  return { ...body, Parents: parents(body.Parents), Rules: rules, Status: { Conditions: null } };
}

const pathMatches = ["exact", "prefix", "regex"];
const fieldMatches = ["exact", "prefix", "present", "regex", "suffix"];

function checkMatch(match: NonNullable<Static<typeof HttpRuleBody>["Matches"]>[number], at: string): void {
  const { Path, Method } = match;
  if (Path !== undefined) {
    checkType(Path.Match, pathMatches, `${at}.Path.Match`);
    const value = Path.Value ?? "";
    if (Path.Match !== "regex" && !value.startsWith("/")) {
      throw refusal(`${at}.Path.Value: exact and prefix types should begin with "/", found "${value}"`);
    }
    if (Path.Match === "regex") checkRegex(value, `${at}.Path.Value`);
  }
  for (const [part, fields] of [["Headers", match.Headers] as const, ["Query", match.Query] as const]) {
    for (const [i, field] of (fields ?? []).entries()) {
      checkType(field.Match, fieldMatches, `${at}.${part}[${i}].Match`);
      if (!field.Name) throw refusal(`${at}.${part}[${i}].Name cannot be empty`);
      if (field.Match === "regex") checkRegex(field.Value ?? "", `${at}.${part}[${i}].Value`);
    }
  }
  if (Method && !httpMethods.has(Method)) {
    throw refusal(`${at}.Method must be one of ${[...httpMethods].join(", ")}, found "${Method}"`);
  }
}

function checkType(given: string | undefined, known: readonly string[], path: string): void {
  if (given === undefined || !known.includes(given)) {
    throw refusal(`${path} must be one of ${known.join(", ")}, found ${JSON.stringify(given ?? "")}`);
  }
}

export function decodeTcpRoute(body: Static<typeof TcpRouteBody>): object {
  const services = body.Services ?? [];
  if (services.length > 1) throw refusal("Services: tcp-route currently only supports one service");
  if (services.some(({ Name }) => Name === "")) throw refusal("Services[0]: service name cannot be blank");
  return { Parents: parents(body.Parents), Services: services, Status: { Conditions: null } };
}

function parents(given: Static<typeof ParentsBody> | undefined): object[] {
  const seen = new Set<string>();
  return (given ?? []).map((parent, i) => {
    const kind = parent.Kind || "api-gateway";
    if (kind !== "api-gateway") throw refusal(`Parents[${i}].Kind must be "api-gateway", found "${kind}"`);
    if (!parent.Name) throw refusal(`Parents[${i}].Name cannot be blank`);
    const key = JSON.stringify([parent.Name, parent.SectionName ?? ""]);
    if (seen.has(key)) throw refusal(`Parents[${i}]: "${parent.Name}" is bound more than once`);
    seen.add(key);
    return { ...parent, Kind: kind };
  });
}
