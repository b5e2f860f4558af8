import { afterEach, expect, test } from "bun:test";
import { createServer } from "node:net";
import type { AtollError } from "../../lib/contract/error-codes.ts";
import { type Server, type ServerOptions, startServer } from "../../server/server.ts";
import { createTempDir } from "../fakes/temp-dir.ts";
import { createTestRuntime } from "../fakes/test-runtime.ts";
import { settle } from "../fakes/virtual-clock.ts";
import { checkFields, registerCommand, serviceFields, sidecarFields } from "./state/records.ts";

const running = new Set<Server>();
const fatal: AtollError[] = [];
const signal = new AbortController().signal;

afterEach(async () => {
  for (const server of running) await server.stop(1_000);
  running.clear();
  expect(fatal).toEqual([]);
});

async function start(dataDir: string, options: Partial<ServerOptions> = {}): Promise<Server> {
  const server = await startServer({
    datacenter: "dc1",
    dataDir,
    rpcHost: "127.0.0.1",
    rpcPort: 0,
    runtime: createTestRuntime({ seed: Math.floor(performance.now() * 1000) }),
    onFatal: (error) => fatal.push(error),
    ...options,
  });
  running.add(server);
  return server;
}

async function stop(server: Server): Promise<void> {
  running.delete(server);
  await server.stop(1_000);
}

test("a server leads once it has started, at its RPC address, and not after it has stopped", async () => {
  using temp = createTempDir();
  const server = await start(temp.path);
  const address = `127.0.0.1:${server.rpcAddress.port}`;
  expect(server.rpcAddress.port).toBeGreaterThan(0);
  expect(server.log.leadership()).toEqual({
    isLeader: true,
    leaderAddress: address,
    peers: [address],
    lastContactMs: 0,
  });
  expect(server.link.status()).toEqual({ address, isConnected: true });
  await stop(server);
  expect(server.log.leadership().isLeader).toBe(false);
  await expect(server.link.write(registerCommand("n1"), signal)).rejects.toMatchObject({ code: "UNAVAILABLE" });
});

test("a restart keeps catalog, cluster, roots and join token", async () => {
  using temp = createTempDir();
  const first = await start(temp.path);
  const { index } = await first.link.write(registerCommand("n1", { service: serviceFields("web") }), signal);
  const before = { clusterId: first.clusterId, token: first.joinToken, roots: first.reader.caRoots().value };
  await stop(first);
  const second = await start(temp.path);
  expect({ clusterId: second.clusterId, token: second.joinToken, roots: second.reader.caRoots().value }).toEqual(
    before,
  );
  expect(second.reader.serviceInstances("web")).toMatchObject({ index, value: [{ Node: { Node: "n1" } }] });
});

test("the trust domain is named after the log's cluster", async () => {
  using temp = createTempDir();
  const clusterId = "0a0a0a0a-1111-4222-8333-444444444444";
  const server = await start(temp.path, { clusterId });
  expect(String(server.clusterId)).toBe(clusterId);
  expect(server.reader.caRoots().value.trustDomain).toBe(`${clusterId}.consul`);
});

const refusals: { what: string; options: Partial<ServerOptions>; code: string }[] = [
  { what: "of another datacenter", options: { datacenter: "dc2" }, code: "WRONG_CLUSTER" },
  {
    what: "of another cluster",
    options: { clusterId: "0a0a0a0a-1111-4222-8333-444444444444" },
    code: "WRONG_CLUSTER",
  },
  { what: "configured with a cluster id that is no UUID", options: { clusterId: "mine" }, code: "CONFIG_INVALID" },
];
for (const { what, options, code } of refusals) {
  test(`a data directory ${what} is refused and stays as it was`, async () => {
    using temp = createTempDir();
    const first = await start(temp.path);
    const { clusterId } = first;
    await stop(first);
    await expect(start(temp.path, options)).rejects.toMatchObject({ code });
    expect((await start(temp.path)).clusterId).toBe(clusterId);
  });
}

test("a data directory that a running server holds is refused, and that server goes on", async () => {
  using temp = createTempDir();
  const server = await start(temp.path);
  await expect(start(temp.path)).rejects.toMatchObject({ code: "DATA_DIR_LOCKED" });
  expect((await server.link.write(registerCommand("n1"), signal)).index).toBeGreaterThan(1);
});

test("an RPC port in use is refused, and the data directory is free again", async () => {
  using temp = createTempDir();
  const holder = createServer();
  const port = await new Promise<number>((resolve) => {
    holder.listen(0, "127.0.0.1", () => {
      const address = holder.address();
      resolve(typeof address === "object" && address !== null ? address.port : 0);
    });
  });
  try {
    const refused = start(temp.path, { rpcPort: port });
    await expect(refused).rejects.toMatchObject({ code: "ADDRESS_IN_USE" });
    await expect(refused).rejects.toThrow(`127.0.0.1:${port}`);
  } finally {
    await new Promise((resolve) => holder.close(resolve));
  }
  await start(temp.path);
});

test("the link writes, and names what the state refuses", async () => {
  using temp = createTempDir();
  const { link, reader } = await start(temp.path);
  const checks = [checkFields("n1", "serfHealth"), checkFields("n1", "up", { ServiceID: "web" })];
  const { index } = await link.write(registerCommand("n1", { service: serviceFields("web"), checks }), signal);
  expect(await link.nodeRegistrations("n1", signal)).toMatchObject({
    nodeIndex: index,
    node: { Node: "n1" },
    services: [{ ID: "web" }],
    checks: [{ CheckID: "serfHealth" }, { CheckID: "up" }],
  });
  expect(await link.nodeRegistrations("n2", signal)).toEqual({ nodeIndex: 1, services: [], checks: [] });
  const bad = registerCommand("n1", { checks: [checkFields("n1", "x", { ServiceID: "nothing" })] });
  await expect(link.write(bad, signal)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  expect(reader.nodeChecks("n1").value).toHaveLength(2);
});

test("the link pushes topics until it is closed", async () => {
  using temp = createTempDir();
  const { link } = await start(temp.path);
  const seen: number[] = [];
  link.subscribe({ kind: "connect-endpoints", service: "web" }, (value) => seen.push(value.length));
  await settle();
  await link.write(registerCommand("n1", { service: sidecarFields("web") }), signal);
  expect(seen).toEqual([0, 1]);
  await link.close();
  await link.write(registerCommand("n2", { service: sidecarFields("web") }), signal);
  expect(seen).toEqual([0, 1]);
});

test("a blocked read of a running server wakes with a write", async () => {
  using temp = createTempDir();
  const { link, blocking, reader } = await start(temp.path);
  const minIndex = reader.serviceInstances("web").index;
  const read = blocking.read((state) => state.serviceInstances("web"), { minIndex, waitMs: 60_000 });
  const { index } = await link.write(registerCommand("n1", { service: serviceFields("web") }), signal);
  expect(await read).toMatchObject({ index, value: [{ Service: { ID: "web" } }] });
});

test("forwarded requests reach the handler that was set, and say so before there is one", async () => {
  using temp = createTempDir();
  const server = await start(temp.path);
  const request = { method: "GET", url: "/v1/status/leader", headers: {}, body: new Uint8Array() };
  await expect(server.link.forward(request, signal)).rejects.toMatchObject({ code: "UNAVAILABLE" });
  server.setForwardHandler(async ({ url }) => ({ status: 200, headers: { url }, body: new Uint8Array() }));
  expect(await server.link.forward(request, signal)).toMatchObject({ status: 200, headers: { url: request.url } });
});

test("nothing that a server logs holds its authority's key or its join token", async () => {
  using temp = createTempDir();
  const runtime = createTestRuntime();
  const server = await start(temp.path, { runtime });
  const log = runtime.lines.join("\n");
  expect(log).toContain("log opened");
  expect(log).not.toContain("PRIVATE KEY");
  expect(log).not.toContain(server.joinToken);
});
