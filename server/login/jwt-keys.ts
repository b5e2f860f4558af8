import { createPublicKey, type KeyObject, X509Certificate } from "node:crypto";
import { compactVerify, createLocalJWKSet, errors, type JSONWebKeySet } from "jose";
import type { Clock } from "../../lib/base/clock.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { badConfig, notVerified } from "./method-type.ts";
import { type OutsideAnswer, type OutsideCall, readUrl } from "./outside-call.ts";

/**
 * The keys that sign the tokens of one method: written into it, or published. Published ones are kept for ten minutes; a
 * token of a key that is not among them has them fetched again, at most every few seconds.
 */
export interface JwtKeys {
  /** The payload of a token with a good signature; throws `PERMISSION_DENIED` or, without keys, `UNAVAILABLE`. */
  verify(token: string, algorithms: readonly string[]): Promise<Uint8Array>;
}

const cacheMs = 600_000;
const minFetchIntervalMs = 5_000;
const badSignature = "failed to verify signature of the token";

/** Throws `INVALID_ARGUMENT` for what is no public key. */
export function writtenKeys(pems: readonly string[]): JwtKeys {
  const keys = pems.map((pem, i) => readPublicKey(pem, i));
  return {
    async verify(token, algorithms) {
      for (const key of keys) {
        const payload = await verifyWith(token, key, algorithms);
        if (payload !== undefined) return payload;
      }
      throw notVerified(badSignature);
    },
  };
}

function readPublicKey(pem: string, i: number): KeyObject {
  try {
    if (pem.includes("CERTIFICATE")) return new X509Certificate(pem).publicKey;
    // Of a private key Node.js would make the public one.
    if (pem.includes("PRIVATE KEY")) throw new Error("it is private");
    return createPublicKey(pem);
  } catch {
    throw badConfig(`Config.JWTValidationPubKeys[${i}] is no public key in PEM`);
  }
}

async function verifyWith(
  token: string,
  key: KeyObject,
  algorithms: readonly string[],
): Promise<Uint8Array | undefined> {
  try {
    return (await compactVerify(token, key, { algorithms: [...algorithms] })).payload;
  } catch {
    // Another kind of key, another algorithm or another signer.
    return undefined;
  }
}

/** `find` comes to where the keys are, for discovery; what it throws is thrown to who logs in. */
export function publishedKeys(options: {
  readonly find: () => Promise<string>;
  readonly caPem: string;
  readonly call: OutsideCall;
  readonly clock: Clock;
}): JwtKeys {
  const { call, clock } = options;
  let keys: JSONWebKeySet | undefined;
  let fetchedMs = Number.NEGATIVE_INFINITY;
  let fetching: Promise<JSONWebKeySet> | undefined;

  const fetchKeys = async (): Promise<JSONWebKeySet> => {
    const url = mustUrl(await options.find());
    const answer = await call({ method: "GET", url, caPem: options.caPem });
    const read = readKeySet(mustBeOk(answer, url));
    if (read === undefined) throw unavailable(`${url.host} has no key set of public keys`);
    return read;
  };
  /** Those who ask at the same time share the answer. */
  const refresh = async (): Promise<JSONWebKeySet> => {
    fetching ??= fetchKeys().finally(() => {
      fetching = undefined;
      fetchedMs = clock.monotonicMs();
    });
    keys = await fetching;
    return keys;
  };

  return {
    async verify(token, algorithms) {
      const age = clock.monotonicMs() - fetchedMs;
      if (keys === undefined && age < minFetchIntervalMs) {
        throw unavailable("the keys of the method could not be fetched a moment ago");
      }
      const isFresh = keys !== undefined && age < cacheMs;
      const payload = await verifyWithSet(token, isFresh && keys !== undefined ? keys : await refresh(), algorithms);
      if (payload !== undefined) return payload;
      if (!isFresh || age < minFetchIntervalMs) throw notVerified(badSignature);
      const again = await verifyWithSet(token, await refresh(), algorithms);
      if (again === undefined) throw notVerified(badSignature);
      return again;
    },
  };
}

/** Undefined when no key of the set is the token's. */
async function verifyWithSet(
  token: string,
  keys: JSONWebKeySet,
  algorithms: readonly string[],
): Promise<Uint8Array | undefined> {
  try {
    return (await compactVerify(token, createLocalJWKSet(keys), { algorithms: [...algorithms] })).payload;
  } catch (thrown) {
    if (thrown instanceof errors.JWKSMultipleMatchingKeys) {
      for await (const key of thrown) {
        try {
          return (await compactVerify(token, key, { algorithms: [...algorithms] })).payload;
        } catch {
          // The next one may be it.
        }
      }
    }
    return undefined;
  }
}

function readKeySet(text: string): JSONWebKeySet | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const keys: unknown = typeof value === "object" && value !== null && "keys" in value ? value.keys : undefined;
    if (!Array.isArray(keys)) return undefined;
    const isPublic = keys.every(
      (key: unknown) => typeof key === "object" && key !== null && !("d" in key) && "kty" in key && key.kty !== "oct",
    );
    // jose looks at the rest of each key itself.
    return isPublic ? { keys } : undefined;
  } catch {
    return undefined;
  }
}

/** The key set of an OpenID provider, whose own document has to name it as the issuer. */
export async function discoverKeys(issuer: string, caPem: string, call: OutsideCall): Promise<string> {
  const url = mustUrl(`${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`);
  const text = mustBeOk(await call({ method: "GET", url, caPem }), url);
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    document = undefined;
  }
  const found: Record<string, unknown> = typeof document === "object" && document !== null ? { ...document } : {};
  if (found["issuer"] !== issuer) throw unavailable(`the document of ${url.host} names another issuer`);
  const keys = found["jwks_uri"];
  if (typeof keys !== "string") throw unavailable(`the document of ${url.host} names no jwks_uri`);
  return keys;
}

function mustUrl(text: string): URL {
  const url = readUrl(text);
  if (url === undefined) throw unavailable("the place of the keys is no http or https URL");
  return url;
}

function mustBeOk({ status, body }: OutsideAnswer, url: URL): string {
  if (status !== 200) throw unavailable(`${url.host} answered ${status} when it was asked for keys`);
  return body;
}

function unavailable(message: string): AtollError {
  return new AtollError("UNAVAILABLE", message, { status: 500 });
}
