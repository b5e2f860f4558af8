import { expect, test } from "bun:test";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type AuditEvent, nobody } from "../../../lib/audit/audit-event.ts";
import { createAuditLog } from "../../../lib/audit/audit-log.ts";
import { createTempDir } from "../../fakes/temp-dir.ts";
import { createTestRuntime } from "../../fakes/test-runtime.ts";

const event = (name: string): AuditEvent => ({
  created_at: "2026-01-01T00:00:00.000Z",
  event_type: "audit",
  payload: {
    id: "1",
    version: "1",
    type: "HTTPEvent",
    timestamp: "2026-01-01T00:00:00.000Z",
    auth: nobody,
    request: {
      operation: "PUT",
      endpoint: "/v1/kv/a",
      route: "/v1/kv/*",
      query_params: {},
      remote_addr: "",
      user_agent: "",
      host: "",
      id: "",
    },
    resources: [{ type: "key", name }],
    server: { node: "n", datacenter: "dc1" },
    stage: "OperationStart",
  },
});

function start(path: string) {
  const runtime = createTestRuntime();
  const sink = { name: "main", path, rotateBytes: 100_000_000, rotateDurationMs: 0, rotateMaxFiles: 0, mode: 0o600 };
  const log = createAuditLog(
    { isEnabled: true, sinks: [sink, { ...sink, name: "second", path: `${path}2` }] },
    runtime,
  );
  return { log, runtime };
}

test("every event is one line in every sink, in its order, when the log has been closed", async () => {
  using dir = createTempDir();
  const { log, runtime } = start(join(dir.path, "a.json"));
  for (let i = 0; i < 5_000; i++) log.record(event(`key-${i} "\n\u2028`));
  await log.close();
  const files = readdirSync(dir.path);
  expect(files.map((name) => name.replace(/\d{10,}/, "N")).toSorted()).toEqual(["a-N.json", "a-N.json2"]);
  for (const name of files) {
    const lines = readFileSync(join(dir.path, name), "utf8").trimEnd().split("\n");
    expect(lines.map((line) => JSON.parse(line).payload.resources[0].name)).toEqual(
      Array.from({ length: 5_000 }, (_, i) => `key-${i} "\n\u2028`),
    );
  }
  expect(await runtime.metrics.metrics()).toContain('atoll_audit_events_total{sink="main"} 5000');
});

test("what a disk does not take is counted and complained of once, and nobody waits or fails", async () => {
  using dir = createTempDir();
  writeFileSync(join(dir.path, "file"), "");
  const { log, runtime } = start(join(dir.path, "file", "a.json"));
  for (let i = 0; i < 10; i++) {
    log.record(event("a"));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await log.close();
  log.record(event("a"));
  const metrics = await runtime.metrics.metrics();
  expect(metrics).toContain('atoll_audit_lost_events_total{sink="main",reason="write_failed"} 10');
  expect(metrics).toContain('atoll_audit_lost_events_total{sink="main",reason="closed"} 1');
  expect(runtime.lines.filter((line) => line.includes("sink=main"))).toHaveLength(1);
});

test("events that come faster than the disk takes them are bounded", async () => {
  using dir = createTempDir();
  const { log, runtime } = start(join(dir.path, "a.json"));
  for (let i = 0; i < 40_000; i++) log.record(event("a"));
  await log.close();
  const [, lost] =
    /lost_events_total\{sink="main",reason="queue_full"\} (\d+)/.exec(await runtime.metrics.metrics()) ?? [];
  const [, written] = /events_total\{sink="main"\} (\d+)/.exec(await runtime.metrics.metrics()) ?? [];
  expect(Number(lost)).toBeGreaterThan(0);
  expect(Number(lost) + Number(written)).toBe(40_000);
});
