import { expect, test } from "bun:test";
import type { DeregisterCommand } from "../../lib/contract/commands.ts";
import { createTempDir } from "../fakes/temp-dir.ts";
import { createFakeCatalog, type FakeCatalog } from "./fake-catalog.ts";
import { byApi, check, service, startTestAgent, testNode } from "./test-registrations.ts";

const web = { Name: "web", Port: 80, Check: { TTL: "1h" } };
/** Longer than the longest time between two full syncs. */
const fullSyncMs = 121_000;

/** A catalog in which the agent of `vm1` holds its lease: without one, nothing is remembered of a removal. */
function createMemberCatalog(): FakeCatalog {
  const catalog = createFakeCatalog();
  const terms = { Class: "default", TtlMs: 8_000, ReapAfterMs: 3_600_000 } as const;
  const member = {
    Node: "vm1",
    ID: testNode.ID,
    Address: "10.0.0.1",
    Port: 0,
    Role: "node",
    Build: "1",
    ...terms,
  } as const;
  catalog.state.apply(5, { type: "members", atMs: 1, changes: [{ kind: "alive", member }] });
  return catalog;
}

function force(catalog: FakeCatalog, what: Pick<DeregisterCommand, "serviceId" | "checkId">): void {
  catalog.state.apply(catalog.state.reader.appliedIndex() + 1, {
    type: "deregister",
    node: "vm1",
    isForced: true,
    ...what,
  });
}

const servicesIn = (catalog: FakeCatalog) => catalog.state.reader.nodeServices("vm1").value.map(({ ID }) => ID);
const checksIn = (catalog: FakeCatalog) => catalog.state.reader.nodeChecks("vm1").value.map(({ CheckID }) => CheckID);

test("a service that an operator removed by force stays away, over a restart too, and is logged once", async () => {
  using dir = createTempDir();
  const catalog = createMemberCatalog();
  const agent = await startTestAgent({ dataDir: dir.path, catalog });
  await agent.registrar.registerService(service(web), byApi);
  await agent.sync.settled();
  expect(servicesIn(catalog)).toEqual(["web"]);
  force(catalog, { serviceId: "web" });
  await agent.clock.advance(2 * fullSyncMs);
  // Its check goes on running and has nothing to be written to.
  agent.heartbeat("service:web", "passing", "");
  await agent.sync.settled();
  expect(servicesIn(catalog)).toEqual([]);
  const told = agent.runtime.lines.filter((line) => line.includes("deregistered this by force"));
  expect(told).toHaveLength(1);
  expect(told[0]).toContain("id=web");
  expect(agent.runtime.lines.some((line) => line.includes("refuse a registration"))).toBe(false);
  expect(agent.state.services().has("web")).toBe(true);
  await agent.stop();

  const restarted = await startTestAgent({ dataDir: dir.path, catalog });
  await restarted.sync.settled();
  await restarted.clock.advance(fullSyncMs);
  expect(servicesIn(catalog)).toEqual([]);
  await restarted.stop();
});

test("it comes back when it is registered anew, with its checks", async () => {
  using dir = createTempDir();
  const catalog = createMemberCatalog();
  const agent = await startTestAgent({ dataDir: dir.path, catalog });
  await agent.registrar.registerService(service(web), byApi);
  await agent.sync.settled();
  force(catalog, { serviceId: "web" });
  await agent.clock.advance(fullSyncMs);
  expect(servicesIn(catalog)).toEqual([]);
  await agent.registrar.registerService(service(web), byApi);
  await agent.sync.settled();
  expect(servicesIn(catalog)).toEqual(["web"]);
  expect(checksIn(catalog).toSorted()).toEqual(["serfHealth", "service:web"]);
  await agent.clock.advance(fullSyncMs);
  expect(servicesIn(catalog)).toEqual(["web"]);
  await agent.stop();
});

test("it comes back by a registration that no server could take at first", async () => {
  using dir = createTempDir();
  const catalog = createMemberCatalog();
  const agent = await startTestAgent({ dataDir: dir.path, catalog });
  await agent.registrar.registerService(service(web), byApi);
  await agent.sync.settled();
  force(catalog, { serviceId: "web" });
  await agent.clock.advance(fullSyncMs);
  catalog.mode = "down";
  await agent.registrar.registerService(service(web), byApi);
  await agent.sync.settled();
  catalog.mode = "up";
  await agent.clock.advance(20_000);
  expect(servicesIn(catalog)).toEqual(["web"]);
  await agent.stop();
});

test("a check that was removed by force stays away, and the service's other ones are kept up", async () => {
  using dir = createTempDir();
  const catalog = createMemberCatalog();
  const agent = await startTestAgent({ dataDir: dir.path, catalog });
  await agent.registrar.registerService(service(web), byApi);
  await agent.registrar.registerCheck(check({ Name: "disk", TTL: "1h" }), { isPersisted: true });
  await agent.sync.settled();
  force(catalog, { checkId: "disk" });
  await agent.clock.advance(fullSyncMs);
  agent.heartbeat("disk", "passing", "");
  agent.heartbeat("service:web", "warning", "");
  await agent.sync.settled();
  expect(checksIn(catalog).toSorted()).toEqual(["serfHealth", "service:web"]);
  expect(catalog.state.reader.serviceChecks("web").value).toMatchObject([{ Status: "warning" }]);
  await agent.registrar.registerCheck(check({ Name: "disk", TTL: "1h" }), { isPersisted: true });
  await agent.sync.settled();
  expect(checksIn(catalog)).toContain("disk");
  await agent.stop();
});

test("what an agent holds says so in the catalog", async () => {
  using dir = createTempDir();
  const agent = await startTestAgent({ dataDir: dir.path });
  await agent.registrar.registerService(service(web), byApi);
  await agent.sync.settled();
  const { reader } = agent.catalog.state;
  expect(reader.nodeServices("vm1").value).toMatchObject([{ ID: "web", Owner: testNode.ID }]);
  expect(reader.serviceChecks("web").value).toMatchObject([{ CheckID: "service:web", Owner: testNode.ID }]);
  await agent.stop();
});

test("a node that the servers say is gone is brought back at once", async () => {
  using dir = createTempDir();
  const agent = await startTestAgent({ dataDir: dir.path });
  await agent.registrar.registerService(service(web), byApi);
  await agent.sync.settled();
  agent.catalog.state.apply(900, { type: "deregister", node: "vm1" });
  agent.sync.compareSoon();
  await agent.sync.settled();
  expect(servicesIn(agent.catalog)).toEqual(["web"]);
  await agent.stop();
});
