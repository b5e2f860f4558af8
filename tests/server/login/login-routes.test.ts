import { afterAll, beforeAll, expect, test } from "bun:test";
import { generateKeyPairSync } from "node:crypto";
import { SignJWT } from "jose";
import { type LoginWorld, startLoginWorld } from "./login-world.ts";
import { startOutsideServer } from "./outside-server.ts";

const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const Config = {
  JWTValidationPubKeys: [publicKey.export({ type: "spki", format: "pem" }).toString()],
  ClaimMappings: { team: "team" },
  ListClaimMappings: { groups: "groups" },
};
const bearer = (team: string): Promise<string> =>
  new SignJWT({ team }).setProtectedHeader({ alg: "RS256" }).setIssuedAt().setExpirationTime("1h").sign(privateKey);

let world: LoginWorld;

beforeAll(async () => {
  world = await startLoginWorld();
});

afterAll(() => world[Symbol.asyncDispose]());

const put = (url: string, body: object) => world.call("PUT", url, body);
const makeMethod = (Name: string, more: object = {}) =>
  put("/v1/acl/auth-method", { Name, Type: "jwt", Config, ...more });

test("a method is answered whole where it is asked for and without its configuration in lists", async () => {
  const fields = { DisplayName: "D", Description: "Of a test", MaxTokenTTL: "1h", TokenLocality: "global" };
  const made = await makeMethod("whole", fields);
  expect(made.json).toMatchObject({ Name: "whole", Type: "jwt", ...fields, MaxTokenTTL: "1h0m0s", Config });
  expect((await world.call("GET", "/v1/acl/auth-method/whole")).json).toEqual(made.json);
  const list = await world.call("GET", "/v1/acl/auth-methods");
  const { Config: _hidden, ...stub } = made.json;
  expect(JSON.parse(list.text)).toEqual([stub]);
  expect((await world.call("GET", "/v1/acl/auth-method/none")).status).toBe(404);
});

test("the same again changes nothing, another type never", async () => {
  const made = await makeMethod("same");
  expect((await makeMethod("same")).json["ModifyIndex"]).toBe(made.json["ModifyIndex"]);
  const changed = await put("/v1/acl/auth-method/same", { Type: "jwt", Config, Description: "changed" });
  expect(Number(changed.json["ModifyIndex"])).toBeGreaterThan(Number(made.json["ModifyIndex"]));
  const other = await put("/v1/acl/auth-method/same", {
    Type: "aws-iam",
    Config: { BoundIAMPrincipalARNs: ["arn:aws:iam::1:role/a"] },
  });
  expect([other.status, other.text]).toEqual([400, "the Type field of an Auth Method is immutable"]);
});

test.each<[object, string]>([
  [{ Type: "jwt", Config }, "Invalid Auth Method: no Name is set"],
  [{ Name: "a b", Type: "jwt", Config }, "invalid Name. Only alphanumeric characters"],
  [{ Name: "x", Type: "oidc" }, "Type should be one of: [aws-iam jwt kubernetes]"],
  [{ Name: "x", Type: "jwt", Config, TokenLocality: "far" }, "TokenLocality should be one of"],
  [{ Name: "x", Type: "jwt", Config, MaxTokenTTL: "1s" }, "MaxTokenTTL 1s cannot be less than 1m0s"],
  [{ Name: "x", Type: "jwt", Config, MaxTokenTTL: "48h" }, "MaxTokenTTL 48h0m0s cannot be more than 24h0m0s"],
  [{ Name: "x", Type: "jwt", Config: [] }, "Config must be an object"],
  [{ Name: "x", Type: "jwt", Config: { x: "x".repeat(70_000) } }, "at most 65536 are allowed"],
])("a method is refused: %j", async (body, reason) => {
  const { status, text } = await put("/v1/acl/auth-method", body);
  expect([status, text]).toEqual([400, expect.stringContaining(reason)]);
});

test("rules are made, read, changed, listed and removed", async () => {
  await makeMethod("ruled");
  const fields = {
    AuthMethod: "ruled",
    Description: "d",
    Selector: "value.team == a",
    BindType: "service",
    BindName: `$\{value.team}`,
  };
  const made = await put("/v1/acl/binding-rule", fields);
  const id = String(made.json["ID"]);
  expect(made.json).toMatchObject(fields);
  expect((await world.call("GET", `/v1/acl/binding-rule/${id}`)).json).toEqual(made.json);
  const changed = await put(`/v1/acl/binding-rule/${id}`, { ...fields, AuthMethod: "", Selector: "" });
  expect(changed.json).toMatchObject({ AuthMethod: "ruled", Selector: "" });
  expect(JSON.parse((await world.call("GET", "/v1/acl/binding-rules?authmethod=ruled")).text)).toEqual([changed.json]);
  expect(JSON.parse((await world.call("GET", "/v1/acl/binding-rules?authmethod=x")).text)).toEqual([]);
  expect((await world.call("DELETE", `/v1/acl/binding-rule/${id}`)).text).toBe("true");
  expect((await world.call("GET", `/v1/acl/binding-rule/${id}`)).status).toBe(404);
});

test.each<[object, string]>([
  [{}, "no AuthMethod is set"],
  [{ AuthMethod: "none", BindType: "service", BindName: "a" }, 'cannot find auth method with name "none"'],
  [{ AuthMethod: "judged", BindName: "a" }, "no BindType is set"],
  [{ AuthMethod: "judged", BindType: "world", BindName: "a" }, 'unknown BindType "world"'],
  [{ AuthMethod: "judged", BindType: "service" }, "no BindName is set"],
  [{ AuthMethod: "judged", BindType: "service", BindName: "a b" }, 'invalid bind name: "a b"'],
  [
    { AuthMethod: "judged", BindType: "service", BindName: `$\{value.other}` },
    "unknown variable accessed: value.other",
  ],
  [{ AuthMethod: "judged", BindType: "role", BindName: `$\{value.team` }, "error interpreting template"],
  [{ AuthMethod: "judged", BindType: "templated-policy", BindName: "x" }, "does not match existing template name: x"],
  [
    { AuthMethod: "judged", BindType: "templated-policy", BindName: "builtin/service" },
    "templated policy failed validation",
  ],
  [{ AuthMethod: "judged", BindType: "service", BindName: "a", Selector: "x ==" }, "Selector is invalid"],
  [
    { AuthMethod: "judged", BindType: "service", BindName: "a", Selector: "serviceaccount.name == a" },
    "Selector is invalid",
  ],
])("a rule is refused: %j", async (body, reason) => {
  await makeMethod("judged");
  const { status, text } = await put("/v1/acl/binding-rule", body);
  expect([status, text]).toEqual([400, expect.stringContaining(reason)]);
});

test("who may not write access control changes nothing of it", async () => {
  const reader = await put("/v1/acl/token", { Policies: [{ Name: "builtin/global-read-only" }] });
  const secret = String(reader.json["SecretID"]);
  const writes = [
    ["PUT", "/v1/acl/auth-method"],
    ["PUT", "/v1/acl/auth-method/x"],
    ["DELETE", "/v1/acl/auth-method/x"],
    ["PUT", "/v1/acl/binding-rule"],
    ["DELETE", "/v1/acl/binding-rule/x"],
  ] as const;
  for (const [method, url] of writes) {
    const answers = [await world.call(method, url, {}, secret), await world.call(method, url, {}, "")];
    expect([url, ...answers.map(({ status }) => status)]).toEqual([url, 403, 403]);
  }
  for (const url of ["/v1/acl/auth-methods", "/v1/acl/binding-rules"]) {
    const answers = [await world.call("GET", url, undefined, secret), await world.call("GET", url, undefined, "")];
    expect([url, ...answers.map(({ status }) => status)]).toEqual([url, 200, 403]);
  }
});

test("a login is over with its logout, and only a login can be", async () => {
  await makeMethod("out");
  await put("/v1/acl/binding-rule", { AuthMethod: "out", BindType: "service", BindName: `$\{value.team}` });
  const { json } = await world.login("out", await bearer("a"));
  const secret = String(json["SecretID"]);
  expect((await world.call("POST", "/v1/acl/logout", undefined, secret)).text).toBe("true");
  expect((await world.call("GET", "/v1/acl/token/self", undefined, secret)).text).toContain("ACL not found");
  expect((await world.call("POST", "/v1/acl/logout", undefined, secret)).text).toContain("ACL not found");
  expect((await world.call("POST", "/v1/acl/logout", undefined, "")).text).toContain("ACL not found");
  const management = await world.call("POST", "/v1/acl/logout");
  expect([management.status, management.text]).toEqual([403, "Permission denied: token wasn't created via login"]);
});

test("a method takes its rules and the tokens of its logins along", async () => {
  await makeMethod("gone", { TokenNameFormat: `$\{auth_method_type}-$\{value.team}` });
  await put("/v1/acl/binding-rule", { AuthMethod: "gone", BindType: "service", BindName: `$\{value.team}` });
  const { json } = await world.login("gone", await bearer("a"));
  expect(json["Description"]).toBe("jwt-a");
  expect((await world.call("DELETE", "/v1/acl/auth-method/gone")).text).toBe("true");
  expect((await world.call("GET", "/v1/acl/token/self", undefined, String(json["SecretID"]))).status).toBe(403);
  expect(JSON.parse((await world.call("GET", "/v1/acl/binding-rules?authmethod=gone")).text)).toEqual([]);
  const again = await world.login("gone", await bearer("a"));
  expect([again.status, again.text]).toEqual([403, 'ACL not found: auth method "gone" not found']);
  expect((await world.call("DELETE", "/v1/acl/auth-method/gone")).text).toBe("true");
});

test("a login that was verified by what the method was before is refused", async () => {
  let onAsked = (): void => undefined;
  await using keys = await startOutsideServer(() => {
    onAsked();
    return { body: JSON.stringify({ keys: [publicKey.export({ format: "jwk" })] }) };
  });
  const remote = { JWKSURL: `${keys.url}/keys`, JWKSCACert: keys.caPem, ClaimMappings: { team: "team" } };
  await put("/v1/acl/auth-method", { Name: "raced", Type: "jwt", Config: remote });
  await put("/v1/acl/binding-rule", { AuthMethod: "raced", BindType: "service", BindName: `$\{value.team}` });
  const changed = Promise.withResolvers<void>();
  onAsked = () => {
    onAsked = () => undefined;
    const closed = { ...remote, BoundAudiences: ["nobody"] };
    void put("/v1/acl/auth-method", { Name: "raced", Type: "jwt", Config: closed }).then(() => changed.resolve());
  };
  const [{ status }] = await Promise.all([world.login("raced", await bearer("a")), changed.promise]);
  // Which of the two came first is open; what a login grants is not: nothing once the method says no.
  expect([200, 403]).toContain(status);
  expect((await world.login("raced", await bearer("a"))).status).toBe(403);
});

test.each<[unknown, number]>([
  [{}, 400],
  [{ AuthMethod: "none" }, 403],
  [{ AuthMethod: 1 }, 400],
  ["", 400],
  [{ AuthMethod: "same", BearerToken: "x", Meta: { a: 1 } }, 400],
])("a login request is refused: %j", async (body, status) => {
  expect((await world.call("POST", "/v1/acl/login", body, "")).status).toBe(status);
});
