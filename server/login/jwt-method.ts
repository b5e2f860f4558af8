import { ConfigReader } from "./config-reader.ts";
import { type Identity, identityFields } from "./identity.ts";
import { checkClaims, claimAt, type Claims, claimText, readClaims, textsOf } from "./jwt-claims.ts";
import { discoverKeys, type JwtKeys, publishedKeys, writtenKeys } from "./jwt-keys.ts";
import { badConfig, type CreateVerifier, notVerified, sampleValue, type VerifierTools } from "./method-type.ts";
import { readUrl } from "./outside-call.ts";

/** Auth methods of the type `jwt`: signed JSON web tokens of an issuer that is not ours. No shared secrets. */
const asymmetric = ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "EdDSA"];
const defaultLeewayMs = 150_000;
const defaultSkewMs = 60_000;
const maxTokenCharacters = 16_384;
/** Names that make `${value.NAME}`. */
const mappedName = /^[A-Za-z0-9_.-]{1,128}$/;

export const createJwtVerifier: CreateVerifier = (config, tools) => {
  const read = new ConfigReader(config);
  const discoveryUrl = read.text("OIDCDiscoveryURL");
  const keySource = readKeySource(read, discoveryUrl, tools);
  const given = read.texts("JWTSupportedAlgs");
  const unknown = given.find((name) => !asymmetric.includes(name));
  if (unknown !== undefined) throw badConfig(`Config.JWTSupportedAlgs: unsupported signing algorithm "${unknown}"`);
  const algorithms = given.length > 0 ? given : discoveryUrl === "" ? asymmetric : ["RS256"];
  const boundIssuer = read.text("BoundIssuer");
  const rules = {
    issuer: discoveryUrl === "" ? boundIssuer : discoveryUrl,
    audiences: read.texts("BoundAudiences"),
    expirationLeewayMs: leeway(read.durationMs("ExpirationLeeway"), defaultLeewayMs),
    notBeforeLeewayMs: leeway(read.durationMs("NotBeforeLeeway"), defaultLeewayMs),
    clockSkewMs: leeway(read.durationMs("ClockSkewLeeway"), defaultSkewMs),
  };
  const mappings = readMappings(read, "ClaimMappings");
  const listMappings = readMappings(read, "ListClaimMappings");
  // Consul lets debug output be asked for; there is none.
  read.flag("VerboseOIDCLogging");
  read.finish();
  const names = [...mappings.values()].map((name) => `value.${name}`);
  const listNames = [...listMappings.values()].map((name) => `list.${name}`);
  return {
    sampleVariables: new Map(names.map((name) => [name, sampleValue])),
    fields: identityFields({ names, listNames, open: ["value"] }),
    async verify(token) {
      if (token.length > maxTokenCharacters) throw notVerified("the token is too long");
      const claims = readClaims(await keySource.verify(token, algorithms));
      checkClaims(claims, rules, tools.clock.nowMs());
      return identityOf(claims, mappings, listMappings);
    },
  };
};

function readKeySource(read: ConfigReader, discoveryUrl: string, { call, clock }: VerifierTools): JwtKeys {
  const pems = read.texts("JWTValidationPubKeys");
  const keysUrl = read.text("JWKSURL");
  const keysCa = read.text("JWKSCACert");
  const discoveryCa = read.text("OIDCDiscoveryCACert");
  const places = [pems.length > 0, keysUrl !== "", discoveryUrl !== ""].filter(Boolean).length;
  if (places !== 1) {
    throw badConfig(
      "exactly one of 'JWTValidationPubKeys', 'JWKSURL', or 'OIDCDiscoveryURL' must be set for type \"jwt\"",
    );
  }
  mustBeCertificate("JWKSCACert", keysCa);
  mustBeCertificate("OIDCDiscoveryCACert", discoveryCa);
  if (pems.length > 0) return writtenKeys(pems);
  if (keysUrl !== "") {
    mustBeUrl("JWKSURL", keysUrl);
    return publishedKeys({ find: async () => keysUrl, caPem: keysCa, call, clock });
  }
  mustBeUrl("OIDCDiscoveryURL", discoveryUrl);
  const find = (): Promise<string> => discoverKeys(discoveryUrl, discoveryCa, call);
  return publishedKeys({ find, caPem: discoveryCa, call, clock });
}

function mustBeUrl(field: string, text: string): void {
  if (readUrl(text) === undefined) throw badConfig(`Config.${field} is no http or https URL`);
}

function mustBeCertificate(field: string, pem: string): void {
  if (pem !== "" && !pem.includes("-----BEGIN CERTIFICATE-----")) {
    throw badConfig(`Config.${field}: could not parse CA PEM value successfully`);
  }
}

/** Not given: the default; negative: none. */
function leeway(ms: number, defaultMs: number): number {
  return ms === 0 ? defaultMs : Math.max(0, ms);
}

function readMappings(read: ConfigReader, field: string): ReadonlyMap<string, string> {
  const mappings = read.textMap(field);
  const names = [...mappings.values()];
  const wrong = names.find((name) => !mappedName.test(name));
  if (wrong !== undefined) throw badConfig(`Config.${field}: "${wrong}" must be letters, digits, ".", "-" and "_"`);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw badConfig(`${field} contains multiple mappings for metadata key "${twice}"`);
  return mappings;
}

/** A claim that is not there is an empty text, as in Consul: a name that is made of it is none and refused. */
function identityOf(
  claims: Claims,
  mappings: ReadonlyMap<string, string>,
  listMappings: ReadonlyMap<string, string>,
): Identity {
  const variables = new Map<string, string>();
  for (const [claim, name] of mappings) {
    variables.set(`value.${name}`, claimText(claimAt(claims, claim)) ?? "");
  }
  const lists = new Map<string, readonly string[]>();
  for (const [claim, name] of listMappings) {
    const value = claimAt(claims, claim);
    if (value !== undefined) lists.set(`list.${name}`, textsOf(value));
  }
  return { variables, lists };
}
