import { describe, expect, test } from "bun:test";
import { ListenerObserver } from "../../../../proxy/telemetry/listener-observer.ts";
import { matchesTap, readTapQuery } from "../../../../proxy/telemetry/tap/tap-filter.ts";
import { finished, requestHead } from "../finished-request.ts";

const watcher = {
  monotonicMs: () => 0,
  forward: () => requestHead(),
  ended: () => undefined,
  endedConnection: () => undefined,
};
const api = new ListenerObserver("inbound", () => ({ service: "api", listen: "a:1" }), watcher);
const web = "spiffe://11.consul/ns/default/dc/dc1/svc/web";
const observation = finished(
  { request: requestHead([], "/a/b?c=1", "POST"), status: 404 },
  { peer: { peerUri: web, peerCertificate: undefined, remoteAddress: "" } },
);

function matches(query: string): boolean {
  const request = readTapQuery(query);
  if (typeof request === "string") throw new Error(request);
  return matchesTap(request.filter, observation, api);
}

describe("a filter", () => {
  test.each([
    "",
    "service=api",
    "direction=inbound",
    "method=post",
    "path-prefix=/a/",
    "path-prefix=%2Fa%2Fb",
    "status=404",
    "status=4xx",
    "caller=web",
    `caller=${web}`,
    "errors",
    "errors=true&status=4xx&service=api&method=POST&caller=web&limit=5",
  ])("%p takes the request", (query) => {
    expect(matches(query)).toBe(true);
  });

  test.each([
    "service=ap",
    "direction=outbound",
    "method=GET",
    "path-prefix=/b",
    "status=403",
    "status=5xx",
    "caller=eb",
    "caller=api",
    "service=api&status=200",
  ])("%p does not", (query) => {
    expect(matches(query)).toBe(false);
  });

  test.each([
    ["verb=GET", /^unknown filter; there are service, direction,/],
    ["constructor=1", /^unknown filter/],
    ["status=4x", /^status must be like 404 or 5xx/],
    ["status=999", /^status must be/],
    ["direction=up", /^direction must be inbound or outbound/],
    ["limit=0", /^limit must be a whole number from 1/],
    ["limit=1e3", /^limit must be/],
    ["errors=no", /^errors takes/],
    ["status=404&status=500", /^status is there twice/],
  ])("%p says what is wrong", (query, message) => {
    expect(readTapQuery(query)).toMatch(message);
  });
});
