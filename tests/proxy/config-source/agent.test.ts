import { afterEach, beforeEach, expect, test } from "bun:test";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { createLineReader } from "../../../lib/base/line-reader.ts";
import type { AgentToProxy } from "../../../lib/contract/agent-socket.ts";
import { parseProxyConfig, type ProxyConfig } from "../../../lib/contract/proxy-config.ts";
import { AgentSource } from "../../../proxy/config-source/agent.ts";
import { eventually } from "../../fakes/eventually.ts";
import { createTempDir, type TempDir } from "../../fakes/temp-dir.ts";
import { createTestRuntime } from "../../fakes/test-runtime.ts";

/** The proxy's end of the agent's socket, against an agent of the test's own. */
let directory: TempDir;
let server: Server;
let agent: Socket;
let source: AgentSource;
let answers: { type: string; version?: number; message?: string; takesChanges?: boolean }[];
let inForce: { config: ProxyConfig; version: number; sources: string | undefined } | undefined;
let refuses = false;

beforeEach(async () => {
  directory = createTempDir();
  answers = [];
  inForce = undefined;
  refuses = false;
  const socketPath = join(directory.path, "agent.sock");
  const connected = new Promise<Socket>((resolve) => {
    server = createServer(resolve);
  });
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  source = new AgentSource({
    runtime: createTestRuntime(),
    socketPath,
    proxyId: "web-sidecar-proxy",
    pid: 7,
    revision: "",
    version: () => inForce?.version ?? 0,
    async apply(config, version, sources) {
      if (refuses) throw new Error("port 1 is in use");
      inForce = { config, version, sources: sources?.("admin.listen") };
    },
    onStop: () => undefined,
    onAgentLost: () => undefined,
  });
  agent = await connected;
  const reader = createLineReader({
    maxLineBytes: 1_000_000,
    onLine: (line) => answers.push(JSON.parse(line)),
    onTooLong: () => undefined,
  });
  agent.on("data", (chunk) => reader.push(Buffer.from(chunk)));
  await answered(1);
  expect(answers.splice(0)).toMatchObject([{ type: "hello", takesChanges: true }]);
});
afterEach(async () => {
  source.stop();
  agent.destroy();
  await new Promise((resolve) => server.close(resolve));
  directory[Symbol.dispose]();
});

async function answered(count: number): Promise<void> {
  await eventually(`${count} answers`, () => answers.length >= count);
}

async function say(message: AgentToProxy | object): Promise<unknown> {
  agent.write(`${JSON.stringify(message)}\n`);
  await answered(1);
  return answers.splice(0);
}

function documentOf(...endpoints: string[]) {
  return {
    identity: { certFile: "a", keyFile: "b", caFile: "c" },
    admin: { listen: "127.0.0.1:9" },
    outbound: endpoints.map((address, i) => ({
      service: `s${i}`,
      listen: `127.0.0.1:${10 + i}`,
      endpoints: [{ address }],
    })),
  };
}

function change(index: number, address: string) {
  return {
    side: "outbound",
    index,
    value: documentOf(...Array.from({ length: index + 1 }, () => address)).outbound[index],
  };
}

test("changes of the version in force are applied to it, and what has not changed is the same object", async () => {
  expect(
    await say({
      type: "config",
      version: 1,
      config: documentOf("10.0.0.1:1", "10.0.0.2:1"),
      sources: { admin: "agent" },
    }),
  ).toEqual([{ type: "applied", version: 1 }]);
  const before = inForce?.config;
  expect(inForce?.sources).toBe("agent");
  expect(await say({ type: "changes", version: 2, base: 1, entries: [change(1, "10.0.0.3:1")] })).toEqual([
    { type: "applied", version: 2 },
  ]);
  const whole = parseProxyConfig(documentOf("10.0.0.1:1", "10.0.0.3:1"));
  expect(inForce?.config).toEqual(whole.ok ? whole.config : undefined);
  expect(inForce?.config.outbound[0]).toBe(before?.outbound[0]);
  expect(inForce?.sources).toBeUndefined();
});

test("changes of another version are refused, and a whole document then is taken", async () => {
  await say({ type: "config", version: 1, config: documentOf("10.0.0.1:1") });
  expect(await say({ type: "changes", version: 3, base: 2, entries: [change(0, "10.0.0.3:1")] })).toEqual([
    { type: "rejected", version: 3, message: "changes of version 2, but 1 is in force" },
  ]);
  expect(inForce?.version).toBe(1);
  await say({ type: "config", version: 4, config: documentOf("10.0.0.4:1") });
  expect(await say({ type: "changes", version: 5, base: 4, entries: [change(0, "10.0.0.5:1")] })).toEqual([
    { type: "applied", version: 5 },
  ]);
  expect(inForce?.config.outbound[0]?.endpoints[0]?.address).toBe("10.0.0.5:1");
});

test("after a document that could not be applied nothing is built on it", async () => {
  await say({ type: "config", version: 1, config: documentOf("10.0.0.1:1") });
  refuses = true;
  expect(await say({ type: "changes", version: 2, base: 1, entries: [change(0, "10.0.0.2:1")] })).toMatchObject([
    { type: "rejected", version: 2 },
  ]);
  refuses = false;
  expect(await say({ type: "changes", version: 3, base: 1, entries: [] })).toMatchObject([
    { type: "rejected", version: 3 },
  ]);
  expect(inForce?.config.outbound[0]?.endpoints[0]?.address).toBe("10.0.0.1:1");
});

test.each([
  ["no list", { entries: 7 }],
  ["of no side", { entries: [{ side: "__proto__", index: 0, value: {} }] }],
  ["without a place", { entries: [{ side: "outbound", value: {} }] }],
  ["of a listener that is not there", { entries: [{ side: "outbound", index: 1_000_000_000, value: {} }] }],
])("changes that are %s are refused", async (_what, changes) => {
  await say({ type: "config", version: 1, config: documentOf("10.0.0.1:1") });
  expect(await say({ type: "changes", version: 2, base: 1, ...changes })).toMatchObject([
    { type: "rejected", version: 2 },
  ]);
  expect(inForce?.version).toBe(1);
});
