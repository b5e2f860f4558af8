import { expect, test } from "bun:test";
import { silentLogger } from "../../../lib/base/logger.ts";
import { createSeededRandom } from "../../../lib/base/random.ts";
import { defaultTelemetry } from "../../../lib/contract/proxy-telemetry.ts";
import { ProxyTelemetry } from "../../../proxy/telemetry/proxy-telemetry.ts";
import { MemoryOutputs } from "../../fakes/memory-outputs.ts";
import { createVirtualClock } from "../../fakes/virtual-clock.ts";
import { requestHead, responseHead } from "./finished-request.ts";

function telemetryOf(processes: number): ProxyTelemetry {
  return new ProxyTelemetry({
    clock: createVirtualClock(0),
    random: createSeededRandom(1),
    logger: silentLogger,
    outputs: new MemoryOutputs(),
    atEndOfTurn: queueMicrotask,
    ownUri: () => "",
    processes,
  });
}

test("processes divide the budget of series, so that together they have no more", () => {
  const telemetry = telemetryOf(4);
  telemetry.apply({ ...defaultTelemetry, metrics: { names: ["own"], maxSeries: 11, idleExpiryMs: 1_000 } });
  const observer = telemetry.watch("inbound", () => ({ service: "api", listen: "a" }))();
  for (const status of [200, 201, 202, 203]) {
    const peer = { peerUri: "", peerCertificate: undefined, remoteAddress: "" };
    const observation = observer?.begin(peer, "HTTP/1.1", 0);
    if (observation === undefined) throw new Error("nobody watches");
    observation.head = requestHead();
    observation.respond(responseHead(status), 0);
    observation.observer.ended(observation);
  }
  const requests = telemetry.families().find(({ name }) => name === "atoll_proxy_requests_total");
  expect(requests?.samples.map(({ labels }) => labels["status_code"])).toEqual(["200", "201", "overflow"]);
});

test("nobody watches a listener while everything is off", () => {
  const telemetry = telemetryOf(1);
  const watched = telemetry.watch("inbound", () => ({ service: "api", listen: "a" }));
  expect(watched()).toBeUndefined();
  telemetry.apply({ ...defaultTelemetry, accessLog: { ...defaultTelemetry.accessLog, enabled: true } });
  expect(watched()).toBeDefined();
  telemetry.apply(defaultTelemetry);
  expect(watched()).toBeUndefined();
});

test("what a request has brought is let go of when it is over, and its object is used again", () => {
  const telemetry = telemetryOf(1);
  telemetry.apply({ ...defaultTelemetry, metrics: { names: ["own"], maxSeries: 1, idleExpiryMs: 1_000 } });
  const observer = telemetry.watch("outbound", () => ({ service: "api", listen: "a" }))();
  const peer = { peerUri: "spiffe://a", peerCertificate: undefined, remoteAddress: "" };
  const first = observer?.begin(peer, "HTTP/2", 5);
  if (first === undefined) throw new Error("nobody watches");
  first.head = requestHead();
  first.loseClient("malformed_body");
  first.countRequest(7, true);
  first.observer.ended(first);
  expect(first).toMatchObject({ head: undefined, response: undefined, trailers: undefined, span: undefined });
  const second = observer?.begin(peer, "HTTP/1.1", 9);
  expect(second).toBe(first);
  expect(second).toMatchObject({
    startedMs: 9,
    requestBytes: 0,
    refusal: "",
    status: 0,
    requestEndedMs: -1,
    attempts: 0,
  });
});
