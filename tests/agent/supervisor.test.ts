import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type ProxySocket, startProxySocket } from "../../agent/proxy-socket.ts";
import { systemProcesses } from "../../agent/proxies/processes.ts";
import type { ProxyConnection } from "../../agent/proxies/proxy-connection.ts";
import { createProxySupervisor, type ProxySupervisor, type SupervisorTiming } from "../../agent/supervisor.ts";
import { eventually } from "../fakes/eventually.ts";
import { createTempDir, type TempDir } from "../fakes/temp-dir.ts";
import { createTestRuntime, type TestRuntime } from "../fakes/test-runtime.ts";
import { fakeProxyLaunch, isRunning, untilGone } from "./fake-proxy/launch.ts";

const proxyId = "web-sidecar-proxy";
const quick: SupervisorTiming = {
  minRestartDelayMs: 20,
  maxRestartDelayMs: 200,
  stableAfterMs: 60_000,
  adoptTimeoutMs: 5_000,
  takeoverTimeoutMs: 5_000,
  stopGraceMs: 300,
};

let dir: TempDir;
let socket: ProxySocket;
let runtime: TestRuntime;
let supervisor: ProxySupervisor;
let hellos: { readonly pid: number; readonly isOurs: boolean }[];
let connection: ProxyConnection | undefined;
const seenPids = new Set<number>();

beforeEach(async () => {
  dir = createTempDir();
  runtime = createTestRuntime();
  hellos = [];
  failures.length = 0;
  connection = undefined;
  socket = await startProxySocket({
    runtime,
    path: join(dir.path, "agent.sock"),
    events: {
      connected(candidate) {
        connection = candidate;
        seenPids.add(candidate.pid);
        hellos.push({ pid: candidate.pid, isOurs: supervisor.onHello(candidate) === "kept" });
      },
      applied: () => undefined,
      rejected: () => undefined,
      replaceAsked: () => undefined,
      disconnected(candidate) {
        if (connection === candidate) connection = undefined;
      },
    },
  });
});

afterEach(async () => {
  await supervisor.stop({ drainMs: 1, connection: undefined });
  for (const pid of seenPids) if (await isRunning(pid)) systemProcesses.kill(pid, "SIGKILL");
  seenPids.clear();
  await socket.stop();
  dir[Symbol.dispose]();
});

const directory = (): string => join(dir.path, "proxies", "web");
const pidFile = (): string => join(directory(), "proxy.pid");
const log = (): string => readFileSync(join(directory(), "proxy.log"), "utf8");

function create(
  options: { readonly misbehaviour?: Record<string, string>; readonly timing?: Partial<SupervisorTiming> } = {},
): ProxySupervisor {
  const launch = fakeProxyLaunch(options.misbehaviour);
  supervisor = createProxySupervisor({
    runtime,
    proxyId,
    directory: directory(),
    socketPath: socket.path,
    ...launch,
    timing: { ...quick, ...options.timing },
  });
  return supervisor;
}

async function startAndMeet(): Promise<number> {
  create().start();
  const { pid } = await eventually("hello", () => hellos.at(-1));
  return pid;
}

test("starts the proxy with its own log and pid file, readable by the owner only", async () => {
  const pid = await startAndMeet();
  expect(hellos).toEqual([{ pid, isOurs: true }]);
  expect(supervisor.pid()).toBe(pid);
  expect(readFileSync(pidFile(), "utf8")).toBe(`${pid}\n`);
  expect(log()).toBe(`fake proxy ${pid} proxy --agent-socket ${socket.path} --id ${proxyId}\n`);
  expect([pidFile(), join(directory(), "proxy.log")].map((path) => statSync(path).mode & 0o777)).toEqual([
    0o600, 0o600,
  ]);
  expect(statSync(directory()).mode & 0o777).toBe(0o700);
});

test("a proxy that ends is started again", async () => {
  const first = await startAndMeet();
  systemProcesses.kill(first, "SIGKILL");
  const second = await eventually("another hello", () => hellos.find((hello) => hello.pid !== first));
  expect(second.isOurs).toBe(true);
  expect(runtime.lines.some((line) => line.includes('reason="signal SIGKILL"'))).toBe(true);
});

test("a proxy that keeps crashing is started at growing intervals", async () => {
  create({ misbehaviour: { FAKE_PROXY_CRASH: "1" } }).start();
  const delays = (): number[] =>
    runtime.lines.flatMap((line) => {
      const delay = /reason="exit code 3" delayMs=(\d+)/.exec(line)?.[1];
      return delay === undefined ? [] : [Number(delay)];
    });
  await eventually("four crashes", () => delays().length >= 4);
  const ceilings = [20, 40, 80, 160];
  delays()
    .slice(0, 4)
    .forEach((delayMs, n) => {
      expect(delayMs).toBeGreaterThanOrEqual((ceilings[n] ?? 0) / 2);
      expect(delayMs).toBeLessThanOrEqual(ceilings[n] ?? 0);
    });
});

test("a program that cannot be started is tried again and said", async () => {
  supervisor = createProxySupervisor({
    runtime,
    proxyId,
    directory: directory(),
    socketPath: socket.path,
    program: ["/does/not/exist"],
    env: {},
    exitWithAgent: false,
    timing: quick,
  });
  supervisor.start();
  await eventually("two attempts", () => runtime.lines.filter((line) => line.includes("/does/not/exist")).length >= 2);
});

test("a released proxy lives on and the next supervisor adopts it", async () => {
  const pid = await startAndMeet();
  await supervisor.release();
  expect(await isRunning(pid)).toBe(true);
  const before = hellos.length;
  create().start();
  connection?.close();
  await eventually("the proxy's next hello", () => hellos.length > before);
  expect(hellos.at(-1)).toEqual({ pid, isOurs: true });
  expect(supervisor.pid()).toBe(pid);
  expect(log().match(/fake proxy/g)).toHaveLength(1);
});

test("an adopted proxy that ends is started again", async () => {
  const pid = await startAndMeet();
  await supervisor.release();
  create().start();
  connection?.close();
  await eventually("adoption", () => runtime.lines.some((line) => line.includes("adopted")));
  systemProcesses.kill(pid, "SIGKILL");
  const next = await eventually("a new process", () => hellos.find((hello) => hello.pid !== pid));
  expect(next.isOurs).toBe(true);
});

test("a live proxy whose pid file is gone is adopted when it says hello first", async () => {
  const pid = await startAndMeet();
  await supervisor.release();
  const other = await eventually("its connection", () => connection);
  writeFileSync(pidFile(), "not a number");
  create();
  expect(supervisor.onHello(other)).toBe("kept");
  supervisor.start();
  await eventually("the pid file", () => readFileSync(pidFile(), "utf8") === `${pid}\n`);
  expect(supervisor.pid()).toBe(pid);
  expect(log().match(/fake proxy/g)).toHaveLength(1);
});

test("a process that does not say hello is replaced", async () => {
  create({ misbehaviour: { FAKE_PROXY_MUTE: "1" } }).start();
  const mute = await eventually("the mute process", () => supervisor.pid());
  await eventually("its pid file", () => existsSync(pidFile()));
  await supervisor.release();
  create({ timing: { adoptTimeoutMs: 50 } }).start();
  const next = await eventually("another process's hello", () => hellos.at(-1));
  expect(next.pid).not.toBe(mute);
  expect(await isRunning(mute)).toBe(false);
});

test("a pid file that names a stranger's process leaves the stranger alone", async () => {
  mkdirSync(directory(), { recursive: true });
  writeFileSync(pidFile(), `${process.pid}\n`);
  const pid = await startAndMeet();
  expect(pid).not.toBe(process.pid);
  expect(supervisor.pid()).toBe(pid);
});

test("another process with the same id is told to stop", async () => {
  const pid = await startAndMeet();
  const { program, env } = fakeProxyLaunch();
  const [command = "", ...args] = program;
  const stranger = Bun.spawn({
    cmd: [command, ...args, "proxy", "--agent-socket", socket.path, "--id", proxyId],
    env: { ...env },
    cwd: dir.path,
  });
  seenPids.add(stranger.pid);
  expect(await stranger.exited).toBe(0);
  expect(hellos).toContainEqual({ pid: stranger.pid, isOurs: false });
  expect(supervisor.pid()).toBe(pid);
  expect(hellos.filter((hello) => hello.pid === pid)).toHaveLength(1);
});

/** Meets the proxy, asks for another one and waits until that has said hello. */
async function startSuccessor(): Promise<{ pid: number; first: ProxyConnection; second: ProxyConnection }> {
  const pid = await startAndMeet();
  const first = await eventually("the connection", () => connection);
  supervisor.replace(() => void failures.push("failed"));
  const second = await eventually("the successor", () => (connection?.pid === pid ? undefined : connection));
  return { pid, first, second };
}

const failures: string[] = [];

test("a successor is told whom it replaces, is not kept before it serves, and then its predecessor drains", async () => {
  const { pid, first, second } = await startSuccessor();
  expect(log()).toContain(
    `fake proxy ${second.pid} proxy --agent-socket ${socket.path} --id ${proxyId} --replace ${pid}\n`,
  );
  expect([supervisor.pid(), readFileSync(pidFile(), "utf8")]).toEqual([pid, `${pid}\n`]);
  expect(supervisor.onHello(second)).toBe("successor");
  supervisor.promote({ drainMs: 77, connection: first });
  expect(supervisor.pid()).toBe(second.pid);
  await untilGone(pid);
  expect(readFileSync(join(directory(), "received.ndjson"), "utf8")).toBe('{"type":"stop","drainMs":77}\n');
  await eventually("the pid file", () => readFileSync(pidFile(), "utf8") === `${second.pid}\n`);
  expect(await isRunning(second.pid)).toBe(true);
});

test("a successor that ends before it serves leaves everything as it was, and another can follow", async () => {
  const { pid, first, second } = await startSuccessor();
  systemProcesses.kill(second.pid, "SIGKILL");
  await eventually("the failure", () => failures.length === 1);
  expect([supervisor.pid(), supervisor.onHello(first)]).toEqual([pid, "kept"]);
  supervisor.replace(() => undefined);
  const third = await eventually("another successor", () => hellos.find((hello) => hello.pid > second.pid));
  expect(third.isOurs).toBe(false);
});

test("a successor takes over at once when the proxy ends before it", async () => {
  const { pid, second } = await startSuccessor();
  systemProcesses.kill(pid, "SIGKILL");
  await eventually("the succession", () => supervisor.pid() === second.pid);
  expect(hellos).toHaveLength(2);
});

test("a successor that takes too long is ended", async () => {
  create({ timing: { takeoverTimeoutMs: 30 } }).start();
  const { pid } = await eventually("hello", () => hellos.at(-1));
  supervisor.replace(() => void failures.push("failed"));
  await eventually("the failure", () => failures.length === 1);
  expect(supervisor.pid()).toBe(pid);
  expect(runtime.lines.some((line) => line.includes('reason="it took too long"'))).toBe(true);
});

test("stop asks the proxy to drain first and forgets it", async () => {
  const pid = await startAndMeet();
  await supervisor.stop({ drainMs: 1_234, connection });
  expect(await isRunning(pid)).toBe(false);
  expect(readFileSync(join(directory(), "received.ndjson"), "utf8")).toBe('{"type":"stop","drainMs":1234}\n');
  expect(existsSync(pidFile())).toBe(false);
});

test("stop ends a proxy that is not connected and one that does not listen", async () => {
  create({ misbehaviour: { FAKE_PROXY_DEAF: "1" } }).start();
  const { pid } = await eventually("hello", () => hellos.at(-1));
  await supervisor.stop({ drainMs: 50, connection });
  expect(await isRunning(pid)).toBe(false);
});

test("stop right after start leaves no process behind", async () => {
  create().start();
  await supervisor.stop({ drainMs: 1, connection: undefined });
  const pid = Number(/fake proxy (\d+)/.exec(existsSync(join(directory(), "proxy.log")) ? log() : "")?.[1] ?? 0);
  if (pid > 0) await untilGone(pid);
  expect(hellos).toEqual([]);
  expect(supervisor.pid()).toBeUndefined();
});
