import { expect, test } from "bun:test";
import { AtollError } from "../../../lib/contract/error-codes.ts";
import type { Freshness } from "../../../server/follower-reads.ts";
import { eventually } from "../../fakes/eventually.ts";
import { createRouteCluster } from "./route-cluster.ts";
import { instanceBody } from "./test-catalog.ts";

const body = instanceBody({ node: "vm1", service: "web" });

test("a write on a follower is run by the leader, once, under the id that it got", async () => {
  const cluster = createRouteCluster(["a", "b", "c"]);
  cluster.setLeader("a");
  const answer = await cluster.server("b").request("PUT", "/v1/catalog/register", { body });
  expect(answer).toMatchObject({ status: 200, body: "true" });
  expect(cluster.forwards).toEqual([{ from: "b", to: "a", url: "/v1/catalog/register" }]);
  expect(cluster.proposed).toHaveLength(1);
  expect(cluster.proposed[0]).toMatchObject({ by: "a", requestId: answer.headers["x-atoll-request-id"] });
});

test("the client's request id goes into the log, and a malformed one is refused", async () => {
  const cluster = createRouteCluster(["a", "b"]);
  cluster.setLeader("a");
  const headers = { "X-Atoll-Request-Id": "deploy-17" };
  await cluster.server("b").request("PUT", "/v1/catalog/register", { body, headers });
  expect(cluster.proposed.map(({ requestId }) => requestId)).toEqual(["deploy-17"]);
  const refused = await cluster
    .server("b")
    .request("PUT", "/v1/catalog/register", { body, headers: { "X-Atoll-Request-Id": "with space" } });
  expect(refused.status).toBe(400);
  expect(cluster.proposed).toHaveLength(1);
});

test("a default read on a follower is the leader's answer and says so", async () => {
  const cluster = createRouteCluster(["a", "b"]);
  cluster.setLeader("a");
  await cluster.server("a").request("PUT", "/v1/catalog/register", { body });
  const answer = await cluster.server("b").request("GET", "/v1/catalog/nodes");
  expect(JSON.parse(answer.body)).toHaveLength(1);
  expect(answer.headers).toMatchObject({
    "x-consul-knownleader": "true",
    "x-consul-lastcontact": "0",
    "x-consul-effective-consistency": "leader",
  });
  expect(cluster.forwards).toHaveLength(1);
});

test("a follower that has caught up with its leader answers a read itself, as fresh as the leader would", async () => {
  const asked: Freshness[] = [];
  const catchUp = async (freshness: Freshness): Promise<boolean> => asked.push(freshness) > 0;
  const cluster = createRouteCluster(["a", "b"], { catchUp });
  cluster.setLeader("a");
  await cluster.server("a").request("PUT", "/v1/catalog/register", { body });
  for (const [query, consistency] of [
    ["", "leader"],
    ["?consistent", "consistent"],
    ["?max_stale=39ms", "leader"],
    ["?index=", "leader"],
  ]) {
    const answer = await cluster.server("b").request("GET", `/v1/catalog/service/web${query}`);
    expect(JSON.parse(answer.body)).toHaveLength(1);
    expect(answer.headers).toMatchObject({
      "x-consul-knownleader": "true",
      "x-consul-lastcontact": "0",
      "x-consul-effective-consistency": consistency,
    });
  }
  expect(asked).toEqual(["leader", "consistent", "leader", "leader"]);
  expect(cluster.forwards).toEqual([]);
});

test("what a follower cannot answer goes to the leader: blocking queries, writes, and what is not of the state", async () => {
  const cluster = createRouteCluster(["a", "b"], { catchUp: async () => true });
  cluster.setLeader("a");
  const follower = cluster.server("b");
  await follower.request("PUT", "/v1/catalog/register", { body });
  const urls = ["/v1/health/service/web?index=1", "/v1/operator/raft/configuration", "/v1/operator/autopilot/health"];
  for (const url of urls) expect((await follower.request("GET", url)).status).toBe(200);
  expect(cluster.forwards.map(({ url }) => url)).toEqual(["/v1/catalog/register", ...urls]);
});

test("a follower that does not catch up has the leader answer", async () => {
  const cluster = createRouteCluster(["a", "b"], { catchUp: async () => false });
  cluster.setLeader("a");
  expect((await cluster.server("b").request("GET", "/v1/catalog/nodes")).status).toBe(200);
  expect(cluster.forwards).toHaveLength(1);
});

test("a leader does not ask itself, and nobody catches up with a leader that is not there", async () => {
  let asked = 0;
  const catchUp = async (): Promise<boolean> => ++asked > 0;
  const cluster = createRouteCluster(["a", "b"], { catchUp, leaderWaitMs: 30 });
  expect((await cluster.server("b").request("GET", "/v1/catalog/nodes")).status).toBe(500);
  cluster.setLeader("a");
  expect((await cluster.server("a").request("GET", "/v1/catalog/nodes")).status).toBe(200);
  expect(asked).toBe(0);
});

test("a stale read is answered by any server, and one with max_stale only while it is that new", async () => {
  const cluster = createRouteCluster(["a", "b"]);
  cluster.setLeader("a");
  const follower = cluster.server("b");
  for (const url of ["/v1/catalog/nodes?stale", "/v1/catalog/nodes?max_stale=40ms"]) {
    expect((await follower.request("GET", url)).headers).toMatchObject({
      "x-consul-knownleader": "true",
      "x-consul-lastcontact": "40",
      "x-consul-effective-consistency": "stale",
    });
  }
  expect(cluster.forwards).toHaveLength(0);
  const newer = await follower.request("GET", "/v1/catalog/nodes?stale&max_stale=39ms&pretty");
  expect(newer.headers).toMatchObject({
    "x-consul-lastcontact": "0",
    "x-consul-effective-consistency": "leader",
  });
  expect(cluster.forwards).toEqual([{ from: "b", to: "a", url: "/v1/catalog/nodes?pretty" }]);
});

test.each([
  ["stale&consistent", "Cannot specify ?stale with ?consistent, conflicting semantics."],
  ["max_stale=1s&consistent", "Cannot specify ?stale with ?consistent, conflicting semantics."],
  ["cached&consistent", "Cannot specify ?cached with ?consistent, conflicting semantics."],
  ["max_stale=soon", 'Invalid max_stale value "soon"'],
])("?%s is refused at once, leader or not", async (query, text) => {
  const cluster = createRouteCluster(["a"], { leaderWaitMs: 60_000 });
  expect(await cluster.server("a").request("GET", `/v1/catalog/nodes?${query}`)).toMatchObject({
    status: 400,
    body: text,
  });
});

test("a consistent read asks the leader's log, and entries that are no writes do not hold it up", async () => {
  const cluster = createRouteCluster(["a", "b"]);
  cluster.setLeader("a");
  const leader = cluster.server("a");
  await leader.request("PUT", "/v1/catalog/register", { body });
  // Two elections and a change of the membership after the last write.
  leader.setReadIndex(1_000);
  const answer = await cluster.server("b").request("GET", "/v1/catalog/nodes?consistent");
  expect(leader.readIndexCalls()).toBe(1);
  expect(JSON.parse(answer.body)).toHaveLength(1);
  expect(answer.headers["x-consul-effective-consistency"]).toBe("consistent");
});

test("a request waits for a leader and is answered by whoever becomes it", async () => {
  const cluster = createRouteCluster(["a", "b"]);
  const write = cluster.server("b").request("PUT", "/v1/catalog/register", { body });
  const read = cluster.server("a").request("GET", "/v1/catalog/datacenters");
  expect((await read).status).toBe(200);
  expect(cluster.proposed).toHaveLength(0);
  cluster.setLeader("b");
  expect(await write).toMatchObject({ status: 200, body: "true" });
});

test("without a leader a request ends after the wait, in Consul's words and with a code", async () => {
  const cluster = createRouteCluster(["a", "b"], { leaderWaitMs: 30 });
  for (const answer of [
    await cluster.server("a").request("PUT", "/v1/catalog/register", { body }),
    await cluster.server("a").request("GET", "/v1/catalog/nodes"),
  ]) {
    expect(answer).toMatchObject({ status: 500, body: "No cluster leader" });
    expect(answer.headers["x-atoll-error"]).toBe("NO_LEADER");
  }
});

test("leadership that moves while a write is on its way is followed: nothing was applied, so it is tried again", async () => {
  const cluster = createRouteCluster(["a", "b", "c"]);
  cluster.setLeader("a");
  // b has not heard yet that c leads.
  cluster.server("a").believe({ isLeader: false, leaderAddress: "c" });
  cluster.server("c").believe({ isLeader: true, leaderAddress: "c" });
  const write = cluster.server("b").request("PUT", "/v1/catalog/register", { body });
  await eventually("b to ask the old leader", () => cluster.forwards.length > 0);
  cluster.server("b").believe({ leaderAddress: "c" });
  expect(await write).toMatchObject({ status: 200, body: "true" });
  expect(cluster.proposed.map(({ by }) => by)).toEqual(["c"]);
});

test("two servers that take each other for the leader do not send a request round in circles", async () => {
  const cluster = createRouteCluster(["a", "b"], { leaderWaitMs: 250 });
  cluster.server("a").believe({ leaderAddress: "b" });
  cluster.server("b").believe({ leaderAddress: "a" });
  const answer = await cluster.server("a").request("GET", "/v1/catalog/nodes");
  expect(answer).toMatchObject({ status: 500, body: "No cluster leader" });
  expect(cluster.forwards.length).toBeGreaterThan(0);
  expect(cluster.forwards.every(({ from }) => from === "a")).toBe(true);
});

test("a leader that loses its office before it proposes has the write done by the next one", async () => {
  const cluster = createRouteCluster(["a", "b"]);
  cluster.setLeader("a");
  cluster.server("a").failNextProposal(new AtollError("NO_LEADER", "not any more"));
  const write = cluster.server("a").request("PUT", "/v1/catalog/register", { body });
  await new Promise((resolve) => setImmediate(resolve));
  cluster.setLeader("b");
  expect(await write).toMatchObject({ status: 200, body: "true" });
  expect(cluster.proposed.map(({ by }) => by)).toEqual(["b"]);
});

test("an unknown outcome is said, with the id to ask again with, and is not tried again", async () => {
  const cluster = createRouteCluster(["a", "b"]);
  cluster.setLeader("a");
  const text = "leadership was lost: the change may or may not take effect";
  cluster.server("a").failNextProposal(new AtollError("UNKNOWN_OUTCOME", text));
  const answer = await cluster.server("b").request("PUT", "/v1/catalog/register", { body });
  expect(answer.status).toBe(500);
  expect(answer.headers["x-atoll-error"]).toBe("UNKNOWN_OUTCOME");
  const id = String(answer.headers["x-atoll-request-id"]);
  expect(id).toMatch(/^[0-9a-f-]{36}$/);
  const wayOut = `send it again with the header "X-Atoll-Request-Id: ${id}": together they take effect once`;
  expect(answer.body).toBe(`${text}; ${wayOut}`);
  expect(cluster.forwards).toHaveLength(1);
  expect(cluster.proposed).toHaveLength(0);
});

test("a blocked watcher of a leader that stops leading is handed on and sees the next change", async () => {
  const cluster = createRouteCluster(["a", "b"]);
  cluster.setLeader("a");
  const leader = cluster.server("a");
  await leader.request("PUT", "/v1/catalog/register", { body });
  const first = await leader.request("GET", "/v1/health/service/web");
  const url = `/v1/health/service/web?index=${String(first.headers["x-consul-index"])}&wait=60s`;
  const watcher = leader.request("GET", url);
  await eventually("the watcher to block", () => leader.state.watches.watchCount() === 1);
  cluster.setLeader("b");
  await eventually("the watcher to block on b", () => cluster.server("b").state.watches.watchCount() === 1);
  await cluster
    .server("b")
    .request("PUT", "/v1/catalog/register", { body: instanceBody({ node: "vm2", service: "web" }) });
  expect(JSON.parse((await watcher).body)).toHaveLength(2);
});

test("what a server says of itself is answered by itself, without a leader", async () => {
  const cluster = createRouteCluster(["a", "b"], { leaderWaitMs: 60_000 });
  for (const url of ["/v1/status/leader", "/v1/status/peers", "/v1/catalog/datacenters"]) {
    expect((await cluster.server("b").request("GET", url)).status).toBe(200);
  }
  expect((await cluster.server("b").request("GET", "/v1/acl/tokens")).status).toBe(401);
  expect(cluster.forwards).toHaveLength(0);
});
