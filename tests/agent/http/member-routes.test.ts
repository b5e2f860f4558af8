import { afterEach, expect, test } from "bun:test";
import type { AgentApi } from "../../../agent/agent-api.ts";
import { commands } from "../../../cli/commands.ts";
import { dispatch } from "../../../cli/dispatch.ts";
import type { MemberChange, MemberFields } from "../../../lib/contract/members.ts";
import { createFakeIo } from "../../cli/fake-io.ts";
import { eventually } from "../../fakes/eventually.ts";
import { createTempDir } from "../../fakes/temp-dir.ts";
import { createTestCatalog, type TestCatalog } from "../../server/http/test-catalog.ts";
import { startTestAgentApp, type TestAgentApp } from "./test-agent-app.ts";

const running: TestAgentApp[] = [];
afterEach(async () => {
  for (const one of running.splice(0)) await one.stop();
});

function member(Node: string, fields: Partial<MemberFields> = {}): MemberFields {
  const ID = `00000000-0000-4000-8000-00000000000${Node.length}`;
  const terms = { Class: "default", TtlMs: 8_000, ReapAfterMs: 60_000 };
  return { Node, ID, Address: "10.0.0.1", Port: 0, Role: "node", Build: "1.0", ...terms, ...fields };
}

const change = (atMs: number, ...changes: MemberChange[]) => ({ type: "members" as const, atMs, changes });

/** An agent without a server of its own, whose link leads to a server with three members. */
async function start(dataDir: string): Promise<{ readonly catalog: TestCatalog; readonly agent: TestAgentApp }> {
  const catalog = createTestCatalog();
  const lost = member("lost");
  const server = member("server", { Role: "consul", Port: 8300 });
  catalog.apply(change(5_000, { kind: "alive", member: member("web") }, { kind: "alive", member: lost }));
  catalog.apply(change(6_000, { kind: "alive", member: server }, { kind: "failed", node: "lost", id: lost.ID }));
  const forward: AgentApi["forward"] = async (request) => {
    const method = request.method === "PUT" ? "PUT" : "GET";
    const answer = await catalog.app.inject({ method, url: request.url });
    const headers = { "content-type": String(answer.headers["content-type"]) };
    return { status: answer.statusCode, headers, body: answer.rawPayload };
  };
  const agent = await startTestAgentApp({ dataDir, forward });
  running.push(agent);
  return { catalog, agent };
}

test("members are answered by any agent as Consul answers them, with the lease behind", async () => {
  using dir = createTempDir();
  const { agent } = await start(dir.path);
  const answer: unknown = JSON.parse((await agent.call("GET", "/v1/agent/members?segment=_all")).text);
  expect(answer).toMatchObject([
    { Name: "lost", Status: 4 },
    { Name: "server", Status: 1, Port: 8300, Tags: { role: "consul", port: "8300", dc: "dc1", build: "1.0" } },
    { Name: "web", Status: 1, Port: 0, Tags: { role: "node", id: member("web").ID, vsn: "2" } },
  ]);
  expect(answer).toMatchObject([{ Lease: { Class: "default", SinceMs: 6_000 } }, {}, {}]);
  const wan: unknown = JSON.parse((await agent.call("GET", "/v1/agent/members?wan=1")).text);
  expect(wan).toMatchObject([{ Name: "server.dc1", Status: 1 }]);
});

test("an agent that reaches no server knows itself", async () => {
  using dir = createTempDir();
  const agent = await startTestAgentApp({ dataDir: dir.path });
  running.push(agent);
  expect(JSON.parse((await agent.call("GET", "/v1/agent/members")).text)).toMatchObject([{ Name: "vm1", Status: 1 }]);
});

test("so does one whose server is of a release without leases", async () => {
  using dir = createTempDir();
  const forward: AgentApi["forward"] = async () => ({
    status: 404,
    headers: {},
    body: Buffer.from("Invalid URL path"),
  });
  const agent = await startTestAgentApp({ dataDir: dir.path, forward });
  running.push(agent);
  expect(JSON.parse((await agent.call("GET", "/v1/agent/members")).text)).toMatchObject([{ Name: "vm1", Status: 1 }]);
});

test("force-leave goes to the leader under the node's name, its name on the WAN included", async () => {
  using dir = createTempDir();
  const { agent, catalog } = await start(dir.path);
  expect((await agent.call("PUT", "/v1/agent/force-leave/lost")).status).toBe(200);
  expect((await agent.call("PUT", "/v1/agent/force-leave/server.dc1?prune")).status).toBe(200);
  expect(catalog.forcedOut).toEqual([
    { node: "lost", isForgotten: false },
    { node: "server", isForgotten: true },
  ]);
});

test("join is refused for what is no address and for where no server answers", async () => {
  using dir = createTempDir();
  const { agent } = await start(dir.path);
  expect(await agent.call("PUT", "/v1/agent/join/a%20b")).toMatchObject({ status: 400 });
  expect(await agent.call("PUT", "/v1/agent/join/10.0.0.9")).toMatchObject({ status: 500 });
});

test("leave is answered before the agent goes", async () => {
  using dir = createTempDir();
  const { agent } = await start(dir.path);
  const url = await agent.listen();
  expect((await fetch(`${url}/v1/agent/leave`, { method: "PUT" })).status).toBe(200);
  await eventually("the agent to be told", () => agent.leaves.length === 1);
});

async function run(url: string, ...args: string[]) {
  const io = createFakeIo();
  const code = await dispatch([...args, `-http-addr=${url}`], commands, io);
  return { code, out: io.out(), err: io.err() };
}

test("atoll members prints Consul's table, the same as JSON, and exits 2 when nobody matches", async () => {
  using dir = createTempDir();
  const { agent } = await start(dir.path);
  const url = await agent.listen();
  expect((await run(url, "members")).out.split("\n")).toEqual([
    "Node    Address        Status  Type    Build  Protocol  DC   Partition  Segment",
    "lost    10.0.0.1:0     failed  client  1.0    2         dc1  default    <default>",
    "server  10.0.0.1:8300  alive   server  1.0    2         dc1  default    <all>",
    "web     10.0.0.1:0     alive   client  1.0    2         dc1  default    <default>",
    "",
  ]);
  expect((await run(url, "members", "-status=fail")).out).toContain("lost");
  expect((await run(url, "members", "-status=fail")).out).not.toContain("web");
  expect(JSON.parse((await run(url, "members", "-format=json", "-status=alive")).out)).toHaveLength(2);
  expect((await run(url, "members", "-detailed")).out).toContain("port=8300,raft_vsn=3,role=consul");
  expect(await run(url, "members", "-status=left")).toEqual({ code: 2, out: "", err: "" });
  expect((await run(url, "members", "-status=(")).err).toContain("is not a regular expression");
});

test("atoll force-leave, join and leave ask the agent", async () => {
  using dir = createTempDir();
  const { agent, catalog } = await start(dir.path);
  const url = await agent.listen();
  expect(await run(url, "force-leave", "-prune", "lost")).toEqual({ code: 0, out: "", err: "" });
  expect(catalog.forcedOut).toEqual([{ node: "lost", isForgotten: true }]);
  const joined = await run(url, "join", "10.0.0.9");
  expect(joined.code).toBe(1);
  expect(joined.err).toContain("Error joining address '10.0.0.9'");
  expect((await run(url, "leave")).code).toBe(0);
  await eventually("the agent to be told", () => agent.leaves.length === 1);
});
