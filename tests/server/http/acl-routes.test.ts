import { expect, test } from "bun:test";
import { anonymousAccessorId, globalManagementId } from "../../../lib/contract/acl.ts";
import { bootstrapped, fields } from "./managed-catalog.ts";
import { instanceBody } from "./test-catalog.ts";

/** `/v1/acl` over the real state: what each endpoint answers and refuses. */
test("bootstrap gives a management token, and a second one only by the index on the leader's disk", async () => {
  const { catalog, accessor, get } = await bootstrapped();
  const self = await get("/v1/acl/token/self");
  expect(self.json).toMatchObject({
    AccessorID: accessor,
    Policies: [{ ID: globalManagementId, Name: "global-management" }],
  });
  const refused = await catalog.send("PUT", "/v1/acl/bootstrap");
  expect(refused.status).toBe(403);
  const index = /Permission denied: ACL bootstrap no longer allowed \(reset index: (\d+)\)/.exec(refused.body)?.[1];
  expect(index).toBeDefined();
  catalog.putBootstrapReset(Number(index) + 1);
  expect((await catalog.send("PUT", "/v1/acl/bootstrap")).status).toBe(403);
  catalog.putBootstrapReset(Number(index));
  const chosen = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";
  const again = await catalog.send("PUT", "/v1/acl/bootstrap", { BootstrapSecret: chosen });
  expect(again.json).toMatchObject({ SecretID: chosen });
  expect((await get("/v1/acl/tokens", chosen)).status).toBe(200);
});

test("an unknown token is refused on every route, and in whichever way it comes", async () => {
  const { catalog, secret } = await bootstrapped();
  const unknown = "99999999-9999-9999-9999-999999999999";
  for (const [url, headers] of [
    [`/v1/catalog/nodes?token=${unknown}`, {}],
    ["/v1/catalog/nodes", { "x-consul-token": unknown }],
    ["/v1/catalog/nodes", { authorization: `Bearer ${unknown}` }],
    [`/v1/catalog/nodes?token=${unknown}`, { "x-consul-token": secret }],
    ["/v1/catalog/nodes", { "x-consul-token": unknown, authorization: `Bearer ${secret}` }],
  ] as const) {
    const answer = await catalog.get(url, headers);
    expect([answer.status, answer.body]).toEqual([403, "ACL not found"]);
  }
  for (const [url, headers] of [
    [`/v1/acl/tokens?token=${secret}`, { "x-consul-token": unknown }],
    ["/v1/acl/tokens", { "x-consul-token": secret, authorization: `Bearer ${unknown}` }],
    ["/v1/acl/tokens", { authorization: `Bearer ${secret}` }],
  ] as const) {
    expect((await catalog.get(url, headers)).status).toBe(200);
  }
});

test("a secret is shown where it is made and to who brings it, and nowhere else", async () => {
  const { get, send } = await bootstrapped();
  const made = await send("PUT", "/v1/acl/token", { Description: "ci", ServiceIdentities: [{ ServiceName: "web" }] });
  const { SecretID: secret = "", AccessorID: accessor = "" } = fields(made.json);
  expect(secret).toMatch(/^[0-9a-f-]{36}$/);
  const read = await get(`/v1/acl/token/${accessor}`);
  expect(read.json).toMatchObject({ AccessorID: accessor, SecretID: "<hidden>", Description: "ci" });
  expect((await get("/v1/acl/tokens")).body).not.toContain(secret);
  expect((await get("/v1/acl/token/self", secret)).json).toMatchObject({ SecretID: secret, Description: "ci" });
  const updated = await send("PUT", `/v1/acl/token/${accessor}`, { ...fields(read.json), Description: "cd" });
  expect(updated.json).toMatchObject({ SecretID: "<hidden>", Description: "cd" });
  const clone = await send("PUT", `/v1/acl/token/${accessor}/clone`, { Description: "copy" });
  expect(clone.json).toMatchObject({ Description: "copy", ServiceIdentities: [{ ServiceName: "web" }] });
  expect(fields(clone.json)["SecretID"]).not.toBe(secret);
  expect((await get("/v1/acl/token/self", fields(clone.json)["SecretID"])).status).toBe(200);
});

test("a token's end is between a minute and a day ahead, and is kept to at once", async () => {
  const { send, get, clock } = await bootstrapped();
  for (const [body, message] of [
    [{ ExpirationTTL: "30s" }, "cannot be less than 1m0s in the future"],
    [{ ExpirationTTL: "25h" }, "cannot be more than 24h0m0s in the future"],
    [{ ExpirationTTL: "-1s" }, "should be > 0"],
    [{ ExpirationTTL: "soon" }, "is no duration"],
    [{ ExpirationTime: "2020-01-01T00:00:00Z" }, "cannot be before CreateTime"],
    [{ ExpirationTime: "2026-03-01T01:00:00Z", ExpirationTTL: "1h" }, "cannot both be set"],
  ] as const) {
    const refused = await send("PUT", "/v1/acl/token", body);
    expect([refused.status, refused.body]).toEqual([400, expect.stringContaining(message)]);
  }
  const made = await send("PUT", "/v1/acl/token", { ExpirationTTL: "2m" });
  const { SecretID: secret = "", AccessorID: accessor = "" } = fields(made.json);
  expect(made.json).toMatchObject({ ExpirationTime: "2026-03-01T00:02:00.000Z" });
  await clock.advance(119_000);
  expect((await get("/v1/acl/token/self", secret)).status).toBe(200);
  await clock.advance(1_000);
  expect((await get("/v1/acl/token/self", secret)).body).toBe("ACL not found");
  expect((await get("/v1/catalog/nodes", secret)).status).toBe(403);
  expect((await get(`/v1/acl/token/${accessor}`)).status).toBe(403);
  expect((await get("/v1/acl/tokens")).body).not.toContain(accessor);
});

test("policies are checked when they are written, and what is wrong is named", async () => {
  const { send, get } = await bootstrapped();
  const refusals: readonly (readonly [object, string])[] = [
    [{ Rules: "" }, "Invalid Policy: no Name is set"],
    [{ Name: "a b" }, "Invalid Policy: invalid Name"],
    [{ Name: "builtin/mine" }, "reserved"],
    [{ Name: "x", ID: "1" }, "Cannot specify the ID when creating a new policy"],
    [{ Name: "x", Rules: 'service "web" { policy = "rite" }' }, 'Invalid Policy: Rules: service "web": policy must be'],
    [{ Name: "x", Rules: "service {" }, "Invalid Policy: Rules: line 1"],
    [{ Name: "global-management" }, 'A Policy with Name "global-management" already exists'],
  ];
  for (const [body, message] of refusals) {
    const refused = await send("PUT", "/v1/acl/policy", body);
    expect([refused.status, refused.body]).toEqual([400, expect.stringContaining(message)]);
  }
  const made = await send("PUT", "/v1/acl/policy", { Name: "team/web", Rules: 'service "web" { policy = "read" }' });
  const { ID: id } = fields(made.json);
  expect((await get("/v1/acl/policy/name/team/web")).json).toEqual(made.json);
  expect((await get(`/v1/acl/policy/${id}`)).json).toEqual(made.json);
  expect((await get("/v1/acl/policies")).body).not.toContain("Rules");
  const changed = await send("PUT", `/v1/acl/policy/${id}`, { Name: "web", Rules: "", Datacenters: ["dc2"] });
  expect(changed.json).toMatchObject({ ID: id, Name: "web", Datacenters: ["dc2"] });
  expect((await send("DELETE", `/v1/acl/policy/${id}`)).body).toBe("true");
  const gone = await get(`/v1/acl/policy/${id}`);
  expect([gone.status, gone.body]).toEqual([403, "Requested policy does not exist: ACL not found"]);
});

test("what is deleted is taken from everybody who had it, and what is renamed is linked still", async () => {
  const { send, get } = await bootstrapped();
  const policy = fields((await send("PUT", "/v1/acl/policy", { Name: "p", Rules: 'acl = "read"' })).json);
  const role = fields((await send("PUT", "/v1/acl/role", { Name: "r", Policies: [{ Name: "p" }] })).json);
  const token = fields((await send("PUT", "/v1/acl/token", { Roles: [{ Name: "r" }] })).json);
  const secret = token["SecretID"] ?? "";
  expect((await get("/v1/acl/policies", secret)).status).toBe(200);
  await send("PUT", `/v1/acl/role/${role["ID"]}`, { Name: "r2", Policies: [{ ID: policy["ID"] }] });
  expect((await get(`/v1/acl/token/${token["AccessorID"]}`)).json).toMatchObject({ Roles: [{ Name: "r2" }] });
  expect((await get("/v1/acl/role/name/r2")).json).toMatchObject({ Policies: [{ Name: "p" }] });
  expect((await get("/v1/acl/role/name/r")).status).toBe(404);
  await send("PUT", `/v1/acl/policy/${policy["ID"]}`, { Name: "p", Rules: "" });
  expect((await get("/v1/acl/policies", secret)).status).toBe(403);
  await send("PUT", `/v1/acl/policy/${policy["ID"]}`, { Name: "p", Rules: 'acl = "read"' });
  expect((await get("/v1/acl/policies", secret)).status).toBe(200);
  await send("DELETE", `/v1/acl/policy/${policy["ID"]}`);
  expect((await get("/v1/acl/policies", secret)).status).toBe(403);
  expect((await get(`/v1/acl/role/${role["ID"]}`)).json).not.toHaveProperty("Policies");
  await send("DELETE", `/v1/acl/role/${role["ID"]}`);
  expect((await get(`/v1/acl/token/${token["AccessorID"]}`)).json).not.toHaveProperty("Roles");
});

test("identities and templates give what they stand for", async () => {
  const { catalog, send, get } = await bootstrapped();
  const secretOf = async (body: object) => fields((await send("PUT", "/v1/acl/token", body)).json)["SecretID"] ?? "";
  const web = await secretOf({ ServiceIdentities: [{ ServiceName: "web" }] });
  const node = await secretOf({ NodeIdentities: [{ NodeName: "vm1", Datacenter: "dc1" }] });
  const elsewhere = await secretOf({ NodeIdentities: [{ NodeName: "vm1", Datacenter: "dc2" }] });
  const dns = await secretOf({ TemplatedPolicies: [{ TemplateName: "builtin/dns" }] });
  const allowed = async (token: string, questions: readonly object[]) => {
    const answer = await send("POST", "/v1/internal/acl/authorize", questions, token);
    return JSON.parse(answer.body).map(({ Allow }: { Allow: boolean }) => Allow);
  };
  const questions = [
    { Resource: "service", Access: "write", Segment: "web" },
    { Resource: "service", Access: "write", Segment: "web-sidecar-proxy" },
    { Resource: "service", Access: "read", Segment: "api" },
    { Resource: "node", Access: "read", Segment: "vm1" },
    { Resource: "node", Access: "write", Segment: "vm1" },
    { Resource: "query", Access: "read", Segment: "q" },
    { Resource: "acl", Access: "read" },
  ];
  expect(await allowed(web, questions)).toEqual([true, true, true, true, false, false, false]);
  expect(await allowed(node, questions)).toEqual([false, false, true, true, true, false, false]);
  expect(await allowed(elsewhere, questions)).toEqual([false, false, false, false, false, false, false]);
  expect(await allowed(dns, questions)).toEqual([false, false, true, true, false, true, false]);
  expect(
    (
      await catalog.send("PUT", "/v1/catalog/register", instanceBody({ node: "vm1", service: "web" }), {
        "x-consul-token": web,
      })
    ).status,
  ).toBe(403);
  for (const [body, message] of [
    [{ ServiceIdentities: [{ ServiceName: "Web" }] }, 'Service identity "Web" has an invalid name'],
    [{ ServiceIdentities: [{ ServiceName: 'a" {} acl = "write' }] }, "has an invalid name"],
    [{ NodeIdentities: [{ NodeName: "vm1" }] }, "missing the datacenter field"],
    [{ TemplatedPolicies: [{ TemplateName: "builtin/nothing" }] }, "no such ACL templated policy"],
    [{ TemplatedPolicies: [{ TemplateName: "builtin/service" }] }, "TemplateVariables.Name must be"],
    [{ Policies: [{ Name: "none" }] }, 'No such ACL policy with name "none"'],
    [{ Roles: [{ ID: "none" }] }, 'No such ACL role with ID "none"'],
    [{ AuthMethod: "m" }, "AuthMethod field is disallowed outside of Login"],
    [{ SecretID: "easy" }, "SecretID is not a valid UUID"],
    [{ AccessorID: anonymousAccessorId }, "are reserved"],
  ] as const) {
    const refused = await send("PUT", "/v1/acl/token", body);
    expect([refused.status, refused.body]).toEqual([400, expect.stringContaining(message)]);
  }
  const preview = await send("POST", "/v1/acl/templated-policy/preview/builtin/service", { Name: "api" });
  expect(fields(preview.json)["Rules"]).toContain('service "api-sidecar-proxy"');
  expect(Object.keys(fields((await get("/v1/acl/templated-policies")).json))).toContain("builtin/nomad-server");
  expect((await get("/v1/acl/templated-policy/name/builtin/node")).json).toMatchObject({
    TemplateName: "builtin/node",
  });
});

test("the anonymous token gives to everybody what it is given", async () => {
  const { send, get } = await bootstrapped();
  await send("PUT", "/v1/catalog/register", instanceBody({ node: "vm1", service: "web" }));
  expect((await get("/v1/catalog/services", "")).json).toEqual({});
  await send("PUT", "/v1/acl/policy", { Name: "all", Rules: 'service_prefix "" { policy = "read" }' });
  expect((await send("PUT", `/v1/acl/token/${anonymousAccessorId}`, { Policies: [{ Name: "all" }] })).status).toBe(200);
  expect((await get("/v1/catalog/services", "")).json).toEqual({ web: [] });
  expect((await send("DELETE", `/v1/acl/token/${anonymousAccessorId}`)).body).toContain("not permitted");
});

test("a list is filtered for who may see a part of it, is marked for who brought a token, and never shared", async () => {
  const { send, get, tokenFor } = await bootstrapped();
  for (const service of ["web", "api"]) {
    await send("PUT", "/v1/catalog/register", instanceBody({ node: "vm1", service }));
  }
  const onlyWeb = await tokenFor('service "web" { policy = "read" } node_prefix "" { policy = "read" }');
  const all = await tokenFor('service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }');
  for (let round = 0; round < 3; round++) {
    const web = await get("/v1/catalog/services", onlyWeb);
    expect([web.json, web.headers["x-consul-results-filtered-by-acls"]]).toEqual([{ web: [] }, "true"]);
    const whole = await get("/v1/catalog/services", all);
    expect([whole.json, whole.headers["x-consul-results-filtered-by-acls"]]).toEqual([{ api: [], web: [] }, undefined]);
    const anonymous = await get("/v1/catalog/services", "");
    expect([anonymous.json, anonymous.headers["x-consul-results-filtered-by-acls"]]).toEqual([{}, undefined]);
    const inQuery = await get(`/v1/catalog/services?token=${onlyWeb}`, "");
    expect(inQuery.json).toEqual({ web: [] });
    expect((await get("/v1/health/service/api", onlyWeb)).json).toEqual([]);
    expect((await get("/v1/health/service/api", all)).json).toHaveLength(1);
  }
});

test("a token that loses its rights while its query waits is not told what has changed", async () => {
  const { send, get, tokenFor, catalog } = await bootstrapped();
  await send("PUT", "/v1/config", { Kind: "service-defaults", Name: "web", Protocol: "http" });
  const secret = await tokenFor('service "web" { policy = "read" }');
  const first = await get("/v1/config/service-defaults/web", secret);
  expect(first.status).toBe(200);
  const waiting = get(`/v1/config/service-defaults/web?index=${first.index}&wait=60s`, secret);
  await new Promise((resolve) => setImmediate(resolve));
  const policy = fields((await get("/v1/acl/policy/name/p0")).json);
  await send("DELETE", `/v1/acl/policy/${policy["ID"]}`);
  await send("PUT", "/v1/config", { Kind: "service-defaults", Name: "web", Protocol: "grpc" });
  const answer = await waiting;
  expect([answer.status, answer.body]).toEqual([403, expect.stringContaining("service:read")]);
  expect(catalog.state.watches.watchCount()).toBe(0);
});

test("with an allowing default everything works without a token but access control", async () => {
  const { send, get } = await bootstrapped({ defaultPolicy: "allow" });
  expect((await send("PUT", "/v1/catalog/register", instanceBody({ node: "vm1", service: "web" }), "")).status).toBe(
    200,
  );
  expect((await get("/v1/acl/tokens", "")).status).toBe(403);
  expect((await get("/v1/snapshot", "")).status).toBe(403);
});

test("a node's registration may be repeated by who may write its service, and changed by who may write the node", async () => {
  const { send, tokenFor } = await bootstrapped();
  const body = instanceBody({ node: "vm1", service: "web" });
  const web = await tokenFor('service "web" { policy = "write" }');
  const register = (change: object, token: string) =>
    send("PUT", "/v1/catalog/register", { ...body, ...change }, token);
  expect((await register({}, web)).body).toContain(`lacks permission 'node:write' on "vm1"`);
  expect(
    (await register({}, await tokenFor('node "vm1" { policy = "write" } service "web" { policy = "write" }'))).status,
  ).toBe(200);
  expect((await register({}, web)).status).toBe(200);
  expect((await register({ Address: "10.9.9.9" }, web)).status).toBe(403);
  expect((await register({ SkipNodeUpdate: true, Address: "10.9.9.9" }, web)).status).toBe(200);
  expect((await register({ Service: { ID: "web", Service: "db" }, Check: undefined }, web)).body).toContain('"db"');
  const db = await tokenFor('service "db" { policy = "write" }');
  expect((await register({ Service: { ID: "web", Service: "db" }, Check: undefined }, db)).body).toContain('"web"');
  const deregister = (what: object, token: string) =>
    send("PUT", "/v1/catalog/deregister", { Node: "vm1", ...what }, token);
  expect((await deregister({ ServiceID: "web" }, db)).status).toBe(403);
  expect((await deregister({}, web)).status).toBe(403);
  expect((await deregister({ CheckID: "service:web" }, web)).status).toBe(200);
  expect((await deregister({ ServiceID: "web" }, web)).status).toBe(200);
});
