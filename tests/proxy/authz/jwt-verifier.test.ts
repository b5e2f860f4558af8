import { describe, expect, test } from "bun:test";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { mustGet } from "../../../lib/base/assert.ts";
import { parseProxyConfig } from "../../../lib/contract/proxy-config.ts";
import { cooldownMs } from "../../../proxy/authz/jwt/key-source.ts";
import { JwtVerifier, maxUnderWay, refusedMs } from "../../../proxy/authz/jwt/verifier.ts";
import { FieldBlock } from "../../../proxy/message/field-block.ts";
import { checkRequest, RequestHead } from "../../../proxy/message/request-head.ts";
import { createVirtualClock } from "../../fakes/virtual-clock.ts";

const old = await generateKeyPair("ES256");
const next = await generateKeyPair("ES256");
const cacheMs = 60_000;
const required = { providers: [{ name: "okta", claims: [] }] };

/** Tokens expire by the clock of the test, which begins at 0. */
function token(key: CryptoKey, kid: string, expSeconds = 3_600): Promise<string> {
  return new SignJWT({})
    .setProtectedHeader({ alg: "ES256", kid })
    .setIssuer("i")
    .setExpirationTime(expSeconds)
    .sign(key);
}

async function keySet(pair: CryptoKeyPair, kid: string): Promise<string> {
  return JSON.stringify({ keys: [{ ...(await exportJWK(pair.publicKey)), kid }] });
}

function head(text: string): RequestHead {
  const pseudo = [":method", "GET", ":scheme", "http", ":authority", "api", ":path", "/"];
  const checked = checkRequest(new FieldBlock([...pseudo, "authorization", `Bearer ${text}`]));
  return mustGet(checked instanceof RequestHead ? checked : undefined, "a valid request");
}

function world(fetched: () => Promise<string>) {
  const clock = createVirtualClock(0);
  const parsed = parseProxyConfig({
    identity: { certFile: "c", keyFile: "k", caFile: "r" },
    inbound: [
      {
        ...{ service: "api", listen: "127.0.0.1:1", app: "127.0.0.1:2", intentions: { default: "deny" } },
        jwtProviders: [{ name: "okta", issuer: "i", jwks: { remote: { uri: "http://k/", cacheMs, retries: 0 } } }],
      },
    ],
    admin: { listen: "127.0.0.1:3" },
  });
  const { config } = mustGet(parsed.ok ? parsed : undefined, "the document is valid");
  const counted = { fetches: 0 };
  const fetchText = (): Promise<string> => {
    counted.fetches++;
    return fetched();
  };
  const verifier = new JwtVerifier({ providers: config.inbound[0]?.jwtProviders ?? [], clock, fetchText });
  /** What is known in the end, and whether it had to be waited for. */
  const ask = async (text: string): Promise<string> => {
    const first = verifier.check(head(text), required);
    if (first.kind !== "pending") return first.kind === "valid" ? "valid" : first.problem;
    await first.settled;
    const state = verifier.check(head(text), required);
    return `waited, ${state.kind === "refused" ? state.problem : state.kind}`;
  };
  return { ask, clock, counted, verifier };
}

describe("a verifier", () => {
  test("remembers a token until it expires, and no longer", async () => {
    const keys = await keySet(old, "old");
    const { ask, clock, counted } = world(async () => keys);
    const short = await token(old.privateKey, "old", 100);
    expect([await ask(short), await ask(short)]).toEqual(["waited, valid", "valid"]);
    await clock.advance(129_000);
    expect(await ask(short)).toBe("valid");
    await clock.advance(2_000);
    expect(await ask(short)).toBe("waited, jwt_invalid");
    expect(counted.fetches).toBe(2);
  });

  test("verifies nothing with keys that are too old, and asks a server that is down only now and then", async () => {
    const keys = await keySet(old, "old");
    let isDown = false;
    const { ask, clock, counted } = world(async () => (isDown ? Promise.reject(new Error("down")) : keys));
    expect(await ask(await token(old.privateKey, "old"))).toBe("waited, valid");
    isDown = true;
    await clock.advance(cacheMs);
    for (let i = 0; i < 3; i++) {
      expect(await ask(await token(old.privateKey, "old", 4_000 + i))).toBe("waited, jwks_unavailable");
    }
    expect(counted.fetches).toBe(2);
    isDown = false;
    await clock.advance(cooldownMs + refusedMs);
    expect(await ask(await token(old.privateKey, "old", 4_000))).toBe("waited, valid");
  });

  test("looks for a key that it does not know, once in a while", async () => {
    let keys = await keySet(old, "old");
    const { ask, clock, counted } = world(async () => keys);
    expect(await ask(await token(old.privateKey, "old"))).toBe("waited, valid");
    keys = await keySet(next, "next");
    const renewed = await token(next.privateKey, "next");
    expect(await ask(renewed)).toBe("waited, jwt_invalid");
    expect(await ask(renewed)).toBe("jwt_invalid");
    expect(counted.fetches).toBe(1);
    await clock.advance(cooldownMs + refusedMs);
    expect(await ask(renewed)).toBe("waited, valid");
    expect(counted.fetches).toBe(2);
  });

  test("fetches once for all that wait, and refuses what is no key set", async () => {
    const fetched = Promise.withResolvers<string>();
    const { counted, verifier } = world(() => fetched.promise);
    const texts = await Promise.all([1, 2, 3].map((i) => token(old.privateKey, "old", 3_600 + i)));
    const states = [...texts, ...texts].map((text) => verifier.check(head(text), required));
    fetched.resolve('{"keys":[{"kty":"oct","k":"AAAA","kid":"old"}]}');
    for (const state of states) if (state.kind === "pending") await state.settled;
    expect(texts.map((text) => verifier.check(head(text), required))).toEqual(
      texts.map(() => ({ kind: "refused", problem: "jwks_unavailable" })),
    );
    expect(counted.fetches).toBe(1);
  });

  test("verifies so many tokens at one time, refuses one more, and has room again when they are done", async () => {
    const fetched = Promise.withResolvers<string>();
    const { ask, counted, verifier } = world(() => fetched.promise);
    const states = Array.from({ length: maxUnderWay }, (_, i) => verifier.check(head(`made-up-${i}`), required));
    expect(new Set(states.map(({ kind }) => kind))).toEqual(new Set(["pending"]));
    const good = await token(old.privateKey, "old");
    expect(verifier.check(head(good), required)).toEqual({ kind: "refused", problem: "jwt_invalid" });
    // The same token again is not one more.
    expect(verifier.check(head("made-up-0"), required).kind).toBe("pending");
    fetched.resolve(await keySet(old, "old"));
    for (const state of states) if (state.kind === "pending") await state.settled;
    expect([await ask(good), counted.fetches]).toEqual(["waited, valid", 1]);
  });
});
