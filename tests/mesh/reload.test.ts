import { afterAll, beforeAll, expect, test } from "bun:test";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { createLengthReader, withLength } from "../../agent/dns/tcp-framing.ts";
import { listenUdp } from "../../agent/dns/udp-listener.ts";
import { findFreePorts } from "../../tools/free-ports.ts";
import { readMessage, type TestMessage, types, writeQuery } from "../agent/dns/messages.ts";
import { eventually } from "../fakes/eventually.ts";
import { createTempDir, type TempDir } from "../fakes/temp-dir.ts";
import { type AgentProcess, startAgentProcess } from "./agent-process.ts";

let dir: TempDir;
let agent: AgentProcess;
let dnsPort = 0;

/** What holds until the next start, over all files of these tests. */
const fromStart = `
  default_intention_policy = "deny"
  session_ttl_min = "20s"
  max_query_time = "100ms"
  limits { kv_max_value_size = 600000 }
`;

const configFile = (): string => join(dir.path, "agent.json");

beforeAll(async () => {
  dir = createTempDir();
  writeFileSync(configFile(), '{ "colour": "blue", "services": [{ "name": "one" }, { "name": "two", "port": 1 }] }');
  const [httpPort = 0, rpcPort = 0, dns = 0] = await findFreePorts("127.0.0.1", 3);
  dnsPort = dns;
  const args = [
    "-dev",
    `-server-port=${rpcPort}`,
    `-dns-port=${dns}`,
    `-config-file=${configFile()}`,
    "-hcl",
    fromStart,
  ];
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

/** One question over UDP, from a socket of its own. */
async function ask(name: string, type = types.A): Promise<TestMessage> {
  const socket = createSocket("udp4");
  try {
    socket.send(writeQuery({ name, type }), dnsPort, "127.0.0.1");
    const [message] = await once(socket, "message", { signal: AbortSignal.timeout(5_000) });
    return readMessage(message);
  } finally {
    socket.close();
  }
}

async function askOn(socket: Socket, name: string): Promise<TestMessage> {
  const answer = Promise.withResolvers<TestMessage>();
  const reader = createLengthReader((message) => answer.resolve(readMessage(message)));
  const read = (chunk: Buffer): void => reader.push(chunk);
  socket.on("data", read).write(withLength(writeQuery({ name, type: types.A })));
  return await answer.promise.finally(() => socket.off("data", read));
}

test("a reload takes over dns_config and recursors at once, on the sockets that there are", async () => {
  const check = { TTL: "1h", Status: "passing" };
  for (const i of [1, 2, 3, 4]) {
    const Check = i === 1 ? { ...check, Status: "warning" } : check;
    await agent.api("PUT", "agent/service/register", { Name: "pool", ID: `p${i}`, Address: `10.9.0.${i}`, Check });
  }
  await eventually("four instances", async () => (await ask("pool.service.consul")).answers.length === 3);
  const connection = connect(dnsPort, "127.0.0.1");
  await eventually("all of them", async () => (await askOn(connection, "pool.service.consul")).answers.length === 4);
  // From here on answers are given that were made before.
  for (let i = 0; i < 50; i++) await ask("pool.service.consul");
  const before = await ask("pool.service.consul");
  expect([before.answers.length, before.answers[0]?.ttl, before.isTruncated]).toEqual([3, 0, false]);
  expect(await ask("www.example.com")).toMatchObject({ rcode: 5, isRecursionAvailable: false });

  const recursor = await listenUdp({
    listen: { host: "127.0.0.1", port: 0 },
    handle(message) {
      const answer = Buffer.from(message);
      answer.writeUInt16BE(0x8183, 2);
      return answer;
    },
    onDrop: () => undefined,
    onError: () => undefined,
  });
  const dns_config = {
    only_passing: true,
    service_ttl: { "p*": "7s" },
    node_ttl: "9s",
    udp_answer_limit: 2,
    enable_truncate: true,
    a_record_limit: 3,
    soa: { min_ttl: 11 },
  };
  const recursors = [`127.0.0.1:${recursor.address.port}`];
  writeFileSync(configFile(), JSON.stringify({ dns_config, recursors, alt_domain: "corp.example" }));
  await agent.api("PUT", "agent/reload");

  const after = await ask("pool.service.consul");
  expect([after.answers.length, after.answers[0]?.ttl, after.isTruncated]).toEqual([2, 7, true]);
  const whole = await askOn(connection, "pool.service.corp.example");
  expect(whole.answers.map(({ data }) => data).toSorted()).toEqual(["10.9.0.2", "10.9.0.3", "10.9.0.4"]);
  expect((await ask("0a090001.addr.consul")).answers[0]?.ttl).toBe(9);
  expect((await ask("none.service.consul")).authority[0]?.ttl).toBe(11);
  expect(await ask("www.example.com")).toMatchObject({ rcode: 3, isRecursionAvailable: true });
  expect(await agent.api("GET", "agent/self")).toMatchObject({
    DebugConfig: { DNSNodeTTL: "9s", DNSRecursors: recursors, DNSServiceTTL: { "p*": "7s" }, DNSOnlyPassing: true },
  });
  expect(agent.output()).not.toContain("only read at a start: dns");

  writeFileSync(configFile(), '{ "dns_config": { "node_ttl": "soon" } }');
  expect(await agent.api("PUT", "agent/reload").catch(String)).toContain("dns_config.node_ttl");
  expect((await ask("pool.service.consul")).answers[0]?.ttl).toBe(7);
  connection.destroy();
  await recursor.close();
}, 30_000);

test("a reload takes over discard_check_output", async () => {
  const expectOutput = async (Output: string): Promise<void> => {
    expect(await agent.api("GET", "agent/checks")).toMatchObject({ "service:said": { Output } });
    expect(await agent.api("GET", "health/checks/said")).toMatchObject([{ Output }]);
  };
  const say = async (Output: string, Status: string): Promise<void> => {
    await agent.api("PUT", "agent/check/update/service:said", { Status, Output });
  };
  writeFileSync(configFile(), '{ "discard_check_output": true }');
  await agent.api("PUT", "agent/reload");
  await agent.api("PUT", "agent/service/register", { Name: "said", Check: { TTL: "1h" } });
  await say("nobody hears this", "passing");
  await expectOutput("");
  expect(await agent.api("GET", "health/service/said?passing")).toHaveLength(1);
  writeFileSync(configFile(), "{}");
  await agent.api("PUT", "agent/reload");
  await say("but this", "warning");
  await expectOutput("but this");
});

test("what was configured at the start holds for requests, and a reload says that its change has to wait", async () => {
  const refusal = (answer: Promise<unknown>): Promise<string> => answer.then(String, String);
  expect(await agent.api("GET", "connect/intentions/check?source=web&destination=pool")).toEqual({ Allowed: false });
  expect(await refusal(agent.api("PUT", "session/create", { TTL: "15s" }))).toContain(
    "Invalid Session TTL '15000000000', must be between [20s=24h0m0s]",
  );
  await agent.api("PUT", "kv/large", "x".repeat(599_998));
  expect(await refusal(agent.api("PUT", "kv/large", "x".repeat(599_999)))).toContain(
    "Request body(600001 bytes) too large, max size: 600000 bytes. See limits.kv_max_value_size.",
  );
  // It would be five minutes otherwise.
  expect(await agent.api("GET", "kv/large?index=1000000&wait=300s")).toHaveLength(1);
  writeFileSync(configFile(), '{ "discovery_max_stale": "1s" }');
  await agent.api("PUT", "agent/reload");
  expect(agent.output()).toContain("changed, but only read at a start: discovery_max_stale");
});
