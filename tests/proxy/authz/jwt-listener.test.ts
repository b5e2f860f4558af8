import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { EchoApp } from "../../conformance/echo-app.ts";
import { http1Caller, http2Caller, type MeshAnswer } from "../../conformance/mesh-callers.ts";
import { source } from "../../conformance/rule-kinds.ts";
import { TestAuthority, writeLeaf } from "../../fakes/certificates.ts";
import { metric, mustParse, startProxy } from "../transport/bun-mesh.ts";

/** Tokens at an inbound listener over mutual TLS; their keys are served by another process. */
const directory = mkdtempSync(join(tmpdir(), "atoll-jwt-"));
const authority = new TestAuthority();
const web = authority.leaf("web");
const files = writeLeaf(authority.leaf("api"), directory);
const signing = await generateKeyPair("ES256");
const strange = await generateKeyPair("ES256");
const publicKey = { ...(await exportJWK(signing.publicKey)), kid: "one", alg: "ES256" };
const stops: (() => void)[] = [];
let app: EchoApp;
let jwks: ReturnType<typeof Bun.spawn>;
let jwksPort = 0;

beforeAll(async () => {
  app = await EchoApp.start();
  const script = join(import.meta.dir, "jwks-server.mjs");
  const spawned = Bun.spawn([process.execPath, script, JSON.stringify({ keys: [publicKey] })], { stdout: "pipe" });
  jwks = spawned;
  const { value } = await spawned.stdout.getReader().read();
  jwksPort = Number(new TextDecoder().decode(value));
});

afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

afterAll(() => {
  app.stop();
  jwks.kill();
  rmSync(directory, { recursive: true });
});

function documentWith(provider: object, intentions: object) {
  const remote = { uri: `http://127.0.0.1:${jwksPort}/keys`, retries: 0 };
  const jwtProviders = [{ name: "okta", issuer: "https://okta", audiences: ["api"], jwks: { remote }, ...provider }];
  return {
    identity: files,
    inbound: [
      {
        ...{ service: "api", listen: "127.0.0.1:0", app: `127.0.0.1:${app.port}`, protocol: "http", jwtProviders },
        intentions: { default: "deny", rules: [{ source, action: "allow" }], ...intentions },
      },
    ],
    admin: { listen: "127.0.0.1:0" },
  };
}

function start(provider: object, intentions: object) {
  const { proxy, stop } = startProxy(documentWith(provider, intentions));
  const target = { port: proxy.portOf("127.0.0.1:0") ?? 0, leaf: web };
  const callers = [http1Caller(target), http2Caller(target)] as const;
  stops.push(stop, ...callers.map((caller) => () => caller.close()));
  const refusals = (reason: string) =>
    metric(proxy.adminPort, new RegExp(`^atoll_proxy_requests_refused_total.*inbound.*reason="${reason}"`));
  return { proxy, callers, refusals };
}

function token(claims: object = {}, { key = signing.privateKey, exp = "1h", issuer = "https://okta" } = {}) {
  const jwt = new SignJWT({ ...claims }).setProtectedHeader({ alg: "ES256", kid: "one" });
  return jwt.setIssuer(issuer).setAudience("api").setExpirationTime(exp).sign(key);
}

const bearer = (text: string): string[] => ["authorization", `Bearer ${text}`];
const brief = ({ status, body }: MeshAnswer): string => `${status} ${body.trim()}`;
const required = { jwt: { providers: [{ name: "okta" }] } };

describe("a token that is required", () => {
  test("lets its request through by both protocols, is verified once, and stays here; its claims go on", async () => {
    const { callers } = start({ payloadHeader: "x-claims" }, required);
    const asked = async (): Promise<number> => Number(await (await fetch(`http://127.0.0.1:${jwksPort}/count`)).text());
    const before = await asked();
    const signed = await token({ role: "admin" });
    for (const caller of [...callers, ...callers]) {
      const fields = [...bearer(signed), "x-claims", "made-up"];
      expect((await caller.ask({ method: "GET", target: "/", fields })).status).toBe(200);
      const seen = app.seen.at(-1)?.fields ?? [];
      expect(seen.filter(([name]) => name === "authorization")).toEqual([]);
      const [claims, ...more] = seen.filter(([name]) => name === "x-claims");
      expect(JSON.parse(Buffer.from(claims?.[1] ?? "", "base64url").toString())).toMatchObject({ role: "admin" });
      expect(more).toEqual([]);
    }
    expect((await asked()) - before).toBe(1);
  });

  test("refuses whatever is none, and the app is not asked", async () => {
    const { callers, refusals } = start({}, required);
    const before = app.seen.length;
    const header = (alg: string) => Buffer.from(JSON.stringify({ alg, kid: "one" })).toString("base64url");
    const good = await token();
    const [, payload = ""] = good.split(".");
    const symmetric = await new SignJWT({})
      .setProtectedHeader({ alg: "HS256", kid: "one" })
      .setIssuer("https://okta")
      .setAudience("api")
      .setExpirationTime("1h")
      .sign(Buffer.from(JSON.stringify(publicKey)));
    const bad = [
      `${header("none")}.${payload}.`,
      symmetric,
      await token({}, { key: strange.privateKey }),
      await token({}, { exp: "-1m" }),
      await token({}, { issuer: "https://other" }),
      `${good}x`,
      "nonsense",
    ];
    for (const text of bad) {
      for (const caller of callers) {
        expect(brief(await caller.ask({ method: "GET", target: "/", fields: bearer(text) }))).toBe(
          "401 RBAC: access denied by jwt",
        );
      }
    }
    expect(await refusals("jwt_invalid")).toBe(2 * bad.length);
    expect((await callers[0].ask({ method: "GET", target: "/", fields: [] })).status).toBe(401);
    // Two are none: one reader takes the first, another the last.
    const twice = [...bearer(good), ...bearer(good)];
    expect((await callers[0].ask({ method: "GET", target: "/", fields: twice })).status).toBe(401);
    expect(await refusals("jwt_missing")).toBe(1);
    expect(app.seen.length).toBe(before);
  });

  test("is refused when there are no keys to be had, and that is counted", async () => {
    const uri = `http://127.0.0.1:${jwksPort}/down`;
    const { callers, refusals } = start({ jwks: { remote: { uri, retries: 1 } } }, required);
    const fields = bearer(await token());
    expect((await callers[0].ask({ method: "GET", target: "/", fields })).status).toBe(401);
    expect((await callers[1].ask({ method: "GET", target: "/", fields })).status).toBe(401);
    expect(await refusals("jwks_unavailable")).toBe(2);
  });

  test("is not asked of a caller that is denied anyway", async () => {
    const { callers } = start({}, { ...required, rules: [] });
    const fields = bearer(await token());
    expect(brief(await callers[0].ask({ method: "GET", target: "/", fields }))).toBe(
      "403 RBAC: access denied by default",
    );
  });

  test.each([
    ["query", "/a?x=1&t=TOKEN&y=2", [], "/a?x=1&y=2", []],
    ["cookie", "/", ["cookie", "a=1; t=TOKEN; b=2"], "/", ["a=1; b=2"]],
  ] as const)("may be in the %s, and is taken out of it", async (type, target, fields, path, cookies) => {
    const { callers } = start({ locations: [{ type, name: "t" }] }, required);
    const signed = await token();
    const put = (text: string): string => text.replace("TOKEN", signed);
    const request = { method: "GET", target: put(target), fields: fields.map(put) };
    expect((await callers[0].ask(request)).status).toBe(200);
    const seen = app.seen.at(-1);
    expect(seen?.target).toBe(path);
    expect(seen?.fields.filter(([name]) => name === "cookie").map(([, value]) => value)).toEqual([...cookies]);
  });
});

test("claims decide about a permission, and a removed provider's rule cuts nothing it does not name", async () => {
  const claims = [{ path: ["realm", "roles"], value: "admin" }];
  const jwt = { providers: [{ name: "okta", claims }] };
  const permissions = [{ action: "allow", path: { type: "prefix", value: "/admin" }, jwt }];
  const { callers, proxy } = start({}, { rules: [{ source, permissions }] });
  const status = async (roles: readonly string[]): Promise<number> => {
    const fields = bearer(await token({ realm: { roles } }));
    return (await callers[0].ask({ method: "GET", target: "/admin", fields })).status;
  };
  expect([await status(["user", "admin"]), await status(["user"]), await status([])]).toEqual([200, 403, 403]);
  proxy.apply(mustParse(documentWith({}, { rules: [{ source, action: "allow" }] })), 2);
  expect(await status([])).toBe(200);
});
