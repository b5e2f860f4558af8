import { expect, test } from "bun:test";
import { createRouteCluster } from "./route-cluster.ts";
import { createTestCatalog, type TestCatalog } from "./test-catalog.ts";

async function withNode(): Promise<TestCatalog> {
  const catalog = createTestCatalog();
  const Checks = [
    { CheckID: "serfHealth", Name: "alive", Status: "passing" },
    { CheckID: "down", Name: "down", Status: "critical" },
  ];
  await catalog.send("PUT", "/v1/catalog/register", { Node: "vm1", Address: "10.0.0.1", Checks });
  return catalog;
}

async function create(catalog: TestCatalog, body: object = {}): Promise<string> {
  const answer = await catalog.send("PUT", "/v1/session/create", { Node: "vm1", ...body });
  expect(answer).toMatchObject({ status: 200, json: { ID: expect.stringMatching(/^[0-9a-f-]{36}$/) } });
  return JSON.parse(answer.body).ID;
}

test("a session has Consul's defaults and order of fields, and is answered in all three ways", async () => {
  const catalog = await withNode();
  const id = await create(catalog);
  const answer = await catalog.get(`/v1/session/info/${id}`);
  expect(answer.body).toBe(
    `[{"ID":"${id}","Name":"","Node":"vm1","LockDelay":15000000000,"Behavior":"release","TTL":"",` +
      `"NodeChecks":["serfHealth"],"ServiceChecks":null,"CreateIndex":${answer.index},"ModifyIndex":${answer.index}}]`,
  );
  expect((await catalog.get("/v1/session/list")).body).toBe(answer.body);
  expect((await catalog.get("/v1/session/node/vm1")).body).toBe(answer.body);
  expect((await catalog.get("/v1/session/node/vm2")).json).toEqual([]);
  expect((await catalog.get("/v1/session/info/unknown")).json).toEqual([]);
});

test("what is asked for is kept: name, delay in both forms, behavior, TTL and checks", async () => {
  const catalog = await withNode();
  const info = async (body: object): Promise<unknown> =>
    (await catalog.get(`/v1/session/info/${await create(catalog, body)}`)).json;
  expect(await info({ Name: "n", LockDelay: "2m", Behavior: "delete", TTL: "30s", NodeChecks: [] })).toMatchObject([
    { Name: "n", LockDelay: 60_000_000_000, Behavior: "delete", TTL: "30s", NodeChecks: [] },
  ]);
  expect(await info({ LockDelay: 5_000_000_000 })).toMatchObject([{ LockDelay: 5_000_000_000 }]);
  expect(await info({ LockDelay: 5 })).toMatchObject([{ LockDelay: 5_000_000_000 }]);
  expect(await info({ Checks: [] })).toMatchObject([{ NodeChecks: [] }]);
  expect(await info({ ServiceChecks: [{ ID: "serfHealth" }], NodeChecks: [] })).toMatchObject([
    { ServiceChecks: [{ ID: "serfHealth", Namespace: "" }] },
  ]);
});

const refusals: readonly (readonly [string, object, number, string])[] = [
  ["an unknown node", { Node: "vm9" }, 500, "Missing node registration"],
  ["an unknown check", { NodeChecks: ["x"] }, 500, "Missing check 'x' registration"],
  ["a critical check", { NodeChecks: ["down"] }, 500, "Check 'down' is in critical state"],
  ["a behavior that is none", { Behavior: "keep" }, 400, "Invalid Behavior setting 'keep'"],
  ["a TTL that is too short", { TTL: "5s" }, 400, "Invalid Session TTL '5000000000', must be between [10s=24h0m0s]"],
  ["a TTL that is none", { TTL: "x" }, 400, "Session TTL 'x' invalid"],
  ["a delay that is none", { LockDelay: "x" }, 400, "Request decode failed: LockDelay"],
];
for (const [what, body, status, message] of refusals) {
  test(`${what} is refused with ${status} and Consul's words`, async () => {
    const catalog = await withNode();
    const answer = await catalog.send("PUT", "/v1/session/create", { Node: "vm1", ...body });
    expect(answer.status).toBe(status);
    expect(answer.body).toContain(message);
    expect((await catalog.get("/v1/session/list")).json).toEqual([]);
  });
}

test("renewing answers the session, and 404 when there is none", async () => {
  const catalog = await withNode();
  const id = await create(catalog, { TTL: "10s" });
  expect((await catalog.send("PUT", `/v1/session/renew/${id}`)).json).toMatchObject([{ ID: id, TTL: "10s" }]);
  expect(await catalog.send("PUT", `/v1/session/destroy/${id}`)).toMatchObject({ status: 200, body: "true" });
  expect(await catalog.send("PUT", `/v1/session/renew/${id}`)).toMatchObject({
    status: 404,
    body: `Session id '${id}' not found`,
  });
  expect(await catalog.send("PUT", `/v1/session/destroy/${id}`)).toMatchObject({ status: 200, body: "true" });
  expect(await catalog.send("PUT", "/v1/session/renew/")).toMatchObject({ status: 400, body: "Missing session" });
});

test("a lock goes from hand to hand: held, released, free, and delayed after its session ended", async () => {
  const catalog = await withNode();
  const [a, b] = [await create(catalog), await create(catalog)];
  const put = async (query: string): Promise<string> => (await catalog.send("PUT", `/v1/kv/lock?${query}`, "me")).body;
  expect(await put(`acquire=${a}`)).toBe("true");
  expect((await catalog.get("/v1/kv/lock")).json).toMatchObject([{ LockIndex: 1, Session: a, Value: "bWU=" }]);
  expect(await put(`acquire=${b}`)).toBe("false");
  expect(await put(`release=${b}`)).toBe("false");
  expect(await put(`release=${a}`)).toBe("true");
  expect((await catalog.get("/v1/kv/lock")).body).not.toContain("Session");
  expect(await put(`acquire=${b}`)).toBe("true");
  await catalog.send("PUT", `/v1/session/destroy/${b}`);
  expect((await catalog.get("/v1/kv/lock")).json).toMatchObject([{ LockIndex: 2 }]);
  expect(await put(`acquire=${a}`)).toBe("false");
  const txn = [{ KV: { Verb: "lock", Key: "lock", Session: a } }];
  expect(await catalog.send("PUT", "/v1/txn", txn)).toMatchObject({
    status: 409,
    json: { Results: null, Errors: [{ OpIndex: 0, What: 'failed to lock key "lock" due to lock delay' }] },
  });
  expect(await catalog.send("PUT", "/v1/kv/other?acquire=none", "x")).toMatchObject({ status: 500 });
});

test("a request to create that is sent again under its id answers the session that there is", async () => {
  const catalog = await withNode();
  const send = async (id: string): Promise<string> => {
    const headers = { "x-atoll-request-id": id };
    const payload = JSON.stringify({ Node: "vm1" });
    return (await catalog.app.inject({ method: "PUT", url: "/v1/session/create", headers, payload })).body;
  };
  const first = await send("once");
  expect(await send("once")).toContain("exists already");
  expect((await catalog.get("/v1/session/list")).body).toContain(JSON.parse(first).ID);
  expect(await send("twice")).not.toBe(first);
});

test("a session that names no node is of the node whose agent was asked, whoever leads", async () => {
  const cluster = createRouteCluster(["a", "b"]);
  cluster.setLeader("a");
  const register = {
    Node: "asked",
    Address: "10.0.0.1",
    Check: { CheckID: "serfHealth", Name: "a", Status: "passing" },
  };
  await cluster.server("a").request("PUT", "/v1/catalog/register", { body: register });
  const headers = { "x-atoll-node": "asked" };
  expect((await cluster.server("b").request("PUT", "/v1/session/create", { headers })).status).toBe(200);
  expect((await cluster.server("b").request("GET", "/v1/session/node/asked")).body).toContain('"Node":"asked"');
  expect((await cluster.server("b").request("PUT", "/v1/session/create")).body).toBe("Must provide Node");
});
