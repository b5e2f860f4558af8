import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { SignJWT } from "jose";
import { type LoginWorld, startLoginWorld } from "./login-world.ts";
import { type OutsideServer, startOutsideServer } from "./outside-server.ts";

const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
const other = generateKeyPairSync("rsa", { modulusLength: 2048 });
const pemOf = (key: KeyObject): string => key.export({ type: "spki", format: "pem" }).toString();
const nowS = Math.floor(Date.now() / 1000);

function sign(claims: Record<string, unknown>, options: { key?: KeyObject; alg?: string; kid?: string } = {}) {
  const { key = rsa.privateKey, alg = "RS256", kid } = options;
  return new SignJWT({ iss: "https://issuer", aud: "atoll", iat: nowS - 120, exp: nowS + 600, ...claims })
    .setProtectedHeader({ alg, ...(kid === undefined ? {} : { kid }) })
    .sign(key);
}

let world: LoginWorld;
let published: OutsideServer;
let keys: object[] = [];

beforeAll(async () => {
  world = await startLoginWorld();
  published = await startOutsideServer(({ path }) => {
    if (path === "/keys") return { body: JSON.stringify({ keys }) };
    if (path === "/redirect") return { status: 302, headers: { location: "/keys" }, body: "" };
    if (path === "/large") return { body: `{"keys":[],"x":"${"x".repeat(2_000_000)}"}` };
    return { body: JSON.stringify({ issuer: published.url, jwks_uri: `${published.url}/keys` }) };
  });
  keys = [jwk("a", rsa.publicKey)];
});

afterAll(async () => {
  await published[Symbol.asyncDispose]();
  await world[Symbol.asyncDispose]();
});

function jwk(kid: string, key: KeyObject): object {
  return { ...key.export({ format: "jwk" }), kid, use: "sig" };
}

const written = {
  JWTValidationPubKeys: [pemOf(rsa.publicKey), pemOf(ec.publicKey)],
  BoundIssuer: "https://issuer",
  BoundAudiences: ["atoll", "mesh"],
  ClaimMappings: { team: "team", "/deep/name": "deep" },
  ListClaimMappings: { groups: "groups" },
};

async function method(name: string, config: object, more: object = {}) {
  return world.call("PUT", "/v1/acl/auth-method", { Name: name, Type: "jwt", Config: config, ...more });
}

async function rule(fields: object) {
  const answer = await world.call("PUT", "/v1/acl/binding-rule", fields);
  expect([answer.status, answer.text]).toEqual([200, answer.text]);
}

describe("a method with written keys", () => {
  beforeAll(async () => {
    const made = await method("written", written, { MaxTokenTTL: "5m" });
    expect([made.status, made.json["MaxTokenTTL"]]).toEqual([200, "5m0s"]);
    await rule({
      AuthMethod: "written",
      BindType: "service",
      BindName: `$\{value.team}-app`,
      Selector: 'value.team != ""',
    });
    await rule({
      AuthMethod: "written",
      BindType: "policy",
      BindName: "global-management",
      Selector: "admins in list.groups",
    });
    await rule({
      AuthMethod: "written",
      BindType: "node",
      BindName: `vm-$\{value.deep}`,
      Selector: 'value.deep matches "^x"',
    });
    await rule({
      AuthMethod: "written",
      BindType: "templated-policy",
      BindName: "builtin/service",
      BindVars: { Name: `$\{value.deep}` },
      Selector: "value.deep == y",
    });
  });

  test("grants what the rules say of its claims, for as long as it says", async () => {
    const { status, json } = await world.login("written", await sign({ team: "Web" }), { pod: "a" });
    expect(status).toBe(200);
    expect(json).toMatchObject({
      Description: 'token created via login: {"pod":"a"}',
      ServiceIdentities: [{ ServiceName: "web-app" }],
      AuthMethod: "written",
      Local: true,
    });
    expect(json["Policies"]).toBeUndefined();
    const created = Date.parse(String(json["CreateTime"]));
    expect(Date.parse(String(json["ExpirationTime"])) - created).toBe(300_000);
    const secret = String(json["SecretID"]);
    expect((await world.call("GET", "/v1/acl/token/self", undefined, secret)).json["AccessorID"]).toBe(
      json["AccessorID"],
    );
    expect((await world.call("GET", "/v1/acl/tokens", undefined, secret)).status).toBe(403);
  });

  test("reads lists, paths into claims, ES256 and variables of templates", async () => {
    const admin = await world.login("written", await sign({ team: "a", groups: ["x", "admins"] }));
    expect(admin.json["Policies"]).toEqual([expect.objectContaining({ Name: "global-management" })]);
    const deep = await world.login(
      "written",
      await sign({ deep: { name: "x1" } }, { key: ec.privateKey, alg: "ES256" }),
    );
    expect(deep.json).toMatchObject({ NodeIdentities: [{ NodeName: "vm-x1", Datacenter: "dc1" }] });
    const template = await world.login("written", await sign({ deep: { name: "y" } }));
    expect(template.json["TemplatedPolicies"]).toEqual([
      expect.objectContaining({ TemplateName: "builtin/service", TemplateVariables: { Name: "y" } }),
    ]);
  });

  test.each<[string, () => Promise<string>, string]>([
    ["another key", () => sign({ team: "a" }, { key: other.privateKey }), "failed to verify signature"],
    ["no key at all", async () => `${btoa('{"alg":"none"}')}.${btoa('{"team":"a"}')}.`, "failed to verify signature"],
    ["a changed payload", async () => swapPayload(await sign({ team: "a" })), "failed to verify signature"],
    ["a shared secret made of the public key", () => hmacWithPublicKey(), "failed to verify signature"],
    ["an expired token", () => sign({ team: "a", exp: nowS - 61 }), "has expired"],
    ["a token of tomorrow", () => sign({ team: "a", nbf: nowS + 86_400 }), "not valid yet"],
    [
      "no times",
      () => sign({ team: "a", exp: undefined, iat: undefined }),
      "no issue time, notBefore, or expiration time",
    ],
    ["another issuer", () => sign({ team: "a", iss: "https://evil" }), "the issuer (iss)"],
    ["another audience", () => sign({ team: "a", aud: ["x", "y"] }), "the audience (aud)"],
    ["no audience", () => sign({ team: "a", aud: undefined }), "the audience (aud)"],
    ["a name that cannot be one", () => sign({ team: "a/b" }), "invalid bind name"],
    ["nothing that a rule matches", () => sign({ other: "a" }), "Permission denied"],
    ["no token", async () => "", "failed to verify signature"],
    ["a token without end", async () => "a".repeat(20_000), "too long"],
  ])("refuses %s", async (_what, token, reason) => {
    const { status, text } = await world.login("written", await token());
    expect(status).toBe(403);
    expect(text).toStartWith("Permission denied");
    expect(text).toContain(reason);
  });

  test("lets a token be late by the skew of clocks", async () => {
    expect((await world.login("written", await sign({ team: "a", exp: nowS - 30 }))).status).toBe(200);
  });

  test("an audience that nobody asked for is refused", async () => {
    await method("any", { JWTValidationPubKeys: [pemOf(rsa.publicKey)] });
    expect((await world.login("any", await sign({}))).text).toContain("no audiences are bound");
  });
});

describe("published keys", () => {
  test("are fetched over TLS of the given authority, and again for a new key", async () => {
    const config = {
      JWKSURL: `${published.url}/keys`,
      JWKSCACert: published.caPem,
      BoundAudiences: ["atoll"],
      ClaimMappings: { team: "team" },
    };
    await method("published", config);
    await rule({ AuthMethod: "published", BindType: "service", BindName: `$\{value.team}` });
    const before = published.requests.length;
    const all = await Promise.all(
      [1, 2, 3].map(async () => world.login("published", await sign({ team: "a" }, { kid: "a" }))),
    );
    expect(all.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(published.requests.length).toBe(before + 1);
    expect(
      (await world.login("published", await sign({ team: "a" }, { kid: "b", key: other.privateKey }))).status,
    ).toBe(403);
  });

  test("are found by discovery, whose document has to name the issuer", async () => {
    const config = {
      OIDCDiscoveryURL: published.url,
      OIDCDiscoveryCACert: published.caPem,
      BoundAudiences: ["atoll"],
      ClaimMappings: { team: "team" },
    };
    await method("discovered", config);
    await rule({ AuthMethod: "discovered", BindType: "service", BindName: `$\{value.team}` });
    expect((await world.login("discovered", await sign({ team: "a", iss: published.url }))).status).toBe(200);
    expect((await world.login("discovered", await sign({ team: "a" }))).text).toContain("the issuer (iss)");
    await method("elsewhere", { ...config, OIDCDiscoveryURL: `${published.url}/x` });
    const answer = await world.login("elsewhere", await sign({ team: "a", iss: `${published.url}/x` }));
    expect([answer.status, answer.text]).toEqual([500, expect.stringContaining("names another issuer")]);
  });

  test.each<[string, { readonly JWKSURL: string; readonly JWKSCACert?: string }, string]>([
    ["an authority that is not trusted", { JWKSURL: "/keys", JWKSCACert: "" }, "could not be asked"],
    ["a redirection", { JWKSURL: "/redirect" }, "answered 302"],
    ["an answer without end", { JWKSURL: "/large" }, "more than 1048576 bytes"],
    ["what is no key set", { JWKSURL: "/other" }, "has no key set"],
  ])("%s is no place for keys", async (_what, config, reason) => {
    const { JWKSURL, JWKSCACert = published.caPem } = config;
    await method("wrong", { JWKSURL: published.url + JWKSURL, JWKSCACert });
    const { status, text } = await world.login("wrong", await sign({}));
    expect([status, text]).toEqual([500, expect.stringContaining(reason)]);
  });
});

test.each<[object, string]>([
  [{}, "exactly one of"],
  [{ ...written, JWKSURL: "https://a" }, "exactly one of"],
  [{ JWKSURL: "ftp://a" }, "Config.JWKSURL is no http or https URL"],
  [{ JWKSURL: "https://user:pass@a" }, "Config.JWKSURL is no http or https URL"],
  [{ ...written, JWTSupportedAlgs: ["HS256"] }, 'unsupported signing algorithm "HS256"'],
  [{ ...written, JWTSupportedAlgs: ["none"] }, 'unsupported signing algorithm "none"'],
  [{ JWTValidationPubKeys: ["x"] }, "Config.JWTValidationPubKeys[0] is no public key"],
  [{ JWTValidationPubKeys: [rsa.privateKey.export({ type: "pkcs8", format: "pem" })] }, "is no public key"],
  [{ ...written, BoundAudience: ["x"] }, "it has invalid keys: boundaudience"],
  [{ ...written, BoundAudiences: "x" }, "Config.BoundAudiences must be a list of texts"],
  [{ ...written, ClaimMappings: { a: "x", b: "x" } }, "contains multiple mappings"],
  [{ ...written, ClaimMappings: { a: "a b" } }, "must be letters, digits"],
  [{ ...written, ExpirationLeeway: "soon" }, "Config.ExpirationLeeway must be a duration"],
])("a configuration is refused: %j", async (config, reason) => {
  const { status, text } = await method("bad", config);
  expect([status, text]).toEqual([400, expect.stringContaining(`Invalid Auth Method: `)]);
  expect(text).toContain(reason);
});

function swapPayload(token: string): string {
  const [head, , signature] = token.split(".");
  return `${head}.${Buffer.from(JSON.stringify({ team: "root", exp: nowS + 600 })).toString("base64url")}.${signature}`;
}

/** The classic confusion: a verifier that takes the public key for a secret would believe it. */
function hmacWithPublicKey(): Promise<string> {
  return new SignJWT({ iss: "https://issuer", aud: "atoll", exp: nowS + 600, team: "a" })
    .setProtectedHeader({ alg: "HS256" })
    .sign(Buffer.from(pemOf(rsa.publicKey)));
}
