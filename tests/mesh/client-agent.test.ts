import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { findFreePorts } from "../../tools/free-ports.ts";
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
let clientHttpPort: number;
let server: AgentProcess;
let client: AgentProcess;
let application: ReturnType<typeof Bun.serve>;

beforeAll(async () => {
  dir = createTempDir();
  dataDir = join(dir.path, "client");
  ports = await findMeshPorts();
  [clientHttpPort = 0] = await findFreePorts("127.0.0.1", 1);
  application = Bun.serve({ hostname: "127.0.0.1", port: ports.api, fetch: () => new Response("hello from api") });
  server = await startServer();
  client = await startClient();
}, 40_000);

afterAll(async () => {
  await Promise.all([client.end("SIGKILL"), server.end("SIGKILL")]);
  await killProxies(dataDir);
  await application.stop(true);
  dir[Symbol.dispose]();
});

function startServer(): Promise<AgentProcess> {
  const role = ["-server", "-bootstrap-expect=1", "-bind=127.0.0.1", "-node=server", `-server-port=${ports.rpc}`];
  return startAgentProcess({ args: [...role, `-data-dir=${join(dir.path, "server")}`], httpPort: ports.http });
}

function startClient(): Promise<AgentProcess> {
  const args = [`-join=127.0.0.1:${ports.rpc}`, "-bind=127.0.0.1", "-node=client", `-data-dir=${dataDir}`];
  return startAgentProcess({ args, httpPort: clientHttpPort });
}

async function nodesOf(service: string): Promise<unknown> {
  const instances = await server.api("GET", `catalog/service/${service}`);
  return Array.isArray(instances) ? instances.map((instance) => instance.Node) : instances;
}

test("an agent that joined runs a mesh, leaves the catalog when it is stopped, and comes back with its services", async () => {
  const bodies = registrations(ports);
  await client.api("PUT", "agent/service/register", bodies.api);
  await client.api("PUT", "agent/service/register", bodies.web);
  expect(await eventually("an answer through the mesh", () => callApi(ports))).toBe("hello from api");
  expect(await nodesOf("api")).toEqual(["client"]);
  expect(await client.api("GET", "catalog/service/api")).toEqual(await server.api("GET", "catalog/service/api"));

  expect(await client.end("SIGTERM")).toBe(0);
  expect((await proxyPids(dataDir)).size).toBe(0);
  expect(await nodesOf("api")).toEqual([]);
  expect(await callApi(ports)).toBeUndefined();

  client = await startClient();
  expect(await eventually("an answer after the restart", () => callApi(ports), 20_000)).toBe("hello from api");
  expect(await nodesOf("api")).toEqual(["client"]);
}, 60_000);

test("with every server dead a killed agent comes back to its proxies, and follows the server when it returns", async () => {
  // The agent has just come back: what it has yet to report could reach the proxies in the very moment of the end.
  const passing = async (): Promise<boolean> => {
    const entries = await server.api("GET", "health/connect/api?passing");
    return Array.isArray(entries) && entries.length === 1;
  };
  await eventually("the sidecar to pass its checks", passing, 20_000);
  expect(await eventually("an answer through the mesh", () => callApi(ports))).toBe("hello from api");
  const before = await proxyPids(dataDir);
  expect(before.size).toBe(2);
  await server.end("SIGKILL");
  await client.end("SIGKILL");
  expect(await callApi(ports)).toBe("hello from api");

  client = await startClient();
  await eventually("both proxies adopted", () => client.output().match(/adopted/g)?.length === 2);
  expect(await callApi(ports)).toBe("hello from api");
  expect(await proxyPids(dataDir)).toEqual(before);

  server = await startServer();
  await setIntention(server, "deny");
  await eventually("the denial", async () => (await callApi(ports)) === undefined, 30_000);
}, 60_000);
