import { describe, expect, test } from "bun:test";
import { defaultAdaptiveConcurrency } from "../../../lib/contract/proxy-concurrency.ts";
import { parseProxyConfig } from "../../../lib/contract/proxy-config.ts";
import { defaultInboundRateLimit, defaultOutboundRateLimit } from "../../../lib/contract/proxy-rate-limit.ts";

const smallest = { identity: { certFile: "a", keyFile: "b", caFile: "c" }, admin: { listen: "127.0.0.1:19000" } };
const intentions = { default: "deny" };

function parse(side: "inbound" | "outbound", more: object): unknown {
  const own = side === "inbound" ? { app: "127.0.0.1:8080", intentions } : {};
  const listener = { service: "web", listen: "127.0.0.1:15001", protocol: "http", ...own, ...more };
  const parsed = parseProxyConfig({ ...smallest, [side]: [listener] });
  if (parsed.ok) return parsed.config[side][0];
  return parsed.issues.map((issue) => `${issue.path}: ${issue.message}`);
}

describe("limits of rate", () => {
  test("are none where nothing is said", () => {
    expect(parse("inbound", {})).toMatchObject({ rateLimit: defaultInboundRateLimit });
    expect(parse("outbound", {})).toMatchObject({ rateLimit: defaultOutboundRateLimit });
    expect([defaultInboundRateLimit.requestsPerSecond, defaultInboundRateLimit.perIdentity.requestsPerSecond]).toEqual([
      0, 0,
    ]);
  });

  test("have their bursts written out: what comes in a second, and one at least", () => {
    const rateLimit = {
      requestsPerSecond: 2.5,
      connections: { perSecond: 0.1 },
      rules: [{ requestsPerSecond: 7, burst: 50 }, { requestsPerSecond: 0 }],
      perIdentity: { requestsPerSecond: 4, overrides: [{ source: "spiffe://*/a", requestsPerSecond: 9 }] },
    };
    const once = parse("inbound", { rateLimit });
    expect(once).toMatchObject({
      rateLimit: {
        burst: 3,
        connections: { burst: 1 },
        rules: [{ burst: 50 }, { burst: 0 }],
        perIdentity: { burst: 4, overrides: [{ burst: 9 }] },
      },
    });
    expect(parseProxyConfig({ ...smallest, inbound: [once] })).toMatchObject({ ok: true, config: { inbound: [once] } });
    const routes = [{ rateLimit: { requestsPerSecond: 3 } }];
    expect(parse("outbound", { routes, rateLimit: { requestsPerSecond: 8 } })).toMatchObject({
      rateLimit: { burst: 8 },
      routes: [{ rateLimit: { burst: 3 } }],
    });
  });

  test("need requests where they limit requests", () => {
    const rate = { requestsPerSecond: 1 };
    const needs = "needs protocol http, http2 or grpc: there are no requests in tcp";
    const rateLimit = { ...rate, rules: [{ ...rate }], perIdentity: { ...rate }, connections: { perSecond: 1 } };
    expect(parse("inbound", { protocol: "tcp", rateLimit, adaptiveConcurrency: { enabled: true } })).toEqual([
      `inbound[0].rateLimit.requestsPerSecond: ${needs}`,
      `inbound[0].rateLimit.rules: ${needs}`,
      `inbound[0].rateLimit.perIdentity: ${needs}`,
      `inbound[0].adaptiveConcurrency.enabled: ${needs}`,
    ]);
    expect(parse("outbound", { protocol: "tcp", rateLimit: { ...rate, connections: { perSecond: 1 } } })).toEqual([
      `outbound[0].rateLimit.requestsPerSecond: ${needs}`,
    ]);
    expect(parse("outbound", { protocol: "tcp", rateLimit: { connections: { perSecond: 1 } } })).toMatchObject({
      rateLimit: { connections: { burst: 1 } },
    });
  });

  test("are refused with the path of what is wrong in them", () => {
    const rateLimit = {
      burst: 5,
      connections: { burst: 5 },
      rules: [
        { requestsPerSecond: 1, path: { type: "prefix", value: "x" } },
        { requestsPerSecond: 1, headers: [{ name: "a", type: "regex", value: "(" }] },
      ],
      perIdentity: { burst: 1, overrides: [{ source: "api", requestsPerSecond: 0, burst: 2 }] },
    };
    expect(parse("inbound", { rateLimit })).toEqual([
      "inbound[0].rateLimit.burst: has no effect while requestsPerSecond is 0",
      "inbound[0].rateLimit.connections.burst: has no effect while perSecond is 0",
      "inbound[0].rateLimit.perIdentity.burst: has no effect while requestsPerSecond is 0",
      'inbound[0].rateLimit.rules[0].path.value: must begin with /, found "x"',
      expect.stringContaining("inbound[0].rateLimit.rules[1].headers[0].value: must be a regular expression of RE2"),
      "inbound[0].rateLimit.perIdentity.overrides[0].burst: has no effect while requestsPerSecond is 0",
      'inbound[0].rateLimit.perIdentity.overrides[0].source: must be a SPIFFE id in which * stands for one whole segment, found "api"',
    ]);
    expect(parse("outbound", { rateLimit: { rules: [] } })).toEqual(["outbound[0].rateLimit.rules: unknown field"]);
  });

  test("of a route need a name of their own, and requests that go on", () => {
    const rateLimit = { requestsPerSecond: 1 };
    expect(parse("outbound", { routes: [{ name: "a", rateLimit }, { name: "a" }] })).toEqual([
      'outbound[0].routes[0].name: must be no other route\'s beside a rateLimit, found "a"',
    ]);
    expect(parse("outbound", { routes: [{ rateLimit }, { name: "routes[0]" }] })).toEqual([
      'outbound[0].routes[0].name: must be no other route\'s beside a rateLimit, found "routes[0]"',
    ]);
    expect(parse("outbound", { routes: [{ rateLimit, reply: { status: 200 } }] })).toEqual([
      "outbound[0].routes[0].rateLimit: has no effect beside reply",
    ]);
    expect(parse("outbound", { routes: [{ rateLimit: {} }] })).toEqual([
      "outbound[0].routes[0].rateLimit.requestsPerSecond: is required",
    ]);
  });
});

describe("adaptive concurrency", () => {
  test("is off where nothing is said, with Envoy's numbers", () => {
    expect(parse("inbound", {})).toMatchObject({ adaptiveConcurrency: defaultAdaptiveConcurrency });
    expect(defaultAdaptiveConcurrency).toEqual({
      enabled: false,
      minConcurrency: 3,
      maxConcurrency: 1_000,
      updateIntervalMs: 100,
      percentile: 50,
      minRttIntervalMs: 60_000,
      minRttRequests: 50,
      minRttTimeoutMs: 10_000,
      minRttJitterPercent: 15,
      minRttBufferPercent: 25,
      fixedMinRttMs: 0,
    });
  });

  test("has its lowest limit below its highest, at every destination", () => {
    const adaptiveConcurrency = { enabled: true, minConcurrency: 9, maxConcurrency: 8 };
    const message = "adaptiveConcurrency.maxConcurrency: must be at least minConcurrency, which is 9, found 8";
    expect(parse("inbound", { adaptiveConcurrency })).toEqual([`inbound[0].${message}`]);
    const clusters = [{ name: "v2", adaptiveConcurrency }];
    expect(parse("outbound", { adaptiveConcurrency, clusters })).toEqual([
      `outbound[0].${message}`,
      `outbound[0].clusters[0].${message}`,
    ]);
  });
});
