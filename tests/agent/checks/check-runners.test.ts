import { expect, test } from "bun:test";
import { createServer } from "node:net";
import { eventually } from "../../fakes/eventually.ts";
import { createTempDir } from "../../fakes/temp-dir.ts";
import { byApi, check, service, startTestAgent, type TestAgent } from "../test-registrations.ts";

function statusOf(agent: TestAgent, checkId: string): string {
  return agent.state.checks().get(checkId)?.fields.Status ?? "absent";
}

function outputOf(agent: TestAgent, checkId: string): string {
  return agent.state.checks().get(checkId)?.fields.Output ?? "absent";
}

test("a TTL check lives from heartbeat to heartbeat and is critical when they end", async () => {
  using dir = createTempDir();
  const agent = await startTestAgent({ dataDir: dir.path });
  await agent.registrar.registerService(service({ Name: "web", Check: { TTL: "10s" } }), byApi);
  expect(statusOf(agent, "service:web")).toBe("critical");
  agent.heartbeat("service:web", "passing", "one");
  await agent.clock.advance(9_000);
  agent.heartbeat("service:web", "warning", "two");
  await agent.clock.advance(9_999);
  expect(statusOf(agent, "service:web")).toBe("warning");
  await agent.clock.advance(1);
  expect(statusOf(agent, "service:web")).toBe("critical");
  expect(outputOf(agent, "service:web")).toBe("TTL expired (last output before timeout follows): two");
  agent.heartbeat("service:web", "passing", "back");
  expect(statusOf(agent, "service:web")).toBe("passing");
  await agent.stop();
});

test("heartbeats for unknown checks and for checks that probe themselves are refused", async () => {
  using dir = createTempDir();
  const agent = await startTestAgent({ dataDir: dir.path });
  await agent.registrar.registerCheck(check({ Name: "port", TCP: "127.0.0.1:1", Interval: "1h" }), {
    isPersisted: true,
  });
  expect(() => agent.heartbeat("nobody", "passing", "")).toThrow('Unknown check ID "nobody"');
  expect(() => agent.heartbeat("port", "passing", "")).toThrow('CheckID "port" does not have associated TTL');
  await agent.stop();
});

test("a probe is made, made again when something has happened that it will see, and stops with its check", async () => {
  using dir = createTempDir();
  const agent = await startTestAgent({ dataDir: dir.path });
  let connections = 0;
  const server = createServer((socket) => {
    connections++;
    socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  await agent.registrar.registerService(service({ Name: "web" }), byApi);
  const definition = check({ Name: "port", ServiceID: "web", TCP: `127.0.0.1:${port}`, Interval: "10s" });
  await agent.registrar.registerCheck(definition, { isPersisted: true });
  expect(connections).toBe(0);
  await agent.clock.advance(1_000);
  await eventually("the first attempt", () => statusOf(agent, "port") === "passing");
  expect(connections).toBe(1);
  agent.probeService("other");
  agent.probeService("web");
  await eventually("the second attempt", () => connections === 2);
  await agent.registrar.deregisterCheck("port");
  server.close();
  await agent.stop();
  expect(agent.clock.pendingTimers()).toBe(0);
});

test("an alias follows its service and the node, worst first, and says what is wrong", async () => {
  using dir = createTempDir();
  const agent = await startTestAgent({ dataDir: dir.path });
  const alias = { CheckID: "alias", AliasService: "web" };
  await agent.registrar.registerService(service({ Name: "front", Check: alias }), byApi);
  expect(statusOf(agent, "alias")).toBe("critical");
  expect(outputOf(agent, "alias")).toBe("Service web could not be found on node vm1");
  await agent.registrar.registerService(service({ Name: "web" }), byApi);
  expect([statusOf(agent, "alias"), outputOf(agent, "alias")]).toEqual(["passing", "No checks found."]);
  await agent.registrar.registerService(service({ Name: "web", Check: { Name: "beat", TTL: "1h" } }), byApi);
  expect(outputOf(agent, "alias")).toBe('Aliased check "beat" failing: ');
  agent.heartbeat("service:web", "passing", "");
  expect([statusOf(agent, "alias"), outputOf(agent, "alias")]).toEqual(["passing", "All checks passing."]);
  await agent.registrar.registerCheck(check({ Name: "disk", TTL: "1h", Status: "warning" }), { isPersisted: true });
  expect(statusOf(agent, "alias")).toBe("warning");
  await agent.registrar.deregisterCheck("disk");
  expect(statusOf(agent, "alias")).toBe("passing");
  await agent.registrar.deregisterService("web");
  expect(statusOf(agent, "alias")).toBe("critical");
  await agent.stop();
});

test("a chain of aliases settles at once, and a circle of them does not hang", async () => {
  using dir = createTempDir();
  const agent = await startTestAgent({ dataDir: dir.path });
  const link = (name: string, follows: string): object => ({ Name: name, Check: { AliasService: follows } });
  await agent.registrar.registerService(service({ Name: "end", Check: { TTL: "1h" } }), byApi);
  await agent.registrar.registerService(service(link("middle", "end")), byApi);
  await agent.registrar.registerService(service(link("start", "middle")), byApi);
  agent.heartbeat("service:end", "passing", "");
  expect(statusOf(agent, "service:start")).toBe("passing");
  agent.heartbeat("service:end", "warning", "");
  expect(statusOf(agent, "service:start")).toBe("warning");
  await agent.registrar.registerService(service({ ...link("end", "start") }), {
    ...byApi,
    replaceExistingChecks: true,
  });
  expect(["passing", "warning", "critical"]).toContain(statusOf(agent, "service:start"));
  await agent.stop();
});

test("an alias of another node is refused by name", async () => {
  using dir = createTempDir();
  const agent = await startTestAgent({ dataDir: dir.path });
  const remote = check({ Name: "far", AliasNode: "vm2", AliasService: "web" });
  await expect(agent.registrar.registerCheck(remote, { isPersisted: true })).rejects.toThrow('follows node "vm2"');
  await agent.stop();
});

test("a service whose check stays critical long enough is deregistered, one that recovers is not", async () => {
  using dir = createTempDir();
  const agent = await startTestAgent({ dataDir: dir.path });
  const dying = { TTL: "1h", DeregisterCriticalServiceAfter: "2m" };
  await agent.registrar.registerService(service({ Name: "gone", Check: dying }), byApi);
  await agent.registrar.registerService(service({ Name: "back", Check: dying }), byApi);
  await agent.clock.advance(90_000);
  agent.heartbeat("service:back", "passing", "");
  agent.heartbeat("service:back", "critical", "");
  await agent.clock.advance(60_000);
  await eventually("the critical one is gone", () => !agent.state.services().has("gone"));
  expect(agent.state.services().has("back")).toBe(true);
  await agent.stop();
});

test("registering a probe again as it was does not begin its interval anew", async () => {
  using dir = createTempDir();
  const agent = await startTestAgent({ dataDir: dir.path });
  const definition = { Name: "port", TCP: "127.0.0.1:1", Interval: "10s", Timeout: "1s" };
  for (let round = 0; round < 20; round++) {
    await agent.registrar.registerCheck(check(definition), { isPersisted: true });
    await agent.clock.advance(1_000);
  }
  await eventually("an attempt was made", () => outputOf(agent, "port").startsWith("TCP connect"));
  await agent.stop();
});
