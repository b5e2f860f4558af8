import { expect, test } from "bun:test";
import type { Command } from "../../lib/contract/commands.ts";
import { createTempDir } from "../fakes/temp-dir.ts";
import { createFakeCatalog, type FakeCatalog } from "./fake-catalog.ts";
import { byApi, check, service, startTestAgent, testNode } from "./test-registrations.ts";

const web = { Name: "web", Port: 80, Check: { TTL: "1h" }, Connect: { SidecarService: {} } };
/** Longer than the longest time between two full syncs. */
const fullSyncMs = 121_000;

function servicesIn(catalog: FakeCatalog): string[] {
  return catalog.state.reader.nodeServices("vm1").value.map((entry) => entry.ID);
}

function checksIn(catalog: FakeCatalog): Record<string, string> {
  const checks = catalog.state.reader.nodeChecks("vm1").value;
  return Object.fromEntries(checks.map((entry) => [entry.CheckID, entry.Status]));
}

function summary(command: Command): string {
  if (command.type === "register") {
    const checks = command.checks.map((entry) => entry.CheckID).toSorted();
    return `register ${command.service?.ID ?? "-"} [${checks.join(" ")}]`;
  }
  if (command.type === "deregister") return `deregister ${command.serviceId ?? command.checkId ?? "node"}`;
  return command.type;
}

test("at the start the node is registered with its liveness check, which passes", async () => {
  using dir = createTempDir();
  const agent = await startTestAgent({ dataDir: dir.path });
  await agent.sync.settled();
  expect(agent.catalog.state.reader.node("vm1").value).toMatchObject(testNode);
  expect(agent.catalog.state.reader.nodeChecks("vm1").value).toMatchObject([
    { CheckID: "serfHealth", Name: "Serf Health Status", Status: "passing", Output: "Agent alive and reachable" },
  ]);
  await agent.stop();
});

test("a registration is in the catalog at once, each service with its checks in one write", async () => {
  using dir = createTempDir();
  const agent = await startTestAgent({ dataDir: dir.path });
  await agent.sync.settled();
  agent.catalog.writes.length = 0;
  await agent.registrar.registerService(service(web), byApi);
  await agent.sync.settled();
  expect(agent.catalog.writes.map(summary).toSorted()).toEqual([
    "register web [service:web]",
    "register web-sidecar-proxy [service:web-sidecar-proxy:1 service:web-sidecar-proxy:2]",
  ]);
  expect(servicesIn(agent.catalog)).toEqual(["web", "web-sidecar-proxy"]);
  await agent.stop();
});

test("the virtual address that servers give to a sidecar is no difference", async () => {
  using dir = createTempDir();
  const agent = await startTestAgent({ dataDir: dir.path });
  await agent.registrar.registerService(service(web), byApi);
  await agent.sync.settled();
  const [, sidecar] = agent.catalog.state.reader.nodeServices("vm1").value;
  expect(sidecar?.TaggedAddresses["consul-virtual"]).toEqual({ Address: "240.0.0.1", Port: sidecar?.Port ?? 0 });
  agent.catalog.writes.length = 0;
  await agent.clock.advance(fullSyncMs);
  await agent.sync.settled();
  expect(agent.catalog.writes).toEqual([]);
  await agent.stop();
});

test("a status change is written at once, alone", async () => {
  using dir = createTempDir();
  const agent = await startTestAgent({ dataDir: dir.path });
  await agent.registrar.registerService(service({ Name: "web", Check: { TTL: "1h" } }), byApi);
  await agent.sync.settled();
  agent.catalog.writes.length = 0;
  agent.heartbeat("service:web", "passing", "");
  await agent.sync.settled();
  expect(agent.catalog.writes.map(summary)).toEqual(["register - [service:web]"]);
  expect(checksIn(agent.catalog)["service:web"]).toBe("passing");
  await agent.stop();
});

test("an unchanged world is compared every minute or two and not written to", async () => {
  using dir = createTempDir();
  const agent = await startTestAgent({ dataDir: dir.path });
  await agent.registrar.registerService(service({ ...web, Check: { TTL: "3h" } }), byApi);
  await agent.sync.settled();
  agent.heartbeat("service:web", "passing", "");
  await agent.sync.settled();
  await agent.registrar.deregisterCheck("service:web-sidecar-proxy:1");
  await agent.sync.settled();
  agent.catalog.writes.length = 0;
  const before = agent.sync.status().lastFullSyncMs;
  await agent.clock.advance(10 * fullSyncMs);
  expect(agent.catalog.writes.map(summary)).toEqual([]);
  expect(agent.sync.status().lastFullSyncMs).toBeGreaterThan(before + 9 * fullSyncMs);
  await agent.stop();
});

test("what was changed, removed or added behind the agent's back is repaired by the next full sync", async () => {
  using dir = createTempDir();
  const agent = await startTestAgent({ dataDir: dir.path });
  await agent.registrar.registerService(service({ Name: "web", Port: 80, Check: { TTL: "1h" } }), byApi);
  await agent.registrar.registerService(service({ Name: "api" }), byApi);
  await agent.sync.settled();
  const { state } = agent.catalog;
  const at = (): number => state.reader.appliedIndex() + 1;
  const ghost = { ...state.reader.nodeServices("vm1").value[0], ID: "ghost", Service: "ghost" };
  const changed = state.reader.nodeServices("vm1").value.find((entry) => entry.ID === "web");
  if (changed === undefined) throw new Error("web is not in the catalog");
  const node = { ...testNode, Address: "10.9.9.9" };
  state.apply(at(), { type: "register", node, skipNodeUpdate: false, service: { ...changed, Port: 1 }, checks: [] });
  state.apply(at(), { type: "register", node, skipNodeUpdate: true, service: { ...changed, ...ghost }, checks: [] });
  state.apply(at(), { type: "deregister", node: "vm1", serviceId: "api" });
  state.apply(at(), { type: "deregister", node: "vm1", checkId: "service:web" });

  await agent.clock.advance(fullSyncMs);
  expect(servicesIn(agent.catalog)).toEqual(["api", "web"]);
  expect(state.reader.nodeServices("vm1").value.find((entry) => entry.ID === "web")?.Port).toBe(80);
  expect(checksIn(agent.catalog)).toEqual({ serfHealth: "passing", "service:web": "critical" });
  expect(state.reader.node("vm1").value?.Address).toBe("10.0.0.1");
  await agent.stop();
});

test("a place that somebody else gave the node and its service is taken back by the next full sync", async () => {
  using dir = createTempDir();
  const agent = await startTestAgent({ dataDir: dir.path });
  await agent.registrar.registerService(service({ Name: "web" }), byApi);
  await agent.sync.settled();
  const { state } = agent.catalog;
  const [web] = state.reader.nodeServices("vm1").value;
  if (web === undefined) throw new Error("web is not in the catalog");
  const Locality = { Region: "r1", Zone: "a" };
  const node = { ...testNode, Locality };
  const command = { type: "register", node, skipNodeUpdate: false, service: { ...web, Locality }, checks: [] } as const;
  state.apply(state.reader.appliedIndex() + 1, command);
  await agent.clock.advance(fullSyncMs);
  expect(state.reader.node("vm1").value?.Locality).toBeUndefined();
  expect(state.reader.nodeServices("vm1").value[0]?.Locality).toBeUndefined();
  await agent.stop();
});

test("what an earlier life of the agent left in the catalog is removed, the servers' own entry is not", async () => {
  using dir = createTempDir();
  const catalog = createFakeCatalog();
  for (const name of ["old", "consul"]) {
    const other = await startTestAgent({ dataDir: `${dir.path}/${name}`, catalog });
    await other.sync.settled();
    await other.registrar.registerService(service({ Name: name }), byApi);
    await other.sync.settled();
    await other.stop();
    if (name === "old") continue;
    const record = catalog.state.reader.nodeServices("vm1").value[0];
    if (record === undefined) throw new Error("consul is not in the catalog");
    const command = { type: "register", node: testNode, skipNodeUpdate: true, checks: [] } as const;
    const index = catalog.state.reader.appliedIndex() + 1;
    catalog.state.apply(index, { ...command, service: { ...record, ID: "old", Service: "old" } });
  }
  const agent = await startTestAgent({ dataDir: `${dir.path}/new`, catalog, isServer: true });
  await agent.sync.settled();
  expect(servicesIn(catalog)).toEqual(["consul"]);
  expect(checksIn(catalog)).toEqual({ serfHealth: "passing" });
  await agent.stop();
});

test("nothing is lost while no server answers, whatever happens meanwhile", async () => {
  using dir = createTempDir();
  const agent = await startTestAgent({ dataDir: dir.path });
  await agent.registrar.registerService(service({ Name: "leaving" }), byApi);
  await agent.sync.settled();
  agent.catalog.mode = "down";
  await agent.registrar.registerService(service(web), byApi);
  await agent.registrar.deregisterService("leaving");
  agent.heartbeat("service:web", "passing", "");
  await agent.sync.settled();
  await agent.clock.advance(600_000);
  expect(agent.sync.status()).toMatchObject({ isFailing: true });
  expect(servicesIn(agent.catalog)).toEqual(["leaving"]);
  const warnings = agent.runtime.lines.filter((line) => line.includes("they wait"));
  expect(warnings).toHaveLength(1);

  agent.catalog.mode = "up";
  await agent.clock.advance(15_000);
  expect(servicesIn(agent.catalog)).toEqual(["web", "web-sidecar-proxy"]);
  expect(checksIn(agent.catalog)["service:web"]).toBe("passing");
  expect(agent.sync.status()).toMatchObject({ isFailing: false, pendingEntries: 0 });
  await agent.stop();
});

test("a write whose answer was lost is done again, and a service that left meanwhile is removed", async () => {
  using dir = createTempDir();
  const agent = await startTestAgent({ dataDir: dir.path });
  await agent.sync.settled();
  agent.catalog.mode = "lost";
  await agent.registrar.registerService(service({ Name: "web" }), byApi);
  await agent.sync.settled();
  await agent.registrar.deregisterService("web");
  agent.catalog.mode = "up";
  await agent.clock.advance(15_000);
  expect(servicesIn(agent.catalog)).toEqual([]);
  await agent.stop();
});

test("what the servers refuse does not hold up the rest, and is tried again with the next full sync", async () => {
  using dir = createTempDir();
  const agent = await startTestAgent({ dataDir: dir.path });
  await agent.sync.settled();
  agent.catalog.refuse = (command) =>
    command.type === "register" && command.service?.ID === "bad" ? "not in this cluster" : undefined;
  await agent.registrar.registerService(service({ Name: "bad" }), byApi);
  await agent.registrar.registerService(service({ Name: "good" }), byApi);
  await agent.sync.settled();
  expect(servicesIn(agent.catalog)).toEqual(["good"]);
  expect(agent.runtime.lines.join("\n")).toContain('what="service bad" error="not in this cluster"');
  expect(await agent.runtime.metrics.getSingleMetricAsString("atoll_agent_sync_refused_total")).toContain("total 1");
  agent.catalog.refuse = () => undefined;
  await agent.clock.advance(fullSyncMs);
  expect(servicesIn(agent.catalog)).toEqual(["bad", "good"]);
  await agent.stop();
});

test("an output that changes alone is held back, and written once for all its changes", async () => {
  using dir = createTempDir();
  const agent = await startTestAgent({ dataDir: dir.path });
  await agent.registrar.registerService(service({ Name: "web", Check: { TTL: "1h" } }), byApi);
  agent.heartbeat("service:web", "passing", "0");
  await agent.sync.settled();
  agent.catalog.writes.length = 0;
  const output = (): unknown =>
    agent.catalog.state.reader.nodeChecks("vm1").value.find((entry) => entry.CheckID === "service:web")?.Output;
  for (let n = 1; n <= 14; n++) {
    agent.heartbeat("service:web", "passing", String(n));
    await agent.clock.advance(10_000);
  }
  expect(output()).toBe("0");
  expect(agent.catalog.writes).toEqual([]);
  await agent.clock.advance(310_000);
  expect(output()).toBe("14");
  expect(agent.catalog.writes.map(summary)).toEqual(["register - [service:web]"]);
  await agent.stop();
});

test("without a check update interval every output is written at once", async () => {
  using dir = createTempDir();
  const agent = await startTestAgent({ dataDir: dir.path, checkUpdateIntervalMs: 0 });
  await agent.registrar.registerCheck(check({ Name: "disk", TTL: "1h" }), { isPersisted: true });
  await agent.sync.settled();
  agent.heartbeat("disk", "critical", "full");
  await agent.sync.settled();
  expect(agent.catalog.state.reader.nodeChecks("vm1").value[0]).toMatchObject({ CheckID: "disk", Output: "full" });
  await agent.stop();
});

test("tags of a service that allows it are taken from the catalog, those of others are put right", async () => {
  using dir = createTempDir();
  const agent = await startTestAgent({ dataDir: dir.path });
  await agent.registrar.registerService(service({ Name: "free", Tags: ["a"], EnableTagOverride: true }), byApi);
  await agent.registrar.registerService(service({ Name: "fixed", Tags: ["a"] }), byApi);
  await agent.sync.settled();
  const { state } = agent.catalog;
  for (const record of state.reader.nodeServices("vm1").value) {
    const command = { type: "register", node: testNode, skipNodeUpdate: true, checks: [] } as const;
    state.apply(state.reader.appliedIndex() + 1, { ...command, service: { ...record, Tags: ["b"] } });
  }
  await agent.clock.advance(fullSyncMs);
  expect(agent.state.services().get("free")?.fields.Tags).toEqual(["b"]);
  expect(state.reader.nodeServices("vm1").value.map((record) => [record.ID, record.Tags])).toEqual([
    ["fixed", ["a"]],
    ["free", ["b"]],
  ]);
  await agent.stop();
});

test("stopping leaves no timer behind and takes nothing out of the catalog", async () => {
  using dir = createTempDir();
  const agent = await startTestAgent({ dataDir: dir.path });
  await agent.registrar.registerService(service(web), byApi);
  await agent.sync.settled();
  await agent.stop();
  expect(agent.clock.pendingTimers()).toBe(0);
  expect(servicesIn(agent.catalog)).toEqual(["web", "web-sidecar-proxy"]);
});
