import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { defaultPlacement } from "../../lib/contract/proxy-cluster.ts";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { LeafCertificate } from "../../agent/agent-api.ts";
import { type ProxyLaunch, type ProxySessions, startProxySessions } from "../../agent/proxy-sessions.ts";
import { systemProcesses } from "../../agent/proxies/processes.ts";
import type { ProxyStatus } from "../../agent/proxies/proxy-session.ts";
import type { Sidecar } from "../../agent/proxies/sidecar.ts";
import type { ServerLink } from "../../lib/client/server-link.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { ProxyConfig } from "../../lib/contract/proxy-config.ts";
import { type Topic, topicKey, type TopicValues } from "../../lib/contract/topics.ts";
import { eventually } from "../fakes/eventually.ts";
import { createTempDir, type TempDir } from "../fakes/temp-dir.ts";
import { createTestRuntime, type TestRuntime } from "../fakes/test-runtime.ts";
import { fakeProxyLaunch, isRunning, untilGone } from "./fake-proxy/launch.ts";
import { instance, intention, serviceConfig, sidecar, upstream } from "./sidecar-fixtures.ts";

/** The servers, with values that a test sets by hand. */
function createFakeServers() {
  const listeners = new Map<string, (value: never, index: number) => void>();
  const set = <K extends Topic["kind"]>(topic: Extract<Topic, { kind: K }>, value: TopicValues[K]): void => {
    // The listener under a topic's key takes values of that topic.
    (listeners.get(topicKey(topic)) as ((value: TopicValues[K], index: number) => void) | undefined)?.(value, 1);
  };
  const subscribe: ServerLink["subscribe"] = (topic, onValue) => {
    const key = topicKey(topic);
    if (listeners.has(key)) throw new Error(`${key} is subscribed twice`);
    listeners.set(key, onValue);
    return { close: () => void listeners.delete(key) };
  };
  const refuse = () => Promise.reject(new AtollError("UNAVAILABLE", "not in this test"));
  const link: ServerLink = {
    subscribe,
    write: refuse,
    nodeRegistrations: refuse,
    sign: refuse,
    forward: refuse,
    holdLease: () => ({ close: () => undefined }),
    addServer: refuse,
    status: () => ({ address: "", isConnected: true }),
    close: async () => undefined,
  };
  return { link, set, topics: () => [...listeners.keys()].toSorted() };
}

let dir: TempDir;
let runtime: TestRuntime;
let servers: ReturnType<typeof createFakeServers>;
let sessions: ProxySessions;
let leafListeners: Map<string, (leaf: LeafCertificate) => void>;
const pids = new Set<number>();

beforeEach(() => {
  dir = createTempDir();
  runtime = createTestRuntime();
  servers = createFakeServers();
  leafListeners = new Map();
});

afterEach(async () => {
  await sessions.stop({ endProxies: true, drainMs: 1 });
  for (const pid of pids) if (await isRunning(pid)) systemProcesses.kill(pid, "SIGKILL");
  pids.clear();
  applied.length = 0;
  dir[Symbol.dispose]();
});

/** Proxies that the sessions reported as having applied a configuration, in order. */
const applied: string[] = [];

/** The environment that processes are started with from now on. */
let launched: Record<string, string | undefined> = {};

async function start(sidecars: readonly Sidecar[], launch: ProxyLaunch = fakeProxyLaunch()): Promise<void> {
  launched = { ...launch.env };
  sessions = await startProxySessions({
    runtime,
    link: servers.link,
    leaves: {
      watch(service, onLeaf) {
        leafListeners.set(service, onLeaf);
        return { close: () => void leafListeners.delete(service) };
      },
    },
    dataDir: dir.path,
    temporaryDir: dir.path,
    userId: process.getuid?.() ?? 0,
    datacenter: "dc1",
    zone: "",
    admin: { bindAddress: "127.0.0.1", sidecarMinPort: 21_000, adminMinPort: 19_000 },
    launch: { ...launch, env: launched },
    sidecars,
    onApplied: (proxyId) => applied.push(proxyId),
  });
}

const trustDomain = "11111111-2222-3333-4444-555555555555.consul";

function leaf(serialNumber: string): LeafCertificate {
  return {
    service: "web",
    spiffeId: `spiffe://${trustDomain}/ns/default/dc/dc1/svc/web`,
    serialNumber,
    certPem: `certificate ${serialNumber}\n`,
    privateKeyPem: `key ${serialNumber}\n`,
    notBefore: "",
    notAfter: "",
    createIndex: 1,
    modifyIndex: 1,
  };
}

function setRoots(certPem = "root"): void {
  const root = {
    id: "r",
    name: "root",
    serialNumber: 1,
    signingKeyId: "",
    notBefore: "",
    notAfter: "",
    certPem,
    active: true,
    privateKeyType: "ec",
    privateKeyBits: 256,
    createIndex: 1,
    modifyIndex: 1,
  };
  servers.set({ kind: "ca-roots" }, { activeRootId: "r", trustDomain, roots: [root] });
}

/** Everything that web needs when it has no upstream. */
function setWorld(): void {
  setRoots();
  leafListeners.get("web")?.(leaf("0a:1"));
  servers.set({ kind: "intentions", destination: "web" }, { rules: [], defaultAction: "deny" });
  servers.set({ kind: "service-config", service: "web" }, serviceConfig({ service: "web" }));
}

const directory = (): string => join(dir.path, "proxies", "web-sidecar-proxy");

function received(): { version: number; config: ProxyConfig }[] {
  const path = join(directory(), "received.ndjson");
  const lines = existsSync(path) ? readFileSync(path, "utf8").trim().split("\n") : [];
  return lines.map((line) => JSON.parse(line)).filter((message) => message.type === "config");
}

async function until(what: string, holds: (status: ProxyStatus) => boolean): Promise<ProxyStatus> {
  return await eventually(what, () => {
    const [status] = sessions.status();
    if (status?.pid !== undefined) pids.add(status.pid);
    return status !== undefined && holds(status) ? status : undefined;
  });
}

test("a proxy gets its configuration when the last thing that it depends on is known", async () => {
  await start([sidecar({ proxy: { Upstreams: [upstream()] } })]);
  await until("the proxy's hello", (status) => status.isConnected);
  setWorld();
  servers.set({ kind: "service-config", service: "api" }, serviceConfig({ service: "api" }));
  expect(servers.topics()).toEqual([
    "ca-roots",
    "connect-endpoints/api",
    "intentions/web",
    "service-config/api",
    "service-config/web",
  ]);
  await Bun.sleep(120);
  expect(received()).toEqual([]);

  servers.set({ kind: "connect-endpoints", service: "api" }, []);
  const status = await until("the first version", ({ appliedVersion }) => appliedVersion === 1);
  expect(status).toMatchObject({ proxyId: "web-sidecar-proxy", service: "web", adminAddress: "127.0.0.1:19000" });
  expect(received().map(({ version, config }) => [version, config.outbound[0]?.endpoints])).toEqual([[1, []]]);

  servers.set({ kind: "connect-endpoints", service: "api" }, [instance("a")]);
  await until("the second version", ({ appliedVersion }) => appliedVersion === 2);
  expect(received()[1]?.config.outbound[0]?.endpoints).toEqual([
    { address: "10.0.0.1:21000", weight: 1, ...defaultPlacement },
  ]);
  expect(applied).toEqual(["web-sidecar-proxy", "web-sidecar-proxy"]);
});

test("changes that come together make one version, and no change makes none", async () => {
  await start([sidecar()]);
  setWorld();
  await until("the first version", ({ appliedVersion }) => appliedVersion === 1);
  const deny = { rules: [intention("a", "web", "deny")], defaultAction: "allow" } as const;
  const allow = { rules: [intention("a", "web", "allow")], defaultAction: "allow" } as const;
  for (const value of [deny, allow, deny]) servers.set({ kind: "intentions", destination: "web" }, value);
  await until("the second version", ({ appliedVersion }) => appliedVersion === 2);
  servers.set({ kind: "intentions", destination: "web" }, structuredClone(deny));
  servers.set({ kind: "service-config", service: "web" }, serviceConfig({ service: "web", protocol: "http" }));
  await until("the third version", ({ appliedVersion }) => appliedVersion === 3);
  expect(received().map(({ config }) => config.inbound[0]?.protocol)).toEqual(["tcp", "tcp", "http"]);
  expect(received()[1]?.config.inbound[0]?.intentions.rules).toEqual([
    { source: "spiffe://*/ns/default/dc/*/svc/a", action: "deny", dryRun: false },
  ]);
});

test("a renewed leaf comes in new files, and the old ones go when the proxy has taken them over", async () => {
  await start([sidecar()]);
  setWorld();
  await until("the first version", ({ appliedVersion }) => appliedVersion === 1);
  leafListeners.get("web")?.(leaf("0B:2"));
  await until("the second version", ({ appliedVersion }) => appliedVersion === 2);
  const identity = received()[1]?.config.identity;
  expect(readFileSync(identity?.certFile ?? "", "utf8")).toBe("certificate 0B:2\n");
  expect(readFileSync(identity?.keyFile ?? "", "utf8")).toBe("key 0B:2\n");
  expect(readFileSync(identity?.caFile ?? "", "utf8")).toBe("root\n");
  const certificates = (): string[] => readdirSync(directory()).filter((name) => /\.(crt|key)$/.test(name));
  await eventually("the old files' removal", () => certificates().length === 3);
  for (const name of certificates()) {
    expect(name).toMatch(/^(leaf-0b2-[0-9a-f]{16}\.(crt|key)|roots-[0-9a-f]{16}\.crt)$/);
    expect(statSync(join(directory(), name)).mode & 0o777).toBe(0o600);
  }
});

test("a configuration that the proxy rejects is offered again", async () => {
  await start([sidecar()], fakeProxyLaunch({ FAKE_PROXY_REJECT_UNTIL: "1" }));
  setWorld();
  const status = await until("an applied version", ({ appliedVersion }) => appliedVersion > 0);
  expect(status.appliedVersion).toBe(2);
  expect(runtime.lines.some((line) => line.includes('error="port 1 is in use"'))).toBe(true);
});

describe("after a restart of the agent", () => {
  test("the adopted proxy keeps what it has until everything is known, then gets a higher version", async () => {
    await start([sidecar()]);
    setWorld();
    const before = await until("the first version", ({ appliedVersion }) => appliedVersion === 1);
    await sessions.stop({ endProxies: false, drainMs: 1 });
    expect(await isRunning(before.pid ?? 0)).toBe(true);

    servers = createFakeServers();
    await start([sidecar()]);
    const adopted = await until("the adoption", (status) => status.isConnected);
    expect(adopted).toMatchObject({ pid: before.pid, version: 0 });
    expect(received()).toHaveLength(1);
    setWorld();
    await until("the next version", ({ appliedVersion }) => appliedVersion === 2);
    expect(received().map(({ version }) => version)).toEqual([1, 2]);
  });

  test("the proxy of a sidecar that is gone is ended and its keys removed", async () => {
    await start([sidecar()]);
    setWorld();
    const { pid = 0 } = await until("the first version", ({ appliedVersion }) => appliedVersion === 1);
    await sessions.stop({ endProxies: false, drainMs: 1 });
    await start([]);
    expect(await isRunning(pid)).toBe(false);
    expect(existsSync(directory())).toBe(false);
  });
});

describe("a proxy is replaced by a new process", () => {
  test("when it asks for that: the new one is configured first, then the old one ends", async () => {
    await start([sidecar()]);
    setWorld();
    const { pid = 0 } = await until("the first version", ({ appliedVersion }) => appliedVersion === 1);
    process.kill(pid, "SIGUSR2");
    const next = await until("another process", (status) => status.pid !== pid);
    expect(next).toMatchObject({ isConnected: true, version: 1, appliedVersion: 1 });
    expect(received()).toHaveLength(2);
    await untilGone(pid);
    leafListeners.get("web")?.(leaf("0d:4"));
    await until("the next version", ({ appliedVersion }) => appliedVersion === 2);
  });

  test("when its executable is not the agent's, after the agent has been upgraded", async () => {
    await start([sidecar()], fakeProxyLaunch({ FAKE_PROXY_REVISION: "old" }));
    setWorld();
    const { pid = 0 } = await until("the first version", ({ appliedVersion }) => appliedVersion === 1);
    await sessions.stop({ endProxies: false, drainMs: 1 });

    servers = createFakeServers();
    await start([sidecar()], fakeProxyLaunch({ FAKE_PROXY_REVISION: "new" }));
    await until("the adoption", (status) => status.isConnected && status.pid === pid);
    expect(await isRunning(pid)).toBe(true);
    setWorld();
    const next = await until("another process", (status) => status.pid !== pid && status.appliedVersion > 0);
    await untilGone(pid);
    expect(await isRunning(next.pid ?? 0)).toBe(true);
  });

  test("but goes on, and gets what is new, when the new one rejects its configuration", async () => {
    await start([sidecar()]);
    setWorld();
    const { pid = 0 } = await until("the first version", ({ appliedVersion }) => appliedVersion === 1);
    launched["FAKE_PROXY_REJECT_UNTIL"] = "9";
    process.kill(pid, "SIGUSR2");
    await eventually("the failure", () => runtime.lines.some((line) => line.includes("no new process has taken over")));
    leafListeners.get("web")?.(leaf("0e:5"));
    const status = await until("the next version", ({ appliedVersion }) => appliedVersion > 1);
    expect(status.pid).toBe(pid);
  });
});

describe("when registrations change", () => {
  test("topics follow, and those that are still needed are not interrupted", async () => {
    await start([sidecar({ proxy: { Upstreams: [upstream()] } })]);
    const other = sidecar({ ID: "db-proxy", Port: 21_001, proxy: { DestinationServiceName: "db" } });
    sessions.update([sidecar({ proxy: { Upstreams: [upstream({ DestinationName: "db" })] } }), other]);
    expect(servers.topics()).toEqual([
      "ca-roots",
      "connect-endpoints/db",
      "intentions/db",
      "intentions/web",
      "service-config/db",
      "service-config/web",
    ]);
    sessions.update([]);
    await eventually("the last subscription's end", () => servers.topics().length === 0);
    expect(leafListeners.size).toBe(0);
  });

  test("a sidecar that goes takes its proxy and files along, and may come back at once", async () => {
    await start([sidecar()]);
    setWorld();
    const { pid = 0 } = await until("the first version", ({ appliedVersion }) => appliedVersion === 1);
    sessions.update([]);
    sessions.update([sidecar()]);
    const next = await until("another process", (status) => status.isConnected && status.pid !== pid);
    expect(await isRunning(pid)).toBe(false);
    expect(next.appliedVersion).toBe(0);
    expect(received()).toEqual([]);
  });

  test("what cannot be honoured is logged once and the rest is served", async () => {
    await start([sidecar({ proxy: { Upstreams: [upstream({ DestinationType: "prepared_query" })] } })]);
    setWorld();
    servers.set({ kind: "service-config", service: "api" }, serviceConfig({ service: "api" }));
    servers.set({ kind: "connect-endpoints", service: "api" }, []);
    await until("the first version", ({ appliedVersion }) => appliedVersion === 1);
    leafListeners.get("web")?.(leaf("0c:3"));
    await until("the second version", ({ appliedVersion }) => appliedVersion === 2);
    expect(runtime.lines.filter((line) => line.includes("prepared queries"))).toHaveLength(1);
  });
});
