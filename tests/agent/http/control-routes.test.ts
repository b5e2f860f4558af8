import { expect, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { Counter, Gauge, Histogram } from "prom-client";
import { AtollError } from "../../../lib/contract/error-codes.ts";
import { eventually } from "../../fakes/eventually.ts";
import { createTempDir } from "../../fakes/temp-dir.ts";
import { startTestAgentApp } from "./test-agent-app.ts";

test("tokens are exchanged under their names of today and before; without ACLs it is 401", async () => {
  using dir = createTempDir();
  const off = await startTestAgentApp({ dataDir: dir.path });
  const refused = await off.call("PUT", "/v1/agent/token/default", { Token: "s3cret" });
  expect([refused.status, refused.text]).toEqual([401, "ACL support disabled"]);
  await off.stop();
  const { call, control, agent, stop } = await startTestAgentApp({ dataDir: dir.path, isAclEnabled: true });
  expect((await call("PUT", "/v1/agent/token/agent", { Token: "s3cret-1" })).status).toBe(200);
  expect((await call("PUT", "/v1/agent/token/acl_replication_token", { token: "s3cret-2" })).status).toBe(200);
  expect((await call("PUT", "/v1/agent/token/dns", {})).status).toBe(200);
  expect([control.tokens.get("agent"), control.tokens.get("replication")]).toEqual(["s3cret-1", "s3cret-2"]);
  const unknown = await call("PUT", "/v1/agent/token/other", { Token: "x" });
  expect([unknown.status, unknown.text]).toEqual([404, 'Token "other" is unknown']);
  expect((await call("PUT", "/v1/agent/token/default", "{")).status).toBe(400);
  expect(agent.runtime.lines.join("\n")).not.toContain("s3cret");
  await stop();
});

test("version, host and the answer of pprof that is off", async () => {
  using dir = createTempDir();
  const { call, stop } = await startTestAgentApp({ dataDir: dir.path });
  expect((await call("GET", "/v1/agent/version")).json()).toEqual({
    SHA: "abc",
    BuildDate: "2026-01-01T00:00:00Z",
    HumanVersion: "1.2.3",
    FIPS: "",
  });
  const host = (await call("GET", "/v1/agent/host")).json();
  expect(Object.keys(host)).toEqual(["Memory", "CPU", "Host", "Disk", "CollectionTime", "Errors"]);
  expect(host).toMatchObject({ Disk: { path: dir.path }, Errors: null, Memory: { total: expect.any(Number) } });
  expect(host["CollectionTime"]).toBe(1_750_000_000_000 * 1_000_000);
  for (const path of ["", "profile", "heap", "goroutine", "trace"]) {
    expect((await call("GET", `/debug/pprof/${path}`)).status).toBe(404);
  }
  await stop();
});

test("a reload is asked for, and a mistake in a file is told to who asked", async () => {
  using dir = createTempDir();
  let failure: Error | undefined;
  let reloads = 0;
  const reload = async (): Promise<void> => {
    reloads++;
    if (failure !== undefined) throw failure;
  };
  const { call, stop } = await startTestAgentApp({ dataDir: dir.path, reload });
  expect((await call("PUT", "/v1/agent/reload")).status).toBe(200);
  failure = new AtollError("CONFIG_INVALID", "config file a.json: services[0].Port: must be integer");
  const answer = await call("PUT", "/v1/agent/reload");
  expect([reloads, answer.text]).toEqual([2, "config file a.json: services[0].Port: must be integer"]);
  expect((await call("GET", "/v1/agent/reload")).status).toBe(405);
  await stop();
});

test("metrics as JSON have go-metrics' shape, with counts that are whole numbers", async () => {
  using dir = createTempDir();
  const { agent, call, stop } = await startTestAgentApp({ dataDir: dir.path });
  const registers = [agent.runtime.metrics];
  new Gauge({ name: "test_level", help: "h", labelNames: ["of"], registers }).set({ of: "web" }, 2.5);
  new Counter({ name: "test_total", help: "h", registers }).inc(3);
  const histogram = new Histogram({ name: "test_seconds", help: "h", labelNames: ["of"], buckets: [1, 2], registers });
  histogram.observe({ of: "a" }, 0.5);
  histogram.observe({ of: "a" }, 1.5);
  histogram.observe({ of: "b" }, 4);
  const answer = (await call("GET", "/v1/agent/metrics")).json();
  expect(Object.keys(answer)).toEqual(["Timestamp", "Gauges", "Points", "Counters", "Samples"]);
  expect(answer["Timestamp"]).toMatch(/^2025-06-15 \d\d:\d\d:\d\d \+0000 UTC$/);
  expect(answer["Gauges"]).toContainEqual({ Name: "test_level", Value: 2.5, Labels: { of: "web" } });
  const none = { Rate: 0, Min: 0, Max: 0, Stddev: 0 };
  expect(answer["Counters"]).toContainEqual({ Name: "test_total", Count: 3, Sum: 3, Mean: 1, ...none, Labels: {} });
  const a = { Name: "test_seconds", Count: 2, Sum: 2, Mean: 1, ...none, Labels: { of: "a" } };
  const b = { Name: "test_seconds", Count: 1, Sum: 4, Mean: 4, ...none, Labels: { of: "b" } };
  expect(answer["Samples"]).toEqual(expect.arrayContaining([a, b]));
  expect((await call("GET", "/v1/agent/metrics?format=prometheus")).text).toContain('test_level{of="web"} 2.5');
  await stop();
});

/** A client that reads what it is sent as it comes, until it is paused. */
async function openClient(base: string, path: string): Promise<{ text(): string; socket: Socket }> {
  const url = new URL(base);
  const socket = connect(Number(url.port), url.hostname);
  let text = "";
  socket.on("data", (chunk) => (text += String(chunk)));
  socket.on("error", () => undefined);
  socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
  await eventually("the headers", () => text.includes("\r\n\r\n"));
  return { text: () => text, socket };
}

test("the stream of metrics has a line at once and every ten seconds, and ends with its client", async () => {
  using dir = createTempDir();
  const { agent, listen, stop } = await startTestAgentApp({ dataDir: dir.path });
  const timers = agent.clock.pendingTimers();
  const client = await openClient(await listen(), "/v1/agent/metrics/stream");
  const lines = (): number => client.text().split('{"Timestamp"').length - 1;
  await eventually("the first line", () => lines() === 1);
  expect(client.text()).toMatch(/transfer-encoding: chunked/i);
  await eventually("the timer", () => agent.clock.pendingTimers() === timers + 1);
  await agent.clock.advance(10_000);
  await eventually("the second line", () => lines() === 2);
  client.socket.destroy();
  await eventually("nothing is left", () => agent.clock.pendingTimers() === timers);
  await stop();
});

test("the log is followed at a level of the reader's own, as text or JSON", async () => {
  using dir = createTempDir();
  const { listen, logger, call, stop } = await startTestAgentApp({ dataDir: dir.path });
  const base = await listen();
  const text = await openClient(base, "/v1/agent/monitor?loglevel=trace");
  const json = await openClient(base, "/v1/agent/monitor?loglevel=warn&logjson");
  logger.child("sync").trace("very detailed", { of: "web" });
  logger.warn("look here");
  await eventually("the lines", () => text.text().includes("look here") && json.text().includes("look here"));
  expect(text.text()).toContain("[TRACE] test.sync: very detailed: of=web\n");
  expect(text.text()).toContain("[WARN] test: look here\n");
  expect(json.text()).not.toContain("very detailed");
  expect(json.text()).toContain('"@level":"warn","@module":"test","@message":"look here"}\n');
  const bad = await call("GET", "/v1/agent/monitor?loglevel=loud");
  expect([bad.status, bad.text]).toEqual([400, "Unknown log level: loud"]);
  // Both clients are still there: stopping must not wait for them.
  await stop();
  for (const client of [text, json]) client.socket.destroy();
});

test("a reader of the log that does not read loses lines, is told how many, and holds nobody up", async () => {
  using dir = createTempDir();
  const { listen, logger, stop } = await startTestAgentApp({ dataDir: dir.path });
  const client = await openClient(await listen(), "/v1/agent/monitor?loglevel=debug");
  client.socket.pause();
  const line = "x".repeat(1_000);
  for (let i = 0; i < 20; i++) {
    for (let j = 0; j < 1_000; j++) logger.debug(line, { i, j });
    await new Promise((resolve) => setImmediate(resolve));
  }
  client.socket.resume();
  // What comes while the reader still catches up may be lost as well.
  let more = 0;
  const isThrough = (): boolean => {
    logger.info("afterwards", { count: ++more });
    return client.text().includes("afterwards");
  };
  await eventually("it goes on", isThrough);
  await eventually("all has come", () => client.text().includes(`count=${more}\n`));
  const missed = [...client.text().matchAll(/Monitor dropped (\d+) logs/g)].map(([, count]) => Number(count));
  expect(missed.length).toBeGreaterThan(0);
  const seen = client.text().split(line).length + client.text().split("afterwards").length - 2;
  expect(missed.reduce((sum, count) => sum + count, seen)).toBe(20_000 + more);
  client.socket.destroy();
  await stop();
});
