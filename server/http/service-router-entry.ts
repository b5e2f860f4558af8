import { Type } from "typebox";
import type { Static } from "typebox";
import {
  type RouteDestination,
  type RouteHeader,
  type RouteHttpMatch,
  type RouteQueryParam,
  routeRetryConditions,
  type RouteRetryCondition,
  type ServiceRoute,
  type ServiceRouterEntry,
} from "../../lib/contract/service-router.ts";
import {
  calledService,
  checkRegex,
  common,
  Count,
  Duration,
  durationMs,
  entryBase,
  Flag,
  httpMethods,
  refusal,
  refuseTenancy,
  Text,
} from "./entry-fields.ts";
import { decodeModifiers, HeaderModifiersBody } from "./header-modifiers-body.ts";

/** Consul's `service-router` entry, in its words where something is refused. */
const PartName = Type.Optional(Type.String({ maxLength: 256 }));
const Value = Type.Optional(Type.String({ maxLength: 4_096 }));
const RouteHeaderBody = Type.Object({
  Name: PartName,
  Present: Flag,
  Exact: Value,
  Prefix: Value,
  Suffix: Value,
  Regex: Text,
  Invert: Flag,
});
const QueryParamBody = Type.Object({ Name: PartName, Present: Flag, Exact: Value, Regex: Text });
const MatchBody = Type.Object({
  PathExact: Text,
  PathPrefix: Text,
  PathRegex: Text,
  CaseInsensitive: Flag,
  Header: Type.Optional(Type.Array(RouteHeaderBody, { maxItems: 64 })),
  QueryParam: Type.Optional(Type.Array(QueryParamBody, { maxItems: 64 })),
  Methods: Type.Optional(Type.Array(Type.String(), { maxItems: 64 })),
});
const DestinationBody = Type.Object({
  Service: Text,
  ServiceSubset: Text,
  Namespace: Text,
  Partition: Text,
  PrefixRewrite: Text,
  RequestTimeout: Duration,
  IdleTimeout: Duration,
  NumRetries: Count,
  RetryOnConnectFailure: Flag,
  RetryOn: Type.Optional(Type.Array(Type.String(), { maxItems: 64 })),
  RetryOnStatusCodes: Type.Optional(Type.Array(Type.Integer(), { maxItems: 100 })),
  RequestHeaders: HeaderModifiersBody,
  ResponseHeaders: HeaderModifiersBody,
});
const RouteBody = Type.Object({
  Match: Type.Optional(Type.Object({ HTTP: Type.Optional(MatchBody) })),
  Destination: Type.Optional(DestinationBody),
});
export const ServiceRouterBody = Type.Object({
  ...common,
  Routes: Type.Optional(Type.Array(RouteBody, { maxItems: 1_000 })),
});

/** The bounds of a proxy's document. */
const largestTimeoutMs = 86_400_000;
const largestRetries = 100;
const largestPathChars = 4_096;

export function decodeServiceRouter(body: Static<typeof ServiceRouterBody>): ServiceRouterEntry {
  const base = entryBase(body, calledService(body.Name, "Name"));
  return { Kind: "service-router", ...base, Routes: (body.Routes ?? []).map((one, i) => route(one, `Route[${i}]`)) };
}

function route(body: Static<typeof RouteBody>, path: string): ServiceRoute {
  const Match = match(body.Match?.HTTP ?? {}, path);
  const Destination = destination(body.Destination ?? {}, path);
  if (Destination.PrefixRewrite === "") return { Match, Destination };
  if (Match.PathExact + Match.PathPrefix === "") {
    throw refusal(`${path} cannot make use of PrefixRewrite without configuring either PathExact or PathPrefix`);
  }
  checkPath(Destination.PrefixRewrite, "PrefixRewrite", path);
  return { Match, Destination };
}

function match(body: Static<typeof MatchBody>, path: string): RouteHttpMatch {
  const { PathExact = "", PathPrefix = "", PathRegex = "", CaseInsensitive = false } = body;
  const Methods = (body.Methods ?? []).map((method) => method.toUpperCase());
  for (const [field, text] of [["PathExact", PathExact] as const, ["PathPrefix", PathPrefix] as const]) {
    if (text !== "") checkPath(text, field, path);
  }
  if ([PathExact, PathPrefix, PathRegex].filter((text) => text !== "").length > 1) {
    throw refusal(`${path} should only contain at most one of PathExact, PathPrefix, or PathRegex`);
  }
  checkRegex(PathRegex, `${path} PathRegex`);
  const Header = (body.Header ?? []).map((header, i) => headerMatch(header, `${path} Header[${i}]`));
  const QueryParam = (body.QueryParam ?? []).map((param, i) => queryMatch(param, `${path} QueryParam[${i}]`));
  for (const [i, method] of Methods.entries()) {
    if (!httpMethods.has(method)) throw refusal(`${path} Methods contains an invalid method "${method}"`);
    if (Methods.indexOf(method) < i) throw refusal(`${path} Methods contains "${method}" more than once`);
  }
  return { PathExact, PathPrefix, PathRegex, CaseInsensitive, Header, QueryParam, Methods };
}

function checkPath(text: string, field: string, path: string): void {
  if (!text.startsWith("/")) throw refusal(`${path} ${field} doesn't start with '/': "${text}"`);
  if (text.length > largestPathChars) throw refusal(`${path} ${field} has more than ${largestPathChars} characters`);
  if (field !== "PrefixRewrite" || /^\/[!"$->@-~]*$/.test(text)) return;
  throw refusal(`${path} ${field} must be a path without query, blanks and fragment: "${text}"`);
}

const isFieldName = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}$/;

function headerMatch(body: Static<typeof RouteHeaderBody>, path: string): RouteHeader {
  const { Name = "", Present = false, Exact = "", Prefix = "", Suffix = "", Regex = "", Invert = false } = body;
  if (Name === "") throw refusal(`${path} missing required Name field`);
  if (!isFieldName.test(Name)) throw refusal(`${path} Name must be the name of a header field, found "${Name}"`);
  if (countGiven(Present, Exact, Prefix, Suffix, Regex) !== 1) {
    throw refusal(`${path} should only contain one of Present, Exact, Prefix, Suffix, or Regex`);
  }
  checkRegex(Regex, `${path} Regex`);
  return { Name, Present, Exact, Prefix, Suffix, Regex, Invert };
}

function queryMatch(body: Static<typeof QueryParamBody>, path: string): RouteQueryParam {
  const { Name = "", Present = false, Exact = "", Regex = "" } = body;
  if (Name === "") throw refusal(`${path} missing required Name field`);
  if (countGiven(Present, Exact, Regex) !== 1) {
    throw refusal(`${path} should only contain one of Present, Exact, or Regex`);
  }
  checkRegex(Regex, `${path} Regex`);
  return { Name, Present, Exact, Regex };
}

function countGiven(...conditions: readonly (string | boolean)[]): number {
  return conditions.filter((condition) => condition !== "" && condition !== false).length;
}

function destination(body: Static<typeof DestinationBody>, path: string): RouteDestination {
  refuseTenancy(body, `${path} Destination.`);
  const { NumRetries = 0, RetryOnStatusCodes = [] } = body;
  if (NumRetries > largestRetries) throw refusal(`${path} NumRetries must be at most ${largestRetries}`);
  const strange = RetryOnStatusCodes.find((code) => code < 200 || code > 599);
  if (strange !== undefined) throw refusal(`${path} RetryOnStatusCodes must be from 200 to 599, found ${strange}`);
  const RequestHeaders = decodeModifiers(body.RequestHeaders, "request", `${path} RequestHeaders`);
  const ResponseHeaders = decodeModifiers(body.ResponseHeaders, "response", `${path} ResponseHeaders`);
  return {
    Service: calledService(body.Service, `${path} Destination.Service`),
    ServiceSubset: body.ServiceSubset ?? "",
    PrefixRewrite: body.PrefixRewrite ?? "",
    RequestTimeoutMs: durationMs(body.RequestTimeout, `${path} RequestTimeout`, largestTimeoutMs),
    IdleTimeoutMs: durationMs(body.IdleTimeout, `${path} IdleTimeout`, largestTimeoutMs),
    NumRetries,
    RetryOnConnectFailure: body.RetryOnConnectFailure ?? false,
    RetryOn: (body.RetryOn ?? []).map((condition) => retryCondition(condition, path)),
    RetryOnStatusCodes,
    ...(RequestHeaders !== undefined && { RequestHeaders }),
    ...(ResponseHeaders !== undefined && { ResponseHeaders }),
  };
}

function retryCondition(text: string, path: string): RouteRetryCondition {
  const known = routeRetryConditions.find((condition) => condition === text);
  if (known !== undefined) return known;
  const reason = text === "envoy-ratelimited" ? ", which only Envoy knows of" : "";
  throw refusal(`${path} contains an invalid retry condition: "${text}"${reason}`);
}
