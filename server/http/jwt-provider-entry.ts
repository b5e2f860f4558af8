import { Type } from "typebox";
import type { Static } from "typebox";
import { Compile } from "typebox/compile";
import {
  type JwtKeySet,
  type JwtLocation,
  type JwtProviderEntry,
  jwtProviderConfig,
} from "../../lib/contract/jwt-provider.ts";
import { jwtAlgorithms, jwtProviderIssues, JwtProvidersSchema } from "../../lib/contract/proxy-jwt.ts";
import { formatIssues, schemaIssues } from "../../lib/contract/schema-issues.ts";
import { isZeroValue } from "../../lib/contract/zero-value.ts";
import { Anything, common, Count, Duration, durationMs, entryBase, Flag, refusal, Text } from "./entry-fields.ts";

/** Consul's `jwt-provider` entry. */
const NamedPlace = Type.Optional(Type.Object({ Name: Text }));

export const JwtProviderBody = Type.Object({
  ...common,
  Issuer: Text,
  Audiences: Type.Optional(Type.Array(Type.String())),
  JSONWebKeySet: Type.Optional(
    Type.Object({
      Local: Type.Optional(Type.Object({ JWKS: Text, Filename: Text })),
      Remote: Type.Optional(
        Type.Object({
          URI: Text,
          RequestTimeoutMs: Count,
          CacheDuration: Duration,
          FetchAsynchronously: Flag,
          RetryPolicy: Type.Optional(Type.Object({ NumRetries: Count, RetryPolicyBackOff: Anything })),
          JWKSCluster: Type.Optional(
            Type.Object({ DiscoveryType: Text, TLSCertificates: Anything, ConnectTimeout: Anything }),
          ),
        }),
      ),
    }),
  ),
  Locations: Type.Optional(
    Type.Array(
      Type.Object({
        Header: Type.Optional(Type.Object({ Name: Text, ValuePrefix: Text, Forward: Flag })),
        QueryParam: NamedPlace,
        Cookie: NamedPlace,
      }),
    ),
  ),
  Forwarding: Type.Optional(Type.Object({ HeaderName: Text, PadForwardPayloadHeader: Flag })),
  ClockSkewSeconds: Count,
  /** Results are remembered anyway, within the proxy's own bound. */
  CacheConfig: Anything,
});
type KeySetBody = NonNullable<Static<typeof JwtProviderBody>["JSONWebKeySet"]>;
type RemoteBody = NonNullable<KeySetBody["Remote"]>;
type LocationBody = NonNullable<Static<typeof JwtProviderBody>["Locations"]>[number];

const largestCacheMs = 86_400_000;
const documentValidator = Compile(JwtProvidersSchema);

export function decodeJwtProvider(body: Static<typeof JwtProviderBody>): JwtProviderEntry {
  const base = entryBase(body, body.Name ?? "");
  if (!body.Issuer) throw refusal("Issuer is required");
  if (body.Forwarding?.PadForwardPayloadHeader === true) {
    throw refusal("Forwarding.PadForwardPayloadHeader is not supported by this version: leave it out");
  }
  if (body.Forwarding !== undefined && !isZeroValue(body.Forwarding) && !body.Forwarding.HeaderName) {
    throw refusal("Forwarding.HeaderName is required");
  }
  const entry: JwtProviderEntry = {
    Kind: "jwt-provider",
    ...base,
    Issuer: body.Issuer,
    Audiences: body.Audiences ?? [],
    JSONWebKeySet: keySet(body.JSONWebKeySet),
    Locations: (body.Locations ?? []).map((place, i) => location(place, `Locations[${i}]`)),
    ForwardHeader: body.Forwarding?.HeaderName ?? "",
    ClockSkewSeconds: body.ClockSkewSeconds ?? 0,
  };
  checkAsDocument(entry);
  return entry;
}

function keySet(body: KeySetBody | undefined): JwtKeySet {
  const local = isZeroValue(body?.Local) ? undefined : body?.Local;
  const remote = isZeroValue(body?.Remote) ? undefined : body?.Remote;
  if (remote !== undefined && local === undefined) return remoteKeySet(remote);
  if (local === undefined || remote !== undefined) {
    throw refusal("JSONWebKeySet must specify exactly one of Local or Remote");
  }
  const { JWKS = "", Filename = "" } = local;
  if ((JWKS === "") === (Filename === "")) {
    throw refusal("JSONWebKeySet.Local must specify exactly one of JWKS or Filename");
  }
  if (Filename !== "") return { Filename };
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(JWKS)) throw refusal("JSONWebKeySet.Local.JWKS must be a base64 encoded string");
  return { JWKS };
}

function remoteKeySet(body: RemoteBody): JwtKeySet {
  const path = "JSONWebKeySet.Remote";
  const { URI = "", RetryPolicy, JWKSCluster } = body;
  if (URI === "") throw refusal(`${path}.URI is required`);
  if (!isZeroValue(RetryPolicy?.RetryPolicyBackOff)) {
    throw refusal(`${path}.RetryPolicy.RetryPolicyBackOff is not supported by this version: leave it out`);
  }
  const discovery = JWKSCluster?.DiscoveryType ?? "";
  if (!["", "STRICT_DNS", "LOGICAL_DNS"].includes(discovery)) {
    throw refusal(`${path}.JWKSCluster.DiscoveryType "${discovery}" is not supported by this version: leave it out`);
  }
  for (const field of ["TLSCertificates", "ConnectTimeout"] as const) {
    if (isZeroValue(JWKSCluster?.[field])) continue;
    throw refusal(`${path}.JWKSCluster.${field} is not supported by this version: leave it out`);
  }
  return {
    URI,
    RequestTimeoutMs: body.RequestTimeoutMs ?? 0,
    CacheDurationMs: durationMs(body.CacheDuration, `${path}.CacheDuration`, largestCacheMs),
    FetchAsynchronously: body.FetchAsynchronously ?? false,
    NumRetries: RetryPolicy?.NumRetries ?? 0,
  };
}

function location(body: LocationBody, path: string): JwtLocation {
  const places = (["Header", "QueryParam", "Cookie"] as const).filter((place) => body[place] !== undefined);
  const [In] = places;
  if (In === undefined || places.length > 1) {
    throw refusal(`${path} must set exactly one of Header, QueryParam or Cookie`);
  }
  const Name = body[In]?.Name ?? "";
  if (Name === "") throw refusal(`${path}.${In}.Name must be specified`);
  const { ValuePrefix = "", Forward = false } = In === "Header" ? (body.Header ?? {}) : {};
  return { In, Name, ValuePrefix, Forward };
}

/** Bounds that a proxy's document has and Consul has not: said when the entry is written, not by every proxy. */
function checkAsDocument(entry: JwtProviderEntry): void {
  const providers = [{ ...jwtProviderConfig(entry), algorithms: [...jwtAlgorithms] }];
  const issues = documentValidator.Check(providers)
    ? jwtProviderIssues("", providers)
    : schemaIssues(documentValidator, providers);
  const named = issues.map(({ path, message }) => ({ path: path.replace(/^\[0\]\.?/, ""), message }));
  if (issues.length > 0) throw refusal(`a proxy could not use this entry: ${formatIssues(named)}`);
}

/** Consul's JSON of what the entry says beside its name. */
export function jwtProviderAnswer(entry: JwtProviderEntry): object {
  const { Issuer, Audiences, Locations, ForwardHeader, ClockSkewSeconds } = entry;
  return {
    JSONWebKeySet: keySetAnswer(entry.JSONWebKeySet),
    Issuer,
    ...(Audiences.length > 0 && { Audiences }),
    ...(Locations.length > 0 && { Locations: Locations.map(locationAnswer) }),
    ...(ForwardHeader !== "" && { Forwarding: { HeaderName: ForwardHeader, PadForwardPayloadHeader: false } }),
    ...(ClockSkewSeconds > 0 && { ClockSkewSeconds }),
  };
}

function keySetAnswer(keys: JwtKeySet): object {
  if (!("URI" in keys)) return { Local: keys };
  const { URI, RequestTimeoutMs, CacheDurationMs, FetchAsynchronously, NumRetries } = keys;
  return {
    Remote: {
      URI,
      ...(RequestTimeoutMs > 0 && { RequestTimeoutMs }),
      ...(CacheDurationMs > 0 && { CacheDuration: CacheDurationMs * 1e6 }),
      ...(FetchAsynchronously && { FetchAsynchronously }),
      ...(NumRetries > 0 && { RetryPolicy: { NumRetries } }),
    },
  };
}

function locationAnswer({ In, Name, ValuePrefix, Forward }: JwtLocation): object {
  return { [In]: { Name, ...(ValuePrefix !== "" && { ValuePrefix }), ...(Forward && { Forward }) } };
}
