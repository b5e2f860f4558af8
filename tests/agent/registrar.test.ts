import { expect, test } from "bun:test";
import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createTempDir } from "../fakes/temp-dir.ts";
import { byApi, check, service, startTestAgent } from "./test-registrations.ts";

const web = { Name: "web", Port: 8080, Tags: ["v1"], Connect: { SidecarService: {} } };

function files(dataDir: string, folder: string): string[] {
  return readdirSync(join(dataDir, folder)).filter((name) => name.endsWith(".json"));
}

test("Connect.SidecarService becomes a service of its own, derived from its parent", async () => {
  using dir = createTempDir();
  const agent = await startTestAgent({ dataDir: dir.path });
  await agent.registrar.registerService(service(web), byApi);
  expect(agent.state.services().get("web-sidecar-proxy")?.fields).toMatchObject({
    Kind: "connect-proxy",
    ID: "web-sidecar-proxy",
    Service: "web-sidecar-proxy",
    Tags: ["v1"],
    Port: 21_000,
    Proxy: {
      DestinationServiceName: "web",
      DestinationServiceID: "web",
      LocalServiceAddress: "127.0.0.1",
      LocalServicePort: 8080,
    },
  });
  const checks = agent.state.checksOf("web-sidecar-proxy");
  expect(checks.map(({ definition }) => [definition.checkId, definition.name, definition.probe.type])).toEqual([
    ["service:web-sidecar-proxy:1", "Connect Sidecar Listening", "tcp"],
    ["service:web-sidecar-proxy:2", "Connect Sidecar Aliasing web", "alias"],
  ]);
  expect(checks[0]?.definition.probe).toMatchObject({ address: "10.0.0.1:21000", intervalMs: 10_000 });
  expect(agent.managedSidecars().map((sidecar) => sidecar.ID)).toEqual(["web-sidecar-proxy"]);
  await agent.stop();
});

test("a sidecar of a service without a port only makes calls and is not checked for listening", async () => {
  using dir = createTempDir();
  const agent = await startTestAgent({ dataDir: dir.path });
  const upstreams = [{ DestinationName: "db", LocalBindPort: 9191 }];
  const client = { Name: "job", Connect: { SidecarService: { Proxy: { Upstreams: upstreams } } } };
  await agent.registrar.registerService(service(client), byApi);
  const checks = agent.state.checksOf("job-sidecar-proxy").map(({ definition }) => definition);
  expect(checks).toMatchObject([{ checkId: "service:job-sidecar-proxy", probe: { type: "alias", service: "job" } }]);
  await agent.stop();
});

test("a sidecar keeps its port when it is registered again, and the lowest free one goes to the next", async () => {
  using dir = createTempDir();
  const agent = await startTestAgent({ dataDir: dir.path });
  const portOf = (id: string): number | undefined => agent.state.services().get(`${id}-sidecar-proxy`)?.fields.Port;
  for (const name of ["a", "b", "c"]) await agent.registrar.registerService(service({ ...web, Name: name }), byApi);
  await agent.registrar.deregisterService("a");
  await agent.registrar.registerService(service({ ...web, Name: "c" }), byApi);
  expect([portOf("b"), portOf("c")]).toEqual([21_001, 21_002]);
  await agent.registrar.registerService(service({ ...web, Name: "d" }), byApi);
  expect(portOf("d")).toBe(21_000);
  await agent.stop();
});

test("an exhausted port range refuses the whole registration", async () => {
  using dir = createTempDir();
  const agent = await startTestAgent({ dataDir: dir.path, sidecarPorts: { min: 30_000, max: 30_000 } });
  await agent.registrar.registerService(service({ ...web, Name: "a" }), byApi);
  const second = agent.registrar.registerService(service({ ...web, Name: "b" }), byApi);
  await expect(second).rejects.toThrow("none left in the configured sidecar port range 30000-30000");
  await agent.registrar.drained();
  expect([...agent.state.services().keys()]).toEqual(["a", "a-sidecar-proxy"]);
  expect(files(dir.path, "services")).toHaveLength(1);
  await agent.stop();
});

test("a proxy registered by hand may name a service that comes later, as in Consul", async () => {
  using dir = createTempDir();
  const agent = await startTestAgent({ dataDir: dir.path });
  const proxy = { DestinationServiceName: "later", DestinationServiceID: "later-1" };
  await agent.registrar.registerService(
    service({ Name: "p", Kind: "connect-proxy", Port: 1, Proxy: proxy, Check: { TTL: "1s" } }),
    byApi,
  );
  expect(agent.state.services().get("p")?.fields.Proxy).toMatchObject(proxy);
  expect(agent.managedSidecars()).toEqual([]);
  await agent.stop();
});

test("a registration that cannot be written is refused and leaves the one before as it was", async () => {
  using dir = createTempDir();
  const agent = await startTestAgent({ dataDir: dir.path });
  await agent.registrar.registerService(service(web), byApi);
  const [name = ""] = files(dir.path, "services");
  // A directory in the way of the temporary file: works for root as well, whom permissions do not stop.
  const blocker = join(dir.path, "services", `${name}.tmp`, "x");
  await Bun.write(blocker, "");
  const change = agent.registrar.registerService(service({ ...web, Port: 9_999 }), byApi);
  await expect(change).rejects.toThrow("cannot write");
  await agent.registrar.drained();
  expect(agent.state.services().get("web")?.fields.Port).toBe(8080);
  await agent.stop();
});

test("checks that are not named again stay, unless they shall be replaced", async () => {
  using dir = createTempDir();
  const agent = await startTestAgent({ dataDir: dir.path });
  const withChecks = (ids: string[]): object => ({
    Name: "web",
    Checks: ids.map((CheckID) => ({ CheckID, TTL: "1h" })),
  });
  const ids = (): string[] => agent.state.checksOf("web").map(({ definition }) => definition.checkId);
  await agent.registrar.registerService(service(withChecks(["a", "b"])), byApi);
  agent.heartbeat("b", "passing", "fine");
  await agent.registrar.registerService(service(withChecks(["b", "c"])), byApi);
  expect(ids().toSorted()).toEqual(["a", "b", "c"]);
  expect(agent.state.checks().get("b")?.fields).toMatchObject({ Status: "passing", Output: "fine" });
  await agent.registrar.registerService(service(withChecks(["c"])), { ...byApi, replaceExistingChecks: true });
  expect(ids()).toEqual(["c"]);
  await agent.stop();
});

test("deregistering a service removes its checks, its sidecar and their files", async () => {
  using dir = createTempDir();
  const agent = await startTestAgent({ dataDir: dir.path });
  await agent.registrar.registerService(service({ ...web, Check: { TTL: "1h" } }), byApi);
  await agent.registrar.registerCheck(check({ Name: "extra", ServiceID: "web", TTL: "1h" }), { isPersisted: true });
  await agent.registrar.deregisterService("web");
  expect([agent.state.services().size, agent.state.checks().size]).toEqual([0, 0]);
  expect([...files(dir.path, "services"), ...files(dir.path, "checks")]).toEqual([]);
  await expect(agent.registrar.deregisterService("web")).rejects.toThrow('Unknown service ID "web"');
  await agent.stop();
});

test("a service registered again without a sidecar loses the one it had", async () => {
  using dir = createTempDir();
  const agent = await startTestAgent({ dataDir: dir.path });
  const seen: string[][] = [];
  agent.onSidecarsChange((sidecars) => seen.push(sidecars.map((sidecar) => sidecar.ID)));
  await agent.registrar.registerService(service(web), byApi);
  await agent.registrar.registerService(service({ Name: "web", Port: 8080 }), byApi);
  expect([...agent.state.services().keys()]).toEqual(["web"]);
  expect(seen).toEqual([["web-sidecar-proxy"], []]);
  await agent.stop();
});

test("a check of an unknown service is refused, one of the node is not", async () => {
  using dir = createTempDir();
  const agent = await startTestAgent({ dataDir: dir.path });
  const orphan = agent.registrar.registerCheck(check({ Name: "c", ServiceID: "web", TTL: "1h" }), {
    isPersisted: true,
  });
  await expect(orphan).rejects.toThrow('ServiceID "web" does not exist');
  await agent.registrar.registerCheck(check({ Name: "disk", TTL: "1h" }), { isPersisted: true });
  expect(agent.state.checks().get("disk")?.fields).toMatchObject({ ServiceID: "", Status: "critical", Type: "ttl" });
  await agent.stop();
});

test("everything comes back after a restart: services, sidecar, port, checks and their status", async () => {
  using dir = createTempDir();
  const first = await startTestAgent({ dataDir: dir.path });
  await first.registrar.registerService(service({ ...web, Name: "other" }), byApi);
  await first.registrar.registerService(service({ ...web, Check: { TTL: "10s" } }), byApi);
  await first.registrar.registerCheck(check({ Name: "extra", ServiceID: "web", TTL: "10s" }), { isPersisted: true });
  await first.registrar.deregisterService("other");
  first.heartbeat("service:web", "passing", "alive");
  await first.clock.advance(4_000);
  await first.stop();

  const second = await startTestAgent({ dataDir: dir.path, clock: first.clock });
  expect([...second.state.services().keys()]).toEqual(["web", "web-sidecar-proxy"]);
  expect(second.state.services().get("web-sidecar-proxy")?.fields).toEqual(
    first.state.services().get("web-sidecar-proxy")?.fields,
  );
  expect(second.managedSidecars().map((sidecar) => sidecar.ID)).toEqual(["web-sidecar-proxy"]);
  expect(second.state.checks().get("extra")?.fields.ServiceID).toBe("web");
  const status = (): unknown => second.state.checks().get("service:web")?.fields;
  expect(status()).toMatchObject({ Status: "passing", Output: "alive" });
  await second.clock.advance(5_900);
  expect(status()).toMatchObject({ Status: "passing" });
  await second.clock.advance(200);
  expect(status()).toMatchObject({
    Status: "critical",
    Output: "TTL expired (last output before timeout follows): alive",
  });
  await second.stop();
});

test("files are for their owner alone, and a damaged one is named and leaves the others alone", async () => {
  using dir = createTempDir();
  const first = await startTestAgent({ dataDir: dir.path });
  await first.registrar.registerService(service({ Name: "web" }), byApi);
  await first.registrar.registerService(service({ Name: "api" }), byApi);
  await first.stop();
  const paths = files(dir.path, "services").map((name) => join(dir.path, "services", name));
  expect(paths.map((path) => statSync(path).mode & 0o777)).toEqual([0o600, 0o600]);
  const damaged = paths.find((path) => readFileSync(path, "utf8").includes('"web"')) ?? "";
  writeFileSync(damaged, '{ "version": 1,');

  const second = await startTestAgent({ dataDir: dir.path });
  expect([...second.state.services().keys()]).toEqual(["api"]);
  const line = second.runtime.lines.find((text) => text.includes("cannot be used"));
  expect(line).toContain(damaged);
  expect(line).toContain("line 1, column");
  expect(files(dir.path, "services")).toHaveLength(2);
  await second.stop();
  chmodSync(damaged, 0o600);
});

test("a file of another program's version is not guessed at", async () => {
  using dir = createTempDir();
  const first = await startTestAgent({ dataDir: dir.path });
  await first.registrar.registerService(service({ Name: "web" }), byApi);
  await first.stop();
  const [name = ""] = files(dir.path, "services");
  const path = join(dir.path, "services", name);
  writeFileSync(path, readFileSync(path, "utf8").replace('"version": 1', '"version": 2'));
  const second = await startTestAgent({ dataDir: dir.path });
  expect(second.state.services().size).toBe(0);
  expect(second.runtime.lines.join("\n")).toContain("version: must be");
  await second.stop();
});

test("services of the configuration are not saved, and one that does not fit stops the start", async () => {
  using dir = createTempDir();
  const configured = { services: [service(web)], checks: [check({ Name: "disk", TTL: "1h" })] };
  const agent = await startTestAgent({ dataDir: dir.path, configured });
  expect([...agent.state.services().keys()]).toEqual(["web", "web-sidecar-proxy"]);
  expect([...files(dir.path, "services"), ...files(dir.path, "checks")]).toEqual([]);
  await agent.stop();
  const tooMany = { services: [service({ ...web, Name: "a" }), service({ ...web, Name: "b" })], checks: [] };
  const start = startTestAgent({
    dataDir: dir.path,
    configured: tooMany,
    sidecarPorts: { min: 30_000, max: 30_000 },
  });
  await expect(start).rejects.toThrow('service "b" of the configuration: none left in the configured sidecar port');
});

test("an address of a service is also its LAN and WAN address, unless others are given", async () => {
  using dir = createTempDir();
  const agent = await startTestAgent({ dataDir: dir.path });
  const definition = {
    Name: "web",
    Address: "10.1.2.3",
    Port: 80,
    TaggedAddresses: { wan_ipv4: { address: "203.0.113.1", port: 8080 } },
  };
  await agent.registrar.registerService(service(definition), byApi);
  expect(agent.state.services().get("web")?.fields.TaggedAddresses).toEqual({
    lan_ipv4: { Address: "10.1.2.3", Port: 80 },
    wan_ipv4: { Address: "203.0.113.1", Port: 8080 },
  });
  await agent.stop();
});
