import { expect, test } from "bun:test";
import { silentLogger } from "../../../../lib/base/logger.ts";
import { createSeededRandom } from "../../../../lib/base/random.ts";
import { SpanExporter } from "../../../../proxy/telemetry/tracing/span-exporter.ts";
import type { OtlpSpan } from "../../../../proxy/telemetry/tracing/otlp.ts";
import { MemoryOutputs } from "../../../fakes/memory-outputs.ts";
import { createVirtualClock } from "../../../fakes/virtual-clock.ts";

const span: OtlpSpan = {
  traceId: "a",
  spanId: "b",
  parentSpanId: "",
  traceState: "",
  flags: 1,
  name: "GET",
  kind: 2,
  startTimeUnixNano: "1",
  endTimeUnixNano: "2",
  attributes: [],
  status: {},
};

function exporterOf(maxWaitingSpans = 2_048) {
  const outputs = new MemoryOutputs();
  const clock = createVirtualClock(0);
  const target = { url: "http://collector/v1/traces" };
  const exporter = new SpanExporter({
    clock,
    random: createSeededRandom(1),
    logger: silentLogger,
    post: (url, body) => outputs.post(url, body),
    serviceName: () => "web",
    url: () => target.url || undefined,
    maxWaitingSpans: () => maxWaitingSpans,
  });
  const sizes = (): number[] => outputs.posts.map(({ body }) => body.split('"traceId"').length - 1);
  const add = (count: number): void => {
    for (let i = 0; i < count; i++) exporter.add(span);
  };
  const counts = (): number[] => [exporter.exported, exporter.dropped];
  return { outputs, clock, exporter, target, sizes, add, counts };
}

test("spans of a second are one post, and 512 do not wait for it", async () => {
  const { outputs, clock, sizes, add, counts } = exporterOf();
  add(2);
  await clock.advance(999);
  expect(sizes()).toEqual([]);
  await clock.advance(1);
  expect(sizes()).toEqual([2]);
  expect(outputs.posts[0]?.url).toBe("http://collector/v1/traces");
  expect(JSON.parse(outputs.posts[0]?.body ?? "")).toEqual({
    resourceSpans: [
      {
        resource: { attributes: [{ key: "service.name", value: { stringValue: "web" } }] },
        scopeSpans: [{ scope: { name: "atoll.proxy" }, spans: [span, span] }],
      },
    ],
  });
  add(513);
  expect(sizes()).toEqual([2, 512]);
  await clock.advance(1_000);
  expect(sizes()).toEqual([2, 512, 1]);
  expect(counts()).toEqual([515, 0]);
});

test("a batch that a busy collector or none answers is tried again, five times in all", async () => {
  const { outputs, clock, sizes, add, counts } = exporterOf();
  outputs.answers = [503, 0, 200];
  add(1);
  await clock.advance(10_000);
  expect(sizes()).toEqual([1, 1, 1]);
  expect(counts()).toEqual([1, 0]);
  outputs.answers = [503, 503, 503, 503, 503];
  add(1);
  await clock.advance(120_000);
  expect(sizes().length).toBe(8);
  expect(counts()).toEqual([1, 1]);
  add(1);
  await clock.advance(1_000);
  expect(counts()).toEqual([2, 1]);
});

test("what a collector refuses is not tried again", async () => {
  const { outputs, clock, sizes, add, counts } = exporterOf();
  outputs.answers = [400];
  add(3);
  await clock.advance(60_000);
  expect(sizes()).toEqual([3]);
  expect(counts()).toEqual([0, 3]);
});

test("spans that wait are bounded, those under way included; the rest is dropped and counted", async () => {
  const { outputs, clock, sizes, add, counts } = exporterOf(10);
  outputs.answers = [503];
  add(12);
  expect(counts()).toEqual([0, 2]);
  await clock.advance(1_000);
  add(1);
  expect(counts()).toEqual([0, 3]);
  await clock.advance(10_000);
  expect(sizes()).toEqual([10, 10]);
  expect(counts()).toEqual([10, 3]);
});

test("a flush sends at once and does not wait for a collector that fails", async () => {
  const { outputs, exporter, clock, add, counts } = exporterOf();
  add(600);
  await exporter.flush();
  expect(counts()).toEqual([600, 0]);
  outputs.answers = [503];
  add(1);
  await exporter.flush();
  expect(counts()).toEqual([600, 1]);
  expect(clock.pendingTimers()).toBe(0);
});

test("after its end nothing is left, whatever the collector still says", async () => {
  const { outputs, exporter, clock, add, counts } = exporterOf();
  outputs.answers = [503];
  add(1);
  await clock.advance(1_000);
  add(1);
  exporter.close();
  await clock.advance(60_000);
  expect(clock.pendingTimers()).toBe(0);
  expect(counts()).toEqual([0, 2]);
});
