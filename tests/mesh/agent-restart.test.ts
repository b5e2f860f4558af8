import { afterEach, beforeEach, expect, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { eventually } from "../fakes/eventually.ts";
import { createTempDir, type TempDir } from "../fakes/temp-dir.ts";
import {
  type AgentProcess,
  callApi,
  findMeshPorts,
  killProxies,
  type MeshPorts,
  proxyPids,
  registrations,
  setIntention,
  startAgentProcess,
} from "./agent-process.ts";

let dir: TempDir;
let dataDir: string;
let ports: MeshPorts;
let agent: AgentProcess;
let application: ReturnType<typeof Bun.serve>;

beforeEach(async () => {
  dir = createTempDir();
  dataDir = join(dir.path, "data");
  ports = await findMeshPorts();
  application = Bun.serve({ hostname: "127.0.0.1", port: ports.api, fetch: () => new Response("hello from api") });
  agent = await startServerAgent();
}, 30_000);

afterEach(async () => {
  await agent.end("SIGKILL");
  await killProxies(dataDir);
  await application.stop(true);
  dir[Symbol.dispose]();
});

function startServerAgent(): Promise<AgentProcess> {
  const role = ["-server", "-bootstrap-expect=1", "-bind=127.0.0.1", `-server-port=${ports.rpc}`];
  return startAgentProcess({ args: [...role, `-data-dir=${dataDir}`], httpPort: ports.http });
}

async function registerBoth(): Promise<void> {
  const bodies = registrations(ports);
  await agent.api("PUT", "agent/service/register", bodies.api);
  await agent.api("PUT", "agent/service/register", bodies.web);
  await eventually("an answer through the mesh", () => callApi(ports));
}

/** Calls without a pause until stopped; what did not get through is counted. */
function keepCalling(): { stop(): Promise<{ readonly calls: number; readonly failures: number }> } {
  let isStopped = false;
  const counts = { calls: 0, failures: 0 };
  const loop = (async () => {
    while (!isStopped) {
      counts.calls += 1;
      if ((await callApi(ports)) === undefined) counts.failures += 1;
    }
  })();
  return {
    async stop() {
      isStopped = true;
      await loop;
      return counts;
    },
  };
}

/** A TCP connection through the mesh that stays open; undefined `ended` as long as it does. */
async function openConnection(): Promise<{ readonly socket: Socket; isEnded: boolean }> {
  const connection = { socket: connect(ports.upstream, "127.0.0.1"), isEnded: false };
  await new Promise((resolve) => connection.socket.once("connect", resolve));
  connection.socket.on("error", () => undefined);
  connection.socket.once("close", () => {
    connection.isEnded = true;
  });
  return connection;
}

test("kill -9 of the agent costs no call, and the next agent goes on with the same proxies", async () => {
  await registerBoth();
  const before = await proxyPids(dataDir);
  const held = await openConnection();
  const traffic = keepCalling();

  await agent.end("SIGKILL");
  expect(await proxyPids(dataDir)).toEqual(before);
  agent = await startServerAgent();
  await eventually("both proxies adopted", () => agent.output().match(/adopted/g)?.length === 2);
  const { calls, failures } = await traffic.stop();

  expect(failures).toBe(0);
  expect(calls).toBeGreaterThan(20);
  expect(held.isEnded).toBe(false);
  held.socket.destroy();
  expect(await proxyPids(dataDir)).toEqual(before);

  // The adopted proxies take new configuration from the new agent.
  await setIntention(agent, "deny");
  await eventually("the denial", async () => (await callApi(ports)) === undefined);
  await setIntention(agent, "allow");
  await eventually("an answer again", () => callApi(ports));
}, 60_000);

test("proxies that ask for it are replaced one by one without a failed call", async () => {
  await registerBoth();
  const before = await proxyPids(dataDir);
  const traffic = keepCalling();
  for (const [proxy, pid] of before) {
    process.kill(pid, "SIGUSR2");
    await eventually(`another process for ${proxy}`, async () => (await proxyPids(dataDir)).get(proxy) !== pid, 20_000);
    await eventually("the take-over", () => agent.output().includes(`from=${pid}`), 20_000);
  }
  const { calls, failures } = await traffic.stop();
  expect(failures).toBe(0);
  expect(calls).toBeGreaterThan(20);
  expect(await callApi(ports)).toBe("hello from api");
}, 60_000);

test("a server that is stopped leaves its proxies serving, and a proxy killed meanwhile comes back with it", async () => {
  await registerBoth();
  const before = await proxyPids(dataDir);
  expect(await agent.end("SIGTERM")).toBe(0);
  expect(await callApi(ports)).toBe("hello from api");
  expect(await proxyPids(dataDir)).toEqual(before);

  process.kill(before.get("web-sidecar-proxy") ?? 0, "SIGKILL");
  agent = await startServerAgent();
  await eventually("an answer through a new proxy", () => callApi(ports), 20_000);
  const after = await proxyPids(dataDir);
  expect(after.get("api-sidecar-proxy")).toBe(before.get("api-sidecar-proxy"));
  expect(after.get("web-sidecar-proxy")).not.toBe(before.get("web-sidecar-proxy"));
}, 60_000);

test("a second agent on the same data directory is refused and changes nothing", async () => {
  await registerBoth();
  const other = Bun.spawn({
    cmd: [
      join(import.meta.dirname, "..", "..", "bin", "atoll"),
      "agent",
      "-join=127.0.0.1:1",
      "-bind=127.0.0.1",
      "-http-port=0",
      `-data-dir=${dataDir}`,
    ],
    stdout: "pipe",
    stderr: "pipe",
  });
  expect(await other.exited).toBe(1);
  expect(await new Response(other.stderr).text()).toBe(
    `error: another agent is running on this data directory: it answers on "${dataDir}/agent.sock". Stop it, or give this one its own -data-dir\n`,
  );
  expect(await callApi(ports)).toBe("hello from api");
}, 30_000);
