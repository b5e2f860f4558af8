import { afterEach, describe, expect, test } from "bun:test";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { createLeafManager } from "../../../agent/identity/leaf-manager.ts";
import { createRootWatch } from "../../../agent/identity/root-watch.ts";
import type { LeafCertificate } from "../../../agent/agent-api.ts";
import { AtollError } from "../../../lib/contract/error-codes.ts";
import { isIssuedBy } from "../../../lib/x509/certificate.ts";
import { createTestRuntime } from "../../fakes/test-runtime.ts";
import { createVirtualClock } from "../../fakes/virtual-clock.ts";
import { createFakeServers } from "./fake-servers.ts";

const hourMs = 3_600_000;
const now = { minIndex: 0, waitMs: 0, signal: new AbortController().signal };
const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

function start(options: { readonly leafTtlMs?: number; readonly seed?: number } = {}) {
  const clock = createVirtualClock(Date.parse("2030-01-01T00:00:00Z"));
  const runtime = createTestRuntime({ clock, seed: options.seed ?? 1 });
  const servers = createFakeServers({ runtime, leafTtlMs: options.leafTtlMs ?? 24 * hourMs });
  const roots = createRootWatch({ link: servers.link, runtime });
  const manager = createLeafManager({ link: servers.link, roots, datacenter: "dc1", runtime });
  closers.push(
    () => manager.close(),
    () => roots.close(),
  );
  const metric = async (name: string) => (await runtime.metrics.getSingleMetric(name)?.get())?.values[0]?.value;
  return { clock, runtime, servers, roots, manager, metric };
}

describe("the first leaf of a service", () => {
  test("is made on asking, with a key of its own and the service's SPIFFE id", async () => {
    const { manager, servers } = start();
    const { value, index } = await manager.leaf("web", now);
    expect(value.spiffeId).toBe(`spiffe://${servers.authority().trustDomain}/ns/default/dc/dc1/svc/web`);
    const certificate = new X509Certificate(value.certPem);
    expect(certificate.checkPrivateKey(createPrivateKey(value.privateKeyPem))).toBe(true);
    expect(isIssuedBy(certificate, new X509Certificate(servers.authority().rootPem))).toBe(true);
    expect(index).toBe(value.modifyIndex);
  });

  test("is signed once for callers who ask at the same time, and kept for later ones", async () => {
    const { manager, servers } = start();
    const leaves = await Promise.all([manager.leaf("web", now), manager.leaf("web", now), manager.leaf("db", now)]);
    await manager.leaf("web", now);
    expect(servers.signed).toHaveLength(2);
    expect(leaves[0]).toEqual(leaves[1]);
    expect(leaves[2].value.service).toBe("db");
  });

  test("of a name that no certificate can carry is refused", async () => {
    const { manager } = start();
    for (const name of ["", "..", "a/b", "a b", "a\0b", "a".repeat(256)]) {
      await expect(manager.leaf(name, now)).rejects.toThrow("Invalid service name");
    }
  });

  test("rejects with the server's error, and the next caller gets a new attempt", async () => {
    const { manager, servers } = start();
    servers.failWith(new AtollError("RATE_LIMITED", "Rate limit reached, try again later"));
    await expect(manager.leaf("web", now)).rejects.toThrow("Rate limit reached, try again later");
    servers.failWith(undefined);
    expect((await manager.leaf("web", now)).value.service).toBe("web");
  });
});

describe("renewal", () => {
  test("comes between 50 and 70 % of the life, at another point for another leaf", async () => {
    const points: number[] = [];
    for (const seed of [1, 2, 3, 4, 5]) {
      const { manager, servers, clock } = start({ seed });
      const begin = clock.nowMs();
      manager.watch("web", () => points.push((clock.nowMs() - begin) / (24 * hourMs)));
      await clock.advance(24 * hourMs * 0.72);
      expect(servers.signed).toHaveLength(2);
    }
    const renewals = points.filter((point) => point > 0);
    expect(Math.min(...renewals)).toBeGreaterThanOrEqual(0.499);
    expect(Math.max(...renewals)).toBeLessThanOrEqual(0.701);
    expect(new Set(renewals).size).toBe(5);
  });

  test("goes on for a hundred short lives, and every leaf is valid when it is handed out", async () => {
    const { manager, clock } = start({ leafTtlMs: hourMs });
    const seen: LeafCertificate[] = [];
    manager.watch("web", (leaf) => {
      expect(Date.parse(leaf.notBefore)).toBeLessThan(clock.nowMs());
      expect(Date.parse(leaf.notAfter)).toBeGreaterThan(clock.nowMs() + hourMs * 0.9);
      seen.push(leaf);
    });
    await clock.advance(100 * hourMs);
    expect(seen.length).toBeGreaterThan(100 / 0.72);
    expect(new Set(seen.map((leaf) => leaf.privateKeyPem)).size).toBe(seen.length);
    expect(seen.map((leaf) => leaf.modifyIndex)).toEqual(
      seen.map((leaf) => leaf.modifyIndex).toSorted((a, b) => a - b),
    );
  });

  test("is tried again with growing delays, alarmed when little is left, and heals", async () => {
    const { manager, servers, clock, runtime, metric } = start();
    const seen: LeafCertificate[] = [];
    manager.watch("web", (leaf) => seen.push(leaf));
    await clock.advance(0);
    servers.failWith(new AtollError("UNAVAILABLE", "no server answers"));
    await clock.advance(24 * hourMs * 0.79);
    expect(runtime.lines.join("\n")).toContain('could not be issued: certificate="service web"');
    expect(await metric("atoll_agent_leaf_expiring")).toBe(0);
    await clock.advance(24 * hourMs * 0.02);
    const alarms = () => runtime.lines.filter((line) => line.includes("[ERROR]") && line.includes("about to expire"));
    expect(alarms()).toHaveLength(1);
    expect(alarms()[0]).toContain('certificate="service web" remainingSeconds=');
    expect(await metric("atoll_agent_leaf_expiring")).toBe(1);
    servers.failWith(undefined);
    await clock.advance(120_000);
    expect(seen).toHaveLength(2);
    expect(await metric("atoll_agent_leaf_expiring")).toBe(0);
    expect(await metric("atoll_agent_leaf_min_remaining_seconds")).toBeGreaterThan(23 * 3600);
  });

  test("does not flood a server that refuses", async () => {
    const { manager, servers, clock, metric } = start();
    servers.failWith(new AtollError("RATE_LIMITED", "Rate limit reached, try again later"));
    manager.watch("web", () => undefined);
    await clock.advance(10 * 60_000);
    const tries = await metric("atoll_agent_leaf_signatures_total");
    expect(tries).toBeGreaterThan(9);
    expect(tries).toBeLessThan(40);
  });

  test("stops for a service that nobody has asked for since a whole life, and starts again on asking", async () => {
    const { manager, servers, clock } = start();
    await manager.leaf("web", now);
    await clock.advance(24 * hourMs * 5);
    const count = servers.signed.length;
    expect(count).toBeLessThan(4);
    await clock.advance(24 * hourMs * 5);
    expect(servers.signed).toHaveLength(count);
    const { value } = await manager.leaf("web", now);
    expect(Date.parse(value.notAfter)).toBeGreaterThan(clock.nowMs());
  });

  test("does not run in circles on a host whose clock is a day ahead of the servers'", async () => {
    const { runtime, clock } = start();
    const behind = { ...runtime, clock: { ...clock, nowMs: () => clock.nowMs() - 20 * hourMs } };
    const servers = createFakeServers({ runtime: behind, leafTtlMs: 24 * hourMs });
    const roots = createRootWatch({ link: servers.link, runtime });
    const other = createTestRuntime({ clock });
    const manager = createLeafManager({ link: servers.link, roots, datacenter: "dc1", runtime: other });
    closers.push(
      () => manager.close(),
      () => roots.close(),
    );
    manager.watch("web", () => undefined);
    await clock.advance(24 * hourMs);
    expect(servers.signed.length).toBeLessThan(25);
  });
});

describe("a blocking read", () => {
  test("waits past its index until the renewal", async () => {
    const { manager, clock } = start();
    const first = await manager.leaf("web", now);
    let second: typeof first | undefined;
    const blocked = manager.leaf("web", { ...now, minIndex: first.index, waitMs: 30 * hourMs }).then((leaf) => {
      second = leaf;
    });
    await clock.advance(hourMs);
    expect(second).toBeUndefined();
    await clock.advance(17 * hourMs);
    await blocked;
    expect(second?.index).toBeGreaterThan(first.index);
    expect(second?.value.serialNumber).not.toBe(first.value.serialNumber);
  });

  test("answers the old leaf when its time is over or the caller goes away", async () => {
    const { manager, clock } = start();
    const first = await manager.leaf("web", now);
    const blocked = manager.leaf("web", { ...now, minIndex: first.index, waitMs: 5_000 });
    await clock.advance(5_000);
    // The first one was made for whoever asked.
    expect(first.isCached).toBe(false);
    expect(await blocked).toEqual({ ...first, isCached: true });
    const caller = new AbortController();
    const abandoned = manager.leaf("web", { minIndex: first.index, waitMs: hourMs, signal: caller.signal });
    caller.abort();
    expect(await abandoned).toEqual({ ...first, isCached: true });
  });
});

test("a new root makes every leaf new within the spread, and no other change does", async () => {
  const { manager, servers, clock, roots } = start();
  const seen: LeafCertificate[] = [];
  for (const service of ["web", "api", "db"]) manager.watch(service, (leaf) => seen.push(leaf));
  await clock.advance(0);
  expect(seen).toHaveLength(3);
  servers.rotate();
  await clock.advance(30_000);
  expect(seen).toHaveLength(6);
  const root = new X509Certificate(servers.authority().rootPem);
  expect(seen.slice(3).every((leaf) => isIssuedBy(new X509Certificate(leaf.certPem), root))).toBe(true);
  expect(roots.current()?.value.roots[0]?.certPem).toBe(servers.authority().rootPem);
  await clock.advance(hourMs);
  expect(seen).toHaveLength(6);
});

test("without any server a read says so after ten seconds, and a watcher gets its leaf when one comes", async () => {
  const clock = createVirtualClock(Date.parse("2030-01-01T00:00:00Z"));
  const runtime = createTestRuntime({ clock });
  const servers = createFakeServers({ runtime, leafTtlMs: hourMs });
  let connect = (): unknown => undefined;
  const link: typeof servers.link = {
    sign: servers.link.sign,
    subscribe(topic, onValue) {
      connect = () => servers.link.subscribe(topic, onValue);
      return { close: () => undefined };
    },
  };
  const roots = createRootWatch({ link, runtime });
  const manager = createLeafManager({ link, roots, datacenter: "dc1", runtime });
  const seen: LeafCertificate[] = [];
  manager.watch("web", (leaf) => seen.push(leaf));
  const read = manager.leaf("web", now).catch((error: unknown) => error);
  await clock.advance(10_000);
  expect(await read).toMatchObject({ code: "UNAVAILABLE" });
  connect();
  await clock.advance(5_000);
  expect(seen).toHaveLength(1);
  manager.close();
  roots.close();
  expect(clock.pendingTimers()).toBe(0);
});

test("after close no timer is left and nothing is signed any more", async () => {
  const { manager, servers, clock } = start();
  manager.watch("web", () => undefined);
  await clock.advance(0);
  manager.close();
  expect(clock.pendingTimers()).toBe(0);
  await clock.advance(100 * hourMs);
  expect(servers.signed).toHaveLength(1);
  await expect(manager.leaf("web", now)).rejects.toThrow("the agent is stopping");
});
