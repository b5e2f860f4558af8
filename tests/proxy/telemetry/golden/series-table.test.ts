import { describe, expect, test } from "bun:test";
import { createSeededRandom } from "../../../../lib/base/random.ts";
import { requestRefusals } from "../../../../proxy/telemetry/http-counters.ts";
import { ListenerObserver } from "../../../../proxy/telemetry/listener-observer.ts";
import { SeriesTable } from "../../../../proxy/telemetry/golden/series-table.ts";
import { flagTexts } from "../../../../proxy/telemetry/response-flags.ts";
import { testSeed, withSeed } from "../../http2/test-seed.ts";
import { finished, requestHead } from "../finished-request.ts";

const watcher = {
  monotonicMs: () => 0,
  forward: () => requestHead(),
  ended: () => undefined,
  endedConnection: () => undefined,
};
const listenerOf = (service: string, direction: "inbound" | "outbound" = "inbound"): ListenerObserver =>
  new ListenerObserver(direction, () => ({ service, listen: `${service}:1` }), watcher);
const peerOf = (peerUri: string) => ({ peerUri, peerCertificate: undefined, remoteAddress: "" });

function tableOf(maxSeries: number): SeriesTable {
  return new SeriesTable({ maxSeries, idleExpiryMs: 600_000 });
}

describe("series", () => {
  test("are one per caller, route, cluster, status, flags and protocol of a listener, whatever the order", () => {
    const table = tableOf(100);
    const api = listenerOf("api");
    const grpc = requestHead(["content-type", "application/grpc", "te", "trailers"]);
    const different = [
      finished(),
      finished({}, { peer: peerOf("spiffe://a") }),
      finished({}, { route: "r" }),
      finished({}, { cluster: "c" }),
      finished({ status: 503 }),
      finished({ status: 503 }, { refusal: "upstream_lost" }),
      finished({ request: grpc, trailers: ["grpc-status", "0"] }),
      finished({ request: grpc, trailers: ["grpc-status", "5"] }),
      finished({ request: grpc }),
      finished({ status: 0 }, { isClientGone: true }),
    ];
    for (let round = 0; round < 3; round++) for (const one of different) table.count(one, api);
    table.count(finished(), listenerOf("web"));
    expect(table.size).toBe(11);
    expect(table.all().map(({ requests }) => requests)).toEqual(expect.arrayContaining([3, 1]));
    expect(table.all().filter(({ requests }) => requests === 3).length).toBe(10);
    expect(new Set(table.all().map(({ labels }) => JSON.stringify(labels))).size).toBe(11);
  });

  test("are told apart by every text of flags, in calls of gRPC and others", () => {
    const table = tableOf(10_000);
    const api = listenerOf("api");
    const grpc = requestHead(["content-type", "application/grpc", "te", "trailers"]);
    for (const request of [requestHead(), grpc]) {
      for (const refusal of [...requestRefusals, ""] as const) {
        for (const isDelayed of [false, true]) {
          for (const attempts of [1, 2]) table.count(finished({ request }, { refusal, isDelayed, attempts }), api);
        }
      }
    }
    const labels = new Set(table.all().map((series) => JSON.stringify(series.labels)));
    expect(labels.size).toBe(table.size);
    // Two protocols, each with every text but that of a client that went away.
    expect(table.size).toBe(2 * flagTexts.filter((text) => !text.includes("DC")).length);
  });

  test("have the time to the first byte, the time to the end and the bytes", () => {
    const table = tableOf(1);
    table.count(finished({}, { requestBytes: 7, responseBytes: 5_000 }), listenerOf("api"));
    const [series] = table.all();
    expect(series?.firstByteMs.sum).toBeCloseTo(12.7);
    expect(series?.durationMs.sum).toBeCloseTo(25.4);
    expect([...(series?.durationMs.buckets ?? [])].indexOf(1)).toBe(7);
    expect([series?.requestBytes.sum, series?.responseBytes.sum]).toEqual([7, 5_000]);
    expect([...(series?.responseBytes.buckets ?? [])].indexOf(1)).toBe(2);
  });

  test("that no request has had for ten minutes are forgotten and make room", () => {
    const table = tableOf(2);
    const api = listenerOf("api");
    table.count(finished({}, { endedMs: 0 }), api);
    table.count(finished({ status: 404 }, { endedMs: 300_000 }), api);
    table.sweep(599_999);
    expect(table.size).toBe(2);
    table.sweep(600_000);
    expect(table.all().map(({ labels }) => labels.status)).toEqual(["404"]);
    table.count(finished({ status: 500 }, { endedMs: 600_001 }), api);
    table.count(finished({ status: 404 }, { endedMs: 600_001 }), api);
    expect(table.size).toBe(2);
    expect(table.overflowed).toBe(0);
    table.sweep(2_000_000);
    expect([table.size, table.all()]).toEqual([0, []]);
  });

  test("begin again when their budget becomes smaller than they are", () => {
    const table = tableOf(2);
    const api = listenerOf("api");
    table.count(finished(), api);
    table.count(finished({ status: 404 }), api);
    table.setLimits({ maxSeries: 2, idleExpiryMs: 600_000 });
    expect(table.size).toBe(2);
    table.setLimits({ maxSeries: 1, idleExpiryMs: 600_000 });
    expect(table.size).toBe(0);
    table.count(finished(), api);
    table.count(finished({ status: 404 }), api);
    expect([table.size, table.overflowed]).toEqual([1, 1]);
  });
});

describe("the budget", () => {
  test("is never exceeded, and what is beyond counts in the overflow series of its direction", () => {
    const seed = testSeed();
    withSeed(seed, () => holdsItsBudget(Number(seed)));
  });
});

function holdsItsBudget(seed: number): void {
  const random = createSeededRandom(seed);
  const pick = (count: number): number => Math.floor(random.float() * count);
  const table = tableOf(50);
  const listeners = [listenerOf("api"), listenerOf("db", "outbound"), listenerOf("c")];
  let total = 0;
  for (let i = 0; i < 5_000; i++) {
    const observation = finished(
      { status: 200 + pick(20) },
      { peer: peerOf(`spiffe://${pick(30)}`), route: `r${pick(3)}`, endedMs: i * 10 },
    );
    const listener = listeners[pick(3)];
    if (listener === undefined) continue;
    table.count(observation, listener);
    total++;
    expect(table.size).toBeLessThanOrEqual(50);
  }
  const all = table.all();
  expect(all.length).toBe(52);
  expect(all.reduce((sum, { requests }) => sum + requests, 0)).toBe(total);
  const beyond = all.filter(({ labels }) => labels.caller === "overflow");
  expect(beyond.map(({ labels }) => labels.direction).toSorted()).toEqual(["inbound", "outbound"]);
  expect(beyond.reduce((sum, { requests }) => sum + requests, 0)).toBe(table.overflowed);
  expect(new Set(all.map(({ labels }) => JSON.stringify(labels))).size).toBe(52);
}
