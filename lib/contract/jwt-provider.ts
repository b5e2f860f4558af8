import type { EntryBase } from "./config-entries.ts";
import type { JwtProviderConfig, JwtRequirement } from "./proxy-jwt.ts";

/** Who issues JSON Web Tokens: Consul's `jwt-provider` entry. An empty text and 0 say nothing. */
export interface JwtProviderEntry extends EntryBase, JwtProviderFields {
  readonly Kind: "jwt-provider";
}

export interface JwtProviderFields {
  readonly Name: string;
  readonly Issuer: string;
  readonly Audiences: readonly string[];
  readonly JSONWebKeySet: JwtKeySet;
  /** Where a token is looked for; empty for the bearer token and the parameter `access_token`. */
  readonly Locations: readonly JwtLocation[];
  /** In which the application gets the verified claims; empty for none. */
  readonly ForwardHeader: string;
  /** 0 is the default of 30. */
  readonly ClockSkewSeconds: number;
}

export type JwtKeySet =
  /** `JWKS` is the base64 of a key set. */
  | { readonly JWKS: string }
  | { readonly Filename: string }
  | {
      readonly URI: string;
      readonly RequestTimeoutMs: number;
      readonly CacheDurationMs: number;
      readonly FetchAsynchronously: boolean;
      readonly NumRetries: number;
    };

export interface JwtLocation {
  readonly In: "Header" | "QueryParam" | "Cookie";
  readonly Name: string;
  readonly ValuePrefix: string;
  /** Whether the application gets the token as well. */
  readonly Forward: boolean;
}

/** What an intention asks of a token. A token of any of the providers will do. */
export interface IntentionJwt {
  readonly Providers: readonly {
    readonly Name: string;
    readonly VerifyClaims: readonly { readonly Path: readonly string[]; readonly Value: string }[];
  }[];
}

/** Envoy's, where Consul says nothing. */
const defaultCacheMs = 600_000;
const defaultTimeoutMs = 1_000;
const defaultClockSkewSeconds = 30;
const defaultLocations: JwtProviderConfig["locations"] = [
  { type: "header", name: "authorization", prefix: "Bearer " },
  { type: "query", name: "access_token", prefix: "" },
];
const placeOf = { Header: "header", QueryParam: "query", Cookie: "cookie" } as const;

/** The same provider in the words of a proxy's document, without what is the document's default. */
export function jwtProviderConfig(provider: JwtProviderFields): Omit<JwtProviderConfig, "algorithms"> {
  const { Name, Issuer, Audiences, Locations, ForwardHeader, ClockSkewSeconds } = provider;
  const locations = Locations.map(({ In, Name: name, ValuePrefix: prefix }) => ({ type: placeOf[In], name, prefix }));
  return {
    name: Name,
    issuer: Issuer,
    audiences: [...Audiences],
    jwks: keySetConfig(provider.JSONWebKeySet),
    locations: locations.length === 0 ? defaultLocations : locations,
    // One place that passes its token on does so for all of them, as in Envoy.
    forward: Locations.some(({ Forward }) => Forward) ? "keep" : "drop",
    ...(ForwardHeader !== "" && { payloadHeader: ForwardHeader.toLowerCase() }),
    clockSkewSeconds: ClockSkewSeconds || defaultClockSkewSeconds,
  };
}

export function jwtRequirement({ Providers }: IntentionJwt): JwtRequirement {
  return {
    providers: Providers.map(({ Name, VerifyClaims }) => ({
      name: Name,
      claims: VerifyClaims.map(({ Path, Value }) => ({ path: [...Path], value: Value })),
    })),
  };
}

/** Names of the providers that a requirement speaks of. */
export function requiredProviders(requirement: IntentionJwt | undefined): string[] {
  return (requirement?.Providers ?? []).map(({ Name }) => Name);
}

function keySetConfig(keys: JwtKeySet): JwtProviderConfig["jwks"] {
  if ("JWKS" in keys) return { inline: Buffer.from(keys.JWKS, "base64").toString("utf8") };
  if ("Filename" in keys) return { file: keys.Filename };
  const { URI, RequestTimeoutMs, CacheDurationMs, NumRetries } = keys;
  return {
    remote: {
      uri: URI,
      cacheMs: CacheDurationMs || defaultCacheMs,
      timeoutMs: RequestTimeoutMs || defaultTimeoutMs,
      retries: NumRetries,
    },
  };
}
