import { notVerified } from "./method-type.ts";

/** What the claims of a token have to say, beside that they are signed, and what is taken from them. */
export interface ClaimRules {
  /** Empty: none was configured. */
  readonly issuer: string;
  readonly audiences: readonly string[];
  /** What stands in for an expiration or a begin that a token does not say, counted from what it does. */
  readonly expirationLeewayMs: number;
  readonly notBeforeLeewayMs: number;
  readonly clockSkewMs: number;
}

export type Claims = Readonly<Record<string, unknown>>;

/** Throws `PERMISSION_DENIED`. */
export function readClaims(payload: Uint8Array): Claims {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(payload).toString("utf8"));
  } catch {
    value = undefined;
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  throw notVerified("the claims of the token are no JSON object");
}

/** Throws `PERMISSION_DENIED` with the claim that is wrong. */
export function checkClaims(claims: Claims, rules: ClaimRules, nowMs: number): void {
  checkTimes(claims, rules, nowMs);
  if (rules.issuer !== "" && claims["iss"] !== rules.issuer)
    throw notVerified("the issuer (iss) of the token is another");
  const audiences = textsOf(claims["aud"]);
  if (rules.audiences.length === 0) {
    if (audiences.length > 0) throw notVerified("audience claim found in JWT but no audiences are bound");
    return;
  }
  if (!audiences.some((one) => rules.audiences.includes(one))) {
    throw notVerified("the audience (aud) of the token is none of those that are bound");
  }
}

function checkTimes(claims: Claims, rules: ClaimRules, nowMs: number): void {
  const [exp, nbf, iat] = [timeMs(claims, "exp"), timeMs(claims, "nbf"), timeMs(claims, "iat")];
  if (exp === undefined && nbf === undefined && iat === undefined) {
    throw notVerified("no issue time, notBefore, or expiration time encoded in token");
  }
  const latestStart = Math.max(iat ?? Number.NEGATIVE_INFINITY, nbf ?? Number.NEGATIVE_INFINITY);
  const expires = exp ?? latestStart + rules.expirationLeewayMs;
  const begins = nbf ?? iat ?? expires - rules.notBeforeLeewayMs;
  if (nowMs - rules.clockSkewMs >= expires) throw notVerified("the token has expired (exp)");
  if (nowMs + rules.clockSkewMs < begins) throw notVerified("the token is not valid yet (nbf)");
  if (iat !== undefined && nowMs + rules.clockSkewMs < iat) throw notVerified("the token is of the future (iat)");
}

function timeMs(claims: Claims, name: string): number | undefined {
  const value = claims[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value === "number" && Number.isFinite(value)) return value * 1000;
  throw notVerified(`the claim ${name} of the token is no time`);
}

/** A claim by its name, or by its path when it begins with a slash (RFC 6901). */
export function claimAt(claims: Claims, name: string): unknown {
  if (!name.startsWith("/")) return Object.hasOwn(claims, name) ? claims[name] : undefined;
  let value: unknown = claims;
  for (const raw of name.slice(1).split("/")) {
    const key = raw.replaceAll("~1", "/").replaceAll("~0", "~");
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
    value = Object.getOwnPropertyDescriptor(value, key)?.value;
  }
  return value;
}

/** A claim as text; undefined for one that is missing or has several values. */
export function claimText(value: unknown): string | undefined {
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean"
    ? String(value)
    : undefined;
}

export function textsOf(value: unknown): readonly string[] {
  return (Array.isArray(value) ? value : [value]).flatMap((one: unknown) => claimText(one) ?? []);
}
