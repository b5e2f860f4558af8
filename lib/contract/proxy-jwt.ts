import { Type } from "typebox";
import type { Static } from "typebox";
import type { SchemaIssue } from "./schema-issues.ts";

/** Who issues the tokens of people and programs behind a call, and what a request must prove with one. */
const closed = { additionalProperties: false } as const;
const Name = (description: string) => Type.String({ minLength: 1, maxLength: 256, description });

/** Those whose public key can be given to everybody: with HS256 and its like whoever verifies could issue as well. */
export const jwtAlgorithms = [
  ...["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"],
] as const;

const Location = Type.Object(
  {
    type: Type.Enum(["header", "query", "cookie"], { description: "of what" }),
    name: Name("of the field, parameter or cookie"),
    prefix: Type.String({ default: "", maxLength: 64, description: "before the token in a header" }),
  },
  closed,
);

const Jwks = Type.Object(
  {
    inline: Type.Optional(Type.String({ maxLength: 262_144, description: "the JSON of a key set" })),
    file: Type.Optional(
      Type.String({ minLength: 1, description: "with the JSON of a key set, read when it is configured" }),
    ),
    remote: Type.Optional(
      Type.Object(
        {
          uri: Type.String({ pattern: "^https?://", maxLength: 2_048, description: "where the key set is fetched" }),
          cacheMs: Type.Integer({
            minimum: 1_000,
            maximum: 86_400_000,
            default: 300_000,
            description: "how long keys are used: without new ones tokens are refused then",
          }),
          timeoutMs: Type.Integer({ minimum: 1, maximum: 60_000, default: 1_000, description: "of one attempt" }),
          retries: Type.Integer({ minimum: 0, maximum: 5, default: 1, description: "attempts after the first" }),
        },
        { ...closed, description: "keys at another place" },
      ),
    ),
  },
  { ...closed, description: "the public keys: one of inline, file and remote" },
);

export const JwtProvidersSchema = Type.Array(
  Type.Object(
    {
      name: Name("by which requirements call it"),
      issuer: Name("the iss of its tokens"),
      audiences: Type.Array(Type.String(), {
        maxItems: 64,
        default: [],
        description: "one of them is in aud; any when empty",
      }),
      algorithms: Type.Array(Type.Enum([...jwtAlgorithms]), {
        minItems: 1,
        maxItems: jwtAlgorithms.length,
        default: [...jwtAlgorithms],
        description: "how its tokens may be signed",
      }),
      jwks: Jwks,
      locations: Type.Array(Location, {
        minItems: 1,
        maxItems: 16,
        default: [{ type: "header", name: "authorization", prefix: "Bearer " }],
        description: "where the token is looked for; the first that is there counts",
      }),
      forward: Type.Enum(["keep", "drop"], { default: "drop", description: "whether the application gets the token" }),
      payloadHeader: Type.Optional(
        Type.String({
          pattern: "^[a-z0-9-]+$",
          maxLength: 128,
          description:
            "in which the application gets the claims that were verified, as base64url; nobody else can set it",
        }),
      ),
      clockSkewSeconds: Type.Integer({
        minimum: 0,
        maximum: 3_600,
        default: 30,
        description: "allowed in exp and nbf",
      }),
    },
    closed,
  ),
  { maxItems: 64, default: [], description: "issuers of JSON Web Tokens" },
);

export const JwtRequirementSchema = Type.Object(
  {
    providers: Type.Array(
      Type.Object(
        {
          name: Name("of a provider of this listener"),
          claims: Type.Array(
            Type.Object(
              {
                path: Type.Array(Type.String(), {
                  minItems: 1,
                  maxItems: 16,
                  description: "names of members, from the outside in",
                }),
                value: Type.String({ maxLength: 4_096, description: "of the claim, or of one of its list" }),
              },
              closed,
            ),
            { maxItems: 64, default: [], description: "all of them" },
          ),
        },
        closed,
      ),
      { minItems: 1, maxItems: 64, description: "a token of any of them will do" },
    ),
  },
  { ...closed, description: "a token that a request must show" },
);

export type JwtProviderConfig = Static<typeof JwtProvidersSchema>[number];
export type JwtRequirement = Static<typeof JwtRequirementSchema>;

/** Of providers at `path` in their document: what a schema cannot say. */
export function jwtProviderIssues(path: string, providers: readonly JwtProviderConfig[]): SchemaIssue[] {
  return providers.flatMap(({ name, jwks }, i) => {
    const at = `${path}[${i}]`;
    const issues: SchemaIssue[] = [];
    if (providers.findIndex((other) => other.name === name) < i) {
      issues.push({ path: `${at}.name`, message: `"${name}" is the name of another provider` });
    }
    if (Object.keys(jwks).length !== 1) {
      issues.push({ path: `${at}.jwks`, message: "must have exactly one of inline, file and remote" });
    }
    if (jwks.inline !== undefined && parseKeySet(jwks.inline) === undefined) {
      issues.push({ path: `${at}.jwks.inline`, message: "must be the JSON of a key set with public keys only" });
    }
    return issues;
  });
}

/** `text` is the JSON of what has been looked through. */
export interface KeySet {
  readonly text: string;
}

/** Undefined for what is no key set, or one with secrets in it: symmetric and private keys are nobody's to publish. */
export function parseKeySet(text: string): KeySet | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const keys: unknown = isRecord(value) ? value["keys"] : undefined;
  if (!Array.isArray(keys) || !keys.every(isRecord)) return undefined;
  return keys.some((key) => key["kty"] === "oct" || key["d"] !== undefined) ? undefined : { text };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
