import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { statSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { type ProxySocket, startProxySocket } from "../../agent/proxy-socket.ts";
import type { ProxyConnection } from "../../agent/proxies/proxy-connection.ts";
import { chooseSocketPath } from "../../agent/proxies/socket-path.ts";
import type { AgentToProxy } from "../../lib/contract/agent-socket.ts";
import { defaultProxyLimits } from "../../lib/contract/proxy-limits.ts";
import { defaultTelemetry } from "../../lib/contract/proxy-telemetry.ts";
import { eventually } from "../fakes/eventually.ts";
import { createTempDir, type TempDir } from "../fakes/temp-dir.ts";
import { createTestRuntime } from "../fakes/test-runtime.ts";

let dir: TempDir;
let socket: ProxySocket;
let connections: ProxyConnection[];
let events: string[];
const clients: Socket[] = [];

beforeEach(async () => {
  dir = createTempDir();
  connections = [];
  events = [];
  socket = await startSocket(60_000);
});

function startSocket(helloTimeoutMs: number): Promise<ProxySocket> {
  return startProxySocket({
    runtime: createTestRuntime(),
    path: join(dir.path, `agent-${helloTimeoutMs}.sock`),
    helloTimeoutMs,
    events: {
      connected(connection) {
        connections.push(connection);
        events.push(`connected ${connection.proxyId} ${connection.pid} ${connection.version}`);
      },
      applied: (connection, version) => void events.push(`applied ${connection.proxyId} ${version}`),
      rejected: (connection, version, message) =>
        void events.push(`rejected ${connection.proxyId} ${version} ${message}`),
      replaceAsked: (connection) => void events.push(`replace ${connection.proxyId} ${connection.pid}`),
      disconnected: (connection) => void events.push(`disconnected ${connection.proxyId} ${connection.pid}`),
    },
  });
}

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await socket.stop();
  dir[Symbol.dispose]();
});

interface Client {
  readonly raw: Socket;
  readonly messages: unknown[];
  isClosed: boolean;
  say(...messages: unknown[]): void;
}

function dial(): Client {
  const raw = connect(socket.path);
  clients.push(raw);
  let text = "";
  const client: Client = {
    raw,
    messages: [],
    isClosed: false,
    say: (...messages) => void raw.write(messages.map((message) => `${JSON.stringify(message)}\n`).join("")),
  };
  raw.on("data", (chunk) => {
    text += chunk.toString();
    const lines = text.split("\n");
    text = lines.pop() ?? "";
    client.messages.push(...lines.map((line): unknown => JSON.parse(line)));
  });
  raw.on("error", () => undefined);
  raw.on("close", () => {
    client.isClosed = true;
  });
  return client;
}

const hello = (pid: number, version = 0) => ({ type: "hello", proxyId: "web-sidecar-proxy", pid, version });
const stopMessage: AgentToProxy = { type: "stop", drainMs: 5 };

test("only the owner can open the socket", () => {
  expect(statSync(socket.path).mode & 0o777).toBe(0o600);
});

test("hello, applied and rejected reach the events with the proxy's id", async () => {
  dial().say(
    hello(41, 7),
    { type: "applied", version: 8 },
    { type: "rejected", version: 9, message: "port 1 is in use" },
  );
  await eventually("three events", () => events.length === 3);
  expect(events).toEqual([
    "connected web-sidecar-proxy 41 7",
    "applied web-sidecar-proxy 8",
    "rejected web-sidecar-proxy 9 port 1 is in use",
  ]);
  expect(socket.connection("web-sidecar-proxy")?.pid).toBe(41);
});

test("a message that arrives in single bytes is one message", async () => {
  const client = dial();
  for (const byte of Buffer.from(`${JSON.stringify({ ...hello(41), proxyId: "wéb" })}\n`)) {
    client.raw.write(Buffer.from([byte]));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await eventually("hello", () => events.length === 1);
  expect(events).toEqual(["connected wéb 41 0"]);
});

test("what is sent arrives as one line each", async () => {
  const client = dial();
  client.say(hello(41));
  const connection = await eventually("a connection", () => connections[0]);
  connection.send(stopMessage);
  await eventually("the message", () => client.messages.length === 1);
  expect(client.messages).toEqual([stopMessage]);
});

test("a process that connects a second time loses its first connection", async () => {
  const older = dial();
  older.say(hello(41));
  await eventually("the first", () => events.length === 1);
  dial().say(hello(41, 3));
  await eventually("the older connection's end", () => older.isClosed && events.length === 3);
  expect(events).toEqual([
    "connected web-sidecar-proxy 41 0",
    "connected web-sidecar-proxy 41 3",
    "disconnected web-sidecar-proxy 41",
  ]);
  expect(socket.connection("web-sidecar-proxy")?.version).toBe(3);
});

test("a proxy and the process that takes over from it are connected side by side", async () => {
  const older = dial();
  older.say(hello(41));
  await eventually("the first", () => events.length === 1);
  dial().say(hello(42), { type: "applied", version: 1 });
  await eventually("the second", () => events.length === 3);
  older.say({ type: "replace" });
  await eventually("the wish", () => events.length === 4);
  expect(events.slice(2)).toEqual(["applied web-sidecar-proxy 1", "replace web-sidecar-proxy 41"]);
  expect(socket.connection("web-sidecar-proxy")?.pid).toBe(42);
});

describe("a connection is closed", () => {
  test.each([
    ["it sends something that is not JSON", "GET / HTTP/1.1\r\n\r\n"],
    ["its first message is not hello", '{"type":"applied","version":1}\n'],
    ["hello lacks the process id", '{"type":"hello","proxyId":"web","version":0}\n'],
    ["a line never ends", "x".repeat(1024 * 1024 + 1)],
  ])("when %s", async (_what, text) => {
    const client = dial();
    client.raw.write(text);
    await eventually("its end", () => client.isClosed);
    expect(events).toEqual([]);
  });

  test("when it says nothing", async () => {
    await socket.stop();
    socket = await startSocket(20);
    const client = dial();
    await eventually("its end", () => client.isClosed);
    expect(events).toEqual([]);
  });
});

test("a proxy that does not read gets only the newest configuration of those that waited", async () => {
  const client = dial();
  client.say(hello(41));
  const connection = await eventually("a connection", () => connections[0]);
  client.raw.pause();
  const limits = defaultProxyLimits;
  const filler = "x".repeat(512 * 1024);
  for (let version = 1; version <= 100; version++) {
    const admin = { listen: filler };
    const identity = { certFile: "c", keyFile: "k", caFile: "r" };
    const telemetry = defaultTelemetry;
    const config = {
      schemaVersion: 1,
      identity,
      inbound: [],
      outbound: [],
      admin,
      limits,
      telemetry,
      drainTimeoutMs: 1,
      workers: 1,
    };
    connection.send({ type: "config", version, config });
  }
  client.raw.resume();
  const versions = (): unknown[] =>
    client.messages.map((message) =>
      typeof message === "object" && message && "version" in message ? message.version : 0,
    );
  await eventually("the newest version", () => versions().includes(100));
  expect(versions().length).toBeLessThan(20);
});

test("a socket file left by a killed agent is replaced, one that answers is not", async () => {
  const path = join(dir.path, "other.sock");
  writeFileSync(path, "");
  const events = {
    connected: () => undefined,
    applied: () => undefined,
    rejected: () => undefined,
    replaceAsked: () => undefined,
    disconnected: () => undefined,
  };
  const first = await startProxySocket({ runtime: createTestRuntime(), path, events });
  try {
    expect(startProxySocket({ runtime: createTestRuntime(), path, events })).rejects.toThrow(
      `another agent is running on this data directory: it answers on "${path}"`,
    );
  } finally {
    await first.stop();
  }
});

describe("the path of the socket", () => {
  test("is in the data directory when it fits", async () => {
    const options = { dataDir: "/var/lib/atoll", temporaryDir: dir.path, userId: process.getuid?.() ?? 0 };
    expect(await chooseSocketPath(options)).toEqual({ path: "/var/lib/atoll/agent.sock", isFallback: false });
  });

  test("is a short one in a private directory when it does not, and always the same", async () => {
    const options = { dataDir: `/${"d".repeat(120)}`, temporaryDir: dir.path, userId: process.getuid?.() ?? 0 };
    const chosen = await chooseSocketPath(options);
    expect(chosen.isFallback).toBe(true);
    expect(await chooseSocketPath(options)).toEqual(chosen);
    expect(statSync(join(chosen.path, "..")).mode & 0o777).toBe(0o700);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(chosen.path, resolve));
    server.close();
  });

  test("is refused when the private directory belongs to somebody else", async () => {
    const options = { dataDir: `/${"d".repeat(120)}`, temporaryDir: dir.path, userId: 4_000_000 };
    expect(chooseSocketPath(options)).rejects.toThrow("belongs to someone else");
  });
});
