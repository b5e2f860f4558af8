import { createHash } from "node:crypto";
import type { Clock } from "../../../lib/base/clock.ts";
import type { JSONWebKeySet, JWTVerifyGetKey } from "jose";
import type { JwtProviderConfig, JwtRequirement, KeySet } from "../../../lib/contract/proxy-jwt.ts";
import { FieldEdit } from "../../message/field-edit.ts";
import type { RequestHead } from "../../message/request-head.ts";
import type { PendingVerdict } from "../../message/verdict.ts";
import { hasClaims } from "./claims.ts";
import { type FetchText, KeySource } from "./key-source.ts";
import { dropTokens, findToken } from "./token-location.ts";
import { TokenMemory } from "./token-memory.ts";

/** Tokens whose signature is verified are known by a hash until they expire; refused ones for a while, apart from the others. */
export const maxVerified = 10_000;
export const maxRefused = 1_000;
export const refusedMs = 1_000;
/** Tokens that are being verified at one time. */
export const maxUnderWay = 1_000;
/** Longer ones are none. */
const maxTokenCharacters = 16_384;

export type TokenProblem = "jwt_missing" | "jwt_invalid" | "jwks_unavailable" | "jwt_claims";

export type TokenState =
  | { readonly kind: "valid" }
  | { readonly kind: "refused"; readonly problem: TokenProblem }
  | PendingVerdict;

interface Verified {
  readonly payload: Readonly<Record<string, unknown>>;
  readonly untilMs: number;
}

interface Refused {
  readonly problem: TokenProblem;
  readonly untilMs: number;
}

interface Provider {
  readonly config: JwtProviderConfig;
  readonly keys: KeySource;
}

const valid: TokenState = { kind: "valid" };
const missing: TokenState = { kind: "refused", problem: "jwt_missing" };

/**
 * Verifies the tokens of one listener. Verification takes its time, and is done once per token: a request that needs it waits and
 * asks again. Whatever cannot be verified is refused. The library is loaded with the first token.
 */
export class JwtVerifier {
  readonly #providers: ReadonlyMap<string, Provider>;
  readonly #clock: Clock;
  readonly #verified = new TokenMemory<Verified>(maxVerified);
  readonly #refused = new TokenMemory<Refused>(maxRefused);
  readonly #underWay = new Map<string, Promise<void>>();

  constructor(options: {
    readonly providers: readonly JwtProviderConfig[];
    readonly clock: Clock;
    readonly fetchText: FetchText;
  }) {
    const { providers, clock, fetchText } = options;
    this.#clock = clock;
    this.#providers = new Map(
      providers.map((config) => [
        config.name,
        { config, keys: new KeySource({ jwks: config.jwks, clock, fetchText }) },
      ]),
    );
  }

  /** Whether the request has what is required; when several providers will do, the one that comes furthest says why not. */
  check(head: RequestHead, { providers }: JwtRequirement): TokenState {
    let worst: TokenState = missing;
    for (const { name, claims } of providers) {
      const state = this.#stateOf(name, head);
      if (!("payload" in state)) {
        if (state.kind === "pending") return state;
        if (worst.kind !== "refused" || worst.problem === "jwt_missing") worst = state;
      } else if (hasClaims(state.payload, claims)) return valid;
      else worst = { kind: "refused", problem: "jwt_claims" };
    }
    return worst;
  }

  /** What the application gets of a request that was let through: never a claim of ours that a client has made up. */
  edited(head: RequestHead): RequestHead {
    let edit: FieldEdit | undefined;
    for (const { config } of this.#providers.values()) {
      const state = this.#stateOf(config.name, head);
      const { payloadHeader, forward, locations } = config;
      const { fields } = head.block;
      for (let i = 0; i < fields.length; i += 2) {
        if (payloadHeader === undefined || fields[i] !== payloadHeader) continue;
        edit ??= new FieldEdit(head.block);
        edit.drop(i);
      }
      if (!("payload" in state)) continue;
      edit ??= new FieldEdit(head.block);
      if (forward === "drop") dropTokens(edit, head, locations);
      if (payloadHeader !== undefined) {
        edit.add(payloadHeader, Buffer.from(JSON.stringify(state.payload)).toString("base64url"));
      }
    }
    return edit?.request() ?? head;
  }

  #stateOf(name: string, head: RequestHead): TokenState | Verified {
    const provider = this.#providers.get(name);
    const token = provider === undefined ? undefined : findToken(head, provider.config.locations);
    if (provider === undefined || token === undefined) return missing;
    if (token.length > maxTokenCharacters) return { kind: "refused", problem: "jwt_invalid" };
    const key = createHash("sha256").update(`${name}\n${token}`).digest("base64");
    const known = this.#verified.get(key, this.#clock.nowMs());
    if (known !== undefined) return known;
    const refused = this.#refused.get(key, this.#clock.monotonicMs());
    if (refused !== undefined) return { kind: "refused", problem: refused.problem };
    const underWay = this.#underWay.get(key);
    if (underWay !== undefined) return { kind: "pending", settled: underWay };
    if (this.#underWay.size >= maxUnderWay) return { kind: "refused", problem: "jwt_invalid" };
    const settled = this.#verify(provider, token, key)
      .catch(() => this.#refuse(key, "jwt_invalid"))
      .finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, settled);
    return { kind: "pending", settled };
  }

  async #verify({ config, keys }: Provider, token: string, key: string): Promise<void> {
    const { clockSkewSeconds } = config;
    const first = await keys.keys();
    if (first === undefined) return this.#refuse(key, "jwks_unavailable");
    let outcome = await verifyWith(first, token, config, this.#clock.nowMs());
    if (outcome === "unknown_key") {
      const newer = await keys.newerKeys();
      if (newer !== undefined) outcome = await verifyWith(newer, token, config, this.#clock.nowMs());
    }
    if (typeof outcome === "string") return this.#refuse(key, "jwt_invalid");
    const expiresMs = (Number(outcome["exp"]) + clockSkewSeconds) * 1_000;
    this.#verified.set(key, { payload: outcome, untilMs: expiresMs });
  }

  #refuse(key: string, problem: TokenProblem): void {
    this.#refused.set(key, { problem, untilMs: this.#clock.monotonicMs() + refusedMs });
  }
}

type Outcome = Readonly<Record<string, unknown>> | "unknown_key" | "invalid";

/** Made once for a key set: it keeps its keys as they have been imported. */
const resolvers = new WeakMap<KeySet, JWTVerifyGetKey>();

async function verifyWith(keys: KeySet, token: string, config: JwtProviderConfig, nowMs: number): Promise<Outcome> {
  const { createLocalJWKSet, errors, jwtVerify } = await import("jose");
  try {
    const jwks: JSONWebKeySet = JSON.parse(keys.text);
    const resolver = resolvers.get(keys) ?? createLocalJWKSet(jwks);
    resolvers.set(keys, resolver);
    const { payload } = await jwtVerify(token, resolver, {
      algorithms: [...config.algorithms],
      issuer: config.issuer,
      ...(config.audiences.length > 0 && { audience: [...config.audiences] }),
      clockTolerance: config.clockSkewSeconds,
      currentDate: new Date(nowMs),
      // One without an end would be valid for ever, whatever becomes of its key.
      requiredClaims: ["exp"],
    });
    return payload;
  } catch (thrown) {
    return thrown instanceof errors.JWKSNoMatchingKey ? "unknown_key" : "invalid";
  }
}
