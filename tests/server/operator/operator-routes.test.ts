import { expect, test } from "bun:test";
import { AtollError } from "../../../lib/contract/error-codes.ts";
import { createTestCatalog, instanceBody } from "../http/test-catalog.ts";
import { member, raftStatus } from "./fake-operator.ts";

function threeServers() {
  const catalog = createTestCatalog();
  catalog.operator.setMembers([
    member("a", { isLeader: true, address: "10.0.0.1:8300" }),
    member("b", { address: "10.0.0.2:8300", match: 98 }),
    member("c", {
      address: "10.0.0.3:8300",
      isVoter: false,
      match: 5,
      progress: { match: 5, isRecentlyActive: false },
    }),
  ]);
  return catalog;
}

test("the configuration has Consul's shape, with the names that the catalog knows", async () => {
  const catalog = threeServers();
  const vm = { ...instanceBody({ node: "vm-two", service: "web" }), Address: "10.0.0.2" };
  await catalog.send("PUT", "/v1/catalog/register", vm);
  const { json } = await catalog.get("/v1/operator/raft/configuration");
  const common = { ProtocolVersion: "3" };
  expect(json).toEqual({
    Servers: [
      { ...common, ID: "a", Node: "(unknown)", Address: "10.0.0.1:8300", Leader: true, Voter: true, LastIndex: 100 },
      { ...common, ID: "b", Node: "vm-two", Address: "10.0.0.2:8300", Leader: false, Voter: true, LastIndex: 98 },
      { ...common, ID: "c", Node: "(unknown)", Address: "10.0.0.3:8300", Leader: false, Voter: false, LastIndex: 5 },
    ],
    Index: 100,
  });
});

test("a peer is removed by id or by address, and exactly one of them", async () => {
  const { send, operator } = threeServers();
  const path = "/v1/operator/raft/peer";
  expect((await send("DELETE", `${path}?id=b`)).status).toBe(200);
  expect((await send("DELETE", `${path}?address=10.0.0.3:8300`)).status).toBe(200);
  expect(operator.calls).toEqual(["remove b", "remove c"]);
  expect(await send("DELETE", path)).toMatchObject({
    status: 400,
    body: "Must specify either ?id with the server's ID or ?address with IP:port of peer to remove",
  });
  expect(await send("DELETE", `${path}?id=b&address=x:1`)).toMatchObject({
    status: 400,
    body: "Must specify only one of ?id or ?address",
  });
  expect(await send("DELETE", `${path}?address=10.9.9.9:1`)).toMatchObject({
    status: 500,
    body: 'address "10.9.9.9:1" was not found in the Raft configuration',
  });
  expect(operator.calls).toHaveLength(2);
});

test("leadership is handed to anybody or to a voter that is named", async () => {
  const { send, operator } = threeServers();
  const path = "/v1/operator/raft/transfer-leader";
  expect((await send("POST", path)).json).toEqual({ Success: true });
  expect((await send("POST", `${path}?id=b`)).json).toEqual({ Success: true });
  expect(operator.calls).toEqual(["transfer anybody", "transfer b"]);
  expect((await send("POST", `${path}?id=c`)).body).toContain("is no voter");
  expect((await send("POST", `${path}?id=z`)).body).toContain("was not found");
});

test("a learner is added and promoted; what the engine refuses is said", async () => {
  const { send, operator } = threeServers();
  expect((await send("POST", "/v1/operator/raft/learner?id=d&address=10.0.0.4:8300")).status).toBe(200);
  expect((await send("POST", "/v1/operator/raft/promote?id=c")).status).toBe(200);
  expect(operator.calls).toEqual(["add-learner d 10.0.0.4:8300", "promote c"]);
  operator.failNext(new AtollError("CONFLICT", "c lags 5000 entries behind"));
  expect(await send("POST", "/v1/operator/raft/promote?id=c")).toMatchObject({
    status: 409,
    body: "c lags 5000 entries behind",
  });
  expect((await send("POST", "/v1/operator/raft/learner?id=d")).status).toBe(400);
});

test("autopilot's configuration is Consul's, is replicated and takes a compare-and-set", async () => {
  const { get, send, state } = threeServers();
  const path = "/v1/operator/autopilot/configuration";
  expect((await get(path)).json).toMatchObject({
    CleanupDeadServers: true,
    LastContactThreshold: "200ms",
    MaxTrailingLogs: 250,
    MinQuorum: 0,
    ServerStabilizationTime: "10s",
    ModifyIndex: 0,
  });
  const body = { CleanupDeadServers: false, ServerStabilizationTime: "2s", LastContactThreshold: 500_000_000 };
  expect((await send("PUT", path, body)).body).toBe("true");
  const stored = state.reader.autopilot().value;
  expect(stored).toMatchObject({
    isCleaningUpDeadServers: false,
    stabilizationTimeMs: 2_000,
    lastContactThresholdMs: 500,
    maxTrailingLogs: 250,
  });
  expect((await send("PUT", `${path}?cas=1`, {})).body).toBe("false");
  expect((await send("PUT", `${path}?cas=${stored?.ModifyIndex}`, {})).body).toBe("true");
  expect(await send("PUT", path, { ServerStabilizationTime: "soon" })).toMatchObject({ status: 400 });
  expect(state.reader.autopilot().value?.stabilizationTimeMs).toBe(10_000);
});

test("health is 200 while all servers are well and 429 with the same body when one is not", async () => {
  const { get, operator } = threeServers();
  const ill = await get("/v1/operator/autopilot/health");
  expect(ill.status).toBe(429);
  expect(ill.json).toMatchObject({
    Healthy: false,
    FailureTolerance: 0,
    Servers: [
      { ID: "a", Leader: true, SerfStatus: "alive", LastIndex: 100, Healthy: true, Voter: true, LastContact: "0s" },
      { ID: "b", Healthy: true, LastTerm: 3 },
      { ID: "c", Healthy: false, SerfStatus: "failed", Voter: false },
    ],
  });
  operator.setMembers([member("a", { isLeader: true }), member("b", { match: 100 }), member("d", { match: 99 })]);
  expect(await get("/v1/operator/autopilot/health")).toMatchObject({
    status: 200,
    json: { Healthy: true, FailureTolerance: 1 },
  });
  expect((await get("/v1/operator/autopilot/state")).json).toMatchObject({
    Healthy: true,
    Leader: "a",
    Voters: ["a", "b", "d"],
    Servers: { b: { Status: "voter", NodeType: "voter" }, a: { Status: "leader" } },
  });
  operator.setStatus(raftStatus({ commitIndex: 1_000 }));
  expect((await get("/v1/operator/autopilot/health")).status).toBe(429);
});

test("the operator's writes have exactly their methods", async () => {
  const { send } = threeServers();
  expect((await send("PUT", "/v1/operator/raft/transfer-leader")).status).toBe(405);
  expect((await send("POST", "/v1/operator/raft/peer?id=b")).status).toBe(405);
});
