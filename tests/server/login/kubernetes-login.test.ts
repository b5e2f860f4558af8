import { afterAll, beforeAll, expect, test } from "bun:test";
import { type LoginWorld, startLoginWorld } from "./login-world.ts";
import { type OutsideRequest, type OutsideServer, type PlayedAnswer, startOutsideServer } from "./outside-server.ts";

/** An API server of Kubernetes that reviews tokens whose payload is the name of what it shall answer. */
const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
const tokenOf = (payload: unknown): string => `${part({ alg: "RS256" })}.${part(payload)}.c2ln`;
const reviewer = tokenOf({ sub: "reviewer" });

let world: LoginWorld;
let api: OutsideServer;
let config: Record<string, string>;

beforeAll(async () => {
  world = await startLoginWorld();
  api = await startOutsideServer(answer);
  config = { Host: api.url, CACert: api.caPem, ServiceAccountJWT: reviewer };
  const made = await world.call("PUT", "/v1/acl/auth-method", { Name: "k8s", Type: "kubernetes", Config: config });
  expect(made.status).toBe(200);
  for (const rule of [
    { BindType: "service", BindName: `$\{serviceaccount.name}`, Selector: "serviceaccount.namespace != other" },
    { BindType: "role", BindName: `$\{serviceaccount.namespace}-role` },
  ]) {
    expect((await world.call("PUT", "/v1/acl/binding-rule", { AuthMethod: "k8s", ...rule })).status).toBe(200);
  }
});

afterAll(async () => {
  await api[Symbol.asyncDispose]();
  await world[Symbol.asyncDispose]();
});

function answer({ method, path, headers, body }: OutsideRequest): PlayedAnswer {
  if (headers.authorization !== `Bearer ${reviewer}`) {
    return { status: 401, body: JSON.stringify({ reason: "Unauthorized" }) };
  }
  if (method === "POST" && path === "/apis/authentication.k8s.io/v1/tokenreviews") {
    const token: string = JSON.parse(body).spec.token;
    const {
      username,
      error,
      authenticated = true,
    } = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
    const user = { username, uid: "u-1" };
    return { status: 201, body: JSON.stringify({ status: { authenticated, user, error } }) };
  }
  if (path.endsWith("/serviceaccounts/web")) return { body: JSON.stringify({ metadata: {} }) };
  if (path.endsWith("/serviceaccounts/renamed")) {
    const annotations = { "consul.hashicorp.com/service-name": "frontend" };
    return { body: JSON.stringify({ metadata: { annotations } }) };
  }
  return { status: 404, body: JSON.stringify({ kind: "Status", reason: "NotFound" }) };
}

test("a service account gets what it is bound to, under the name that it is annotated with", async () => {
  const plain = await world.login("k8s", tokenOf({ username: "system:serviceaccount:default:web" }));
  expect(plain.json).toMatchObject({ ServiceIdentities: [{ ServiceName: "web" }], AuthMethod: "k8s" });
  expect(plain.json["ExpirationTime"]).toBeUndefined();
  const renamed = await world.login("k8s", tokenOf({ username: "system:serviceaccount:default:renamed" }));
  expect(renamed.json).toMatchObject({ ServiceIdentities: [{ ServiceName: "frontend" }] });
  expect(api.requests.at(-1)?.path).toBe("/api/v1/namespaces/default/serviceaccounts/renamed");
});

test("a role is granted as soon as there is one, and a login without any grant is refused", async () => {
  const bearer = tokenOf({ username: "system:serviceaccount:other:web" });
  expect([(await world.login("k8s", bearer)).status, (await world.login("k8s", bearer)).text]).toEqual([
    403,
    "Permission denied",
  ]);
  const role = await world.call("PUT", "/v1/acl/role", { Name: "other-role" });
  expect((await world.login("k8s", bearer)).json["Roles"]).toEqual([{ ID: role.json["ID"], Name: "other-role" }]);
});

test.each<[string, string, number, string]>([
  ["not authenticated", tokenOf({ authenticated: false }), 403, "service account jwt not valid"],
  ["an error", tokenOf({ error: "a secret of the API" }), 403, "the token review ended in an error"],
  ["a person", tokenOf({ username: "alice" }), 403, "unexpected username format"],
  ["a node", tokenOf({ username: "system:node:default:web" }), 403, "not a service account"],
  ["a path", tokenOf({ username: "system:serviceaccount:..:secrets/x" }), 403, "unexpected username format"],
  [
    "an account that is gone",
    tokenOf({ username: "system:serviceaccount:default:gone" }),
    500,
    "answered 404 (NotFound)",
  ],
  ["what is no token", "not-a-jwt", 403, "failed to parse and validate JWT"],
])("%s is refused", async (_what, token, status, reason) => {
  const before = api.requests.length;
  const answered = await world.login("k8s", token);
  expect([answered.status, answered.text]).toEqual([status, expect.stringContaining(reason)]);
  expect(answered.text).not.toContain("secret");
  if (token === "not-a-jwt") expect(api.requests.length).toBe(before);
});

test("an API server that another authority speaks for is not asked", async () => {
  await using stranger = await startOutsideServer(() => ({ body: "{}" }));
  const Config = { ...config, Host: stranger.url };
  await world.call("PUT", "/v1/acl/auth-method", { Name: "stranger", Type: "kubernetes", Config });
  const { status, text } = await world.login("stranger", tokenOf({ username: "system:serviceaccount:default:web" }));
  expect([status, text]).toEqual([500, expect.stringContaining("could not be asked")]);
  expect(stranger.requests).toEqual([]);
});

test("the token of the method is not in the log", async () => {
  const lines = world.runtime.lines.join("\n");
  expect(lines).not.toContain(reviewer);
});

test.each<[Record<string, unknown>, string]>([
  [{ Host: "" }, "Config.Host is required"],
  [{ Host: "http://127.0.0.1" }, "Config.Host must be reached over https"],
  [{ CACert: "" }, "Config.CACert is required"],
  [{ CACert: "x" }, "error parsing kubernetes ca cert"],
  [{ ServiceAccountJWT: "" }, "Config.ServiceAccountJWT is required"],
  [{ ServiceAccountJWT: "hidden.in.answer" }, "Config.ServiceAccountJWT is not a valid JWT"],
  [{ Extra: 1 }, "it has invalid keys: extra"],
])("a configuration is refused: %j", async (change, reason) => {
  const body = { Name: "bad", Type: "kubernetes", Config: { ...config, ...change } };
  const { status, text } = await world.call("PUT", "/v1/acl/auth-method", body);
  expect([status, text]).toEqual([400, expect.stringContaining(reason)]);
  expect(text).not.toContain("hidden.in.answer");
});
