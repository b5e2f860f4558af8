import { afterAll, beforeAll, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { findFreePorts } from "../../tools/free-ports.ts";
import { eventually } from "../fakes/eventually.ts";
import { createTempDir, type TempDir } from "../fakes/temp-dir.ts";
import { type AgentProcess, startAgentProcess } from "./agent-process.ts";

let dir: TempDir;
let agent: AgentProcess;

const configFile = (): string => join(dir.path, "agent.json");

beforeAll(async () => {
  dir = createTempDir();
  writeFileSync(configFile(), '{ "colour": "blue", "services": [{ "name": "one" }, { "name": "two", "port": 1 }] }');
  const [httpPort = 0, rpcPort = 0] = await findFreePorts("127.0.0.1", 2);
  const args = ["-dev", `-server-port=${rpcPort}`, `-config-file=${configFile()}`];
  agent = await startAgentProcess({ args, httpPort });
}, 30_000);

afterAll(async () => {
  await agent.end("SIGTERM");
  dir[Symbol.dispose]();
});

async function services(): Promise<unknown> {
  const byId = await agent.api("GET", "agent/services");
  return Object.entries(byId ?? {}).map(([id, service]) => `${id}:${service.Port}`);
}

test("SIGHUP takes over the services of the files, keeps those of the API, and refuses a broken file whole", async () => {
  expect(agent.output()).toContain('"colour" is not a known key and is ignored');
  await agent.api("PUT", "agent/service/register", { Name: "by-api", Port: 9 });
  expect(await services()).toEqual(["one:0", "two:1", "by-api:9"]);

  writeFileSync(configFile(), '{ "services": [{ "name": "two", "port": 2 }, { "name": "three" }] }');
  agent.hangUp();
  await eventually("the new services", async () => JSON.stringify(await services()).includes("three"));
  expect(await services()).toEqual(["two:2", "by-api:9", "three:0"]);

  writeFileSync(configFile(), '{ "services": [{ "name": "four" }, { "port": 1 }] }');
  agent.hangUp();
  await eventually("the refusal", () => agent.output().includes("the configuration files were not taken over"));
  expect(await services()).toEqual(["two:2", "by-api:9", "three:0"]);
}, 30_000);
