import { expect, test } from "bun:test";
import { createRouteCluster } from "./route-cluster.ts";
import { createTestCatalog } from "./test-catalog.ts";

const set = (Key: string, fields: object = {}) => ({ KV: { Verb: "set", Key, Value: "eA==", ...fields } });

test("a transaction answers what each operation left, values only of what was read", async () => {
  const catalog = createTestCatalog();
  const body = [set("a", { Flags: 1 }), { KV: { Verb: "get", Key: "a" } }, { KV: { Verb: "delete", Key: "a" } }];
  const answer = await catalog.send("PUT", "/v1/txn", body);
  expect(answer.status).toBe(200);
  const index = JSON.parse(answer.body).Results[0].KV.ModifyIndex;
  const record = { LockIndex: 0, Key: "a", Flags: 1, CreateIndex: index, ModifyIndex: index };
  expect(answer.json).toEqual({
    Results: [{ KV: { ...record, Value: null } }, { KV: { ...record, Value: "eA==" } }],
    Errors: null,
  });
});

test("one that fails is 409 with every error, and leaves nothing", async () => {
  const catalog = createTestCatalog();
  const body = [set("a"), { KV: { Verb: "get", Key: "b" } }, { KV: { Verb: "check-index", Key: "a", Index: 1 } }];
  const answer = await catalog.send("PUT", "/v1/txn", body);
  expect(answer).toMatchObject({ status: 409, headers: { "content-type": "application/json" } });
  expect(answer.json).toMatchObject({
    Results: null,
    Errors: [{ OpIndex: 1, What: `key "b" doesn't exist` }, { OpIndex: 2 }],
  });
  expect((await catalog.get("/v1/kv/?keys")).json).toEqual([]);
});

test("one that only looks does not go through the log, and says so as Consul does", async () => {
  const cluster = createRouteCluster(["a"]);
  cluster.setLeader("a");
  const server = cluster.server("a");
  await server.request("PUT", "/v1/txn", { body: [set("t/a"), set("t/b")] });
  expect(cluster.proposed).toHaveLength(1);
  const look = [{ KV: { Verb: "get-tree", Key: "t/" } }, { KV: { Verb: "get-or-empty", Key: "x" } }];
  const answer = await server.request("PUT", "/v1/txn?consistent", { body: look });
  expect(cluster.proposed).toHaveLength(1);
  expect(server.readIndexCalls()).toBe(1);
  expect(answer.headers).toMatchObject({ "x-consul-knownleader": "true", "x-consul-lastcontact": "0" });
  expect(JSON.parse(answer.body)).toMatchObject({
    Results: [{ KV: { Key: "t/a", Value: "eA==" } }, { KV: { Key: "t/b" } }, { KV: { Key: "x", Value: null } }],
    Errors: null,
    KnownLeader: true,
  });
});

test("nodes, services and checks are written together with keys", async () => {
  const catalog = createTestCatalog();
  const body = [
    { Node: { Verb: "set", Node: { Node: "n", Address: "10.0.0.1", Meta: { a: "b" } } } },
    // As the Go client writes what was left empty.
    {
      Service: {
        Verb: "set",
        Node: "n",
        Service: { ID: "s", Service: "web", Port: 80, Weights: { Passing: 0, Warning: 0 } },
      },
    },
    {
      Check: {
        Verb: "cas",
        Check: { Node: "n", CheckID: "c", Name: "c", Status: "passing", ServiceID: "s", ModifyIndex: 0 },
      },
    },
    set("k"),
    { Service: { Verb: "get", Node: "n", Service: { ID: "s" } } },
  ];
  const answer = await catalog.send("PUT", "/v1/txn", body);
  expect(answer.json).toMatchObject({
    Results: [
      { Node: { Node: "n", Meta: { a: "b" } } },
      { Service: { ID: "s", Port: 80, Weights: { Passing: 1, Warning: 1 } } },
      { Check: { CheckID: "c", ServiceName: "web" } },
      { KV: { Key: "k" } },
      { Service: { ID: "s" } },
    ],
  });
  expect((await catalog.get("/v1/health/service/web?passing")).json).toHaveLength(1);
  const stale = [{ Node: { Verb: "delete-cas", Node: { Node: "n", ModifyIndex: 1 } } }];
  expect((await catalog.send("PUT", "/v1/txn", stale)).status).toBe(409);
  const removal = [{ Node: { Verb: "delete", Node: { Node: "n" } } }, { KV: { Verb: "delete-tree", Key: "" } }];
  expect((await catalog.send("PUT", "/v1/txn", removal)).json).toEqual({ Results: [], Errors: null });
  expect((await catalog.get("/v1/catalog/nodes")).json).toEqual([]);
});

test("flags of 64 bits are whole, whatever else the body holds", async () => {
  const catalog = createTestCatalog();
  const body =
    '[{"KV":{"Verb":"set","Key":"\\"flags\\":12345678901234567890,","Value":null,"Flags":18446744073709551615}}]';
  const answer = await catalog.send("PUT", "/v1/txn", body);
  expect(answer.body).toContain('"Flags":18446744073709551615,');
  expect(JSON.parse(answer.body).Results[0].KV.Key).toBe('"flags":12345678901234567890,');
});

const refusals: readonly (readonly [string, unknown, number, string])[] = [
  ["more operations than allowed", Array.from({ length: 129 }, () => set("a")), 413, "too many operations (129 > 128)"],
  ["an unknown verb", [{ KV: { Verb: "increment", Key: "a" } }], 409, 'unknown KV verb \\"increment\\"'],
  ["a value that is no base64", [set("a", { Value: "§" })], 400, "Failed to parse body: illegal base64"],
  ["a key that climbs", [set("a/../b")], 400, "path traversal"],
  ["flags that are none", [set("a", { Flags: -1 })], 400, "Failed to parse body"],
  ["a body that is no list", { KV: 1 }, 400, "Failed to parse body"],
  ["a body that is no JSON", "[", 400, "Failed to parse body: line 1"],
  [
    "a service without a name",
    [{ Service: { Verb: "set", Node: "n", Service: { ID: "s" } } }],
    400,
    "Must provide service name",
  ],
  ["an operation without a key", [set("")], 409, "Must provide key"],
  [
    "a service on a node that is not there",
    [{ Service: { Verb: "set", Node: "n", Service: { Service: "s" } } }],
    409,
    "Missing node registration",
  ],
];
for (const [what, body, status, message] of refusals) {
  test(`${what} is a ${status} that says so`, async () => {
    const catalog = createTestCatalog();
    const answer = await catalog.send("PUT", "/v1/txn", body);
    expect(answer.status).toBe(status);
    expect(answer.body).toContain(message);
    expect((await catalog.get("/v1/kv/?keys")).json).toEqual([]);
  });
}
