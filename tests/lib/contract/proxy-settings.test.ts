import { describe, expect, test } from "bun:test";
import { readProxySettings, readUpstreamSettings } from "../../../lib/contract/proxy-settings.ts";

const unset = {
  protocol: undefined,
  bindAddress: undefined,
  bindPort: undefined,
  adminBindAddress: undefined,
  adminBindPort: undefined,
  localConnectTimeoutMs: undefined,
  localRequestTimeoutMs: undefined,
  localIdleTimeoutMs: undefined,
  maxInboundConnections: undefined,
  maxHeadBytes: undefined,
  drainTimeoutMs: undefined,
  workers: undefined,
  metricNames: undefined,
};

describe("the settings of a proxy", () => {
  test("are all read from Consul's names", () => {
    const { settings, issues, notes } = readProxySettings({
      protocol: "HTTP2",
      bind_address: "0.0.0.0",
      bind_port: 20_000,
      admin_bind_address: "127.0.0.9",
      admin_bind_port: 65_535,
      local_connect_timeout_ms: 1,
      local_idle_timeout_ms: 2,
      local_request_timeout_ms: 7,
      max_inbound_connections: 3,
      max_request_headers_kb: 4,
      drain_timeout_ms: 5,
      workers: 6,
      metric_names: ["istio", "own"],
    });
    expect([issues, notes]).toEqual([[], []]);
    expect(settings).toEqual({
      protocol: "http2",
      bindAddress: "0.0.0.0",
      bindPort: 20_000,
      adminBindAddress: "127.0.0.9",
      adminBindPort: 65_535,
      localConnectTimeoutMs: 1,
      localRequestTimeoutMs: 7,
      localIdleTimeoutMs: 2,
      maxInboundConnections: 3,
      maxHeadBytes: 4_096,
      drainTimeoutMs: 5,
      workers: 6,
      metricNames: ["own", "istio"],
    });
  });

  test("may be written as text, and nothing, null, empty and 0 are not set", () => {
    expect(readProxySettings({ local_connect_timeout_ms: "250", workers: "2" }).settings).toEqual({
      ...unset,
      localConnectTimeoutMs: 250,
      workers: 2,
    });
    const { settings, issues, notes } = readProxySettings({
      protocol: "",
      bind_port: 0,
      local_connect_timeout_ms: null,
      max_inbound_connections: 0,
      drain_timeout_ms: "",
      local_request_timeout_ms: 0,
    });
    expect([settings, issues, notes]).toEqual([unset, [], []]);
  });

  test("of other proxies are nobody's business here", () => {
    const { settings, issues, notes } = readProxySettings({ envoy_prometheus_bind_addr: 1, balance: {} });
    expect([settings, issues, notes]).toEqual([unset, [], []]);
  });

  const milliseconds = "must be a whole number from 1 to 86400000, found";
  test.each([
    ["protocol", "udp", 'must be one of tcp, http, http2, grpc, found "udp"'],
    ["protocol", 1, "must be text, found 1"],
    ["metric_names", "own", 'must be a list of own, linkerd, istio, each once, found "own"'],
    ["metric_names", ["own", "own"], 'must be a list of own, linkerd, istio, each once, found ["own","own"]'],
    ["metric_names", ["statsd"], 'must be a list of own, linkerd, istio, each once, found ["statsd"]'],
    ["bind_address", 7, "must be text, found 7"],
    ["bind_port", 65_536, "must be a port from 1 to 65535, found 65536"],
    ["admin_bind_port", 65_536, "must be a port from 1 to 65535, found 65536"],
    ["local_connect_timeout_ms", "5s", `${milliseconds} "5s"`],
    ["local_connect_timeout_ms", 1.5, `${milliseconds} 1.5`],
    ["local_idle_timeout_ms", -1, `${milliseconds} -1`],
    ["max_inbound_connections", true, "must be a whole number from 1 to 1000000, found true"],
    ["max_request_headers_kb", [60], "must be a whole number from 1 to 1024, found [60]"],
    ["drain_timeout_ms", {}, `${milliseconds} {}`],
    ["workers", "many", 'must be "auto" or a whole number from 1 to 256, found "many"'],
    ["local_request_timeout_ms", "15s", `${milliseconds} "15s"`],
  ])("name what is wrong: %s %p", (key, value, message) => {
    const { settings, issues } = readProxySettings({ [key]: value });
    expect(issues).toEqual([{ path: key, message }]);
    expect(settings).toEqual(unset);
  });

  test.each([
    ["local_connect_timeout_ms", "localConnectTimeoutMs", 86_400_000],
    ["local_request_timeout_ms", "localRequestTimeoutMs", 86_400_000],
    ["local_idle_timeout_ms", "localIdleTimeoutMs", 86_400_000],
    ["max_inbound_connections", "maxInboundConnections", 1_000_000],
    ["drain_timeout_ms", "drainTimeoutMs", 86_400_000],
    ["workers", "workers", 256],
  ])("are taken up to their bound, which stands for what is beyond: %s", (key, field, largest) => {
    expect(readProxySettings({ [key]: largest })).toEqual({
      settings: { ...unset, [field]: largest },
      issues: [],
      notes: [],
    });
    expect(readProxySettings({ [key]: largest + 1 })).toEqual({
      settings: { ...unset, [field]: largest },
      issues: [],
      notes: [`${key}: ${largest + 1} is more than ${largest}, which is used instead`],
    });
  });
});

describe("the settings of an upstream", () => {
  test("are read from Consul's names", () => {
    const config = {
      protocol: "grpc",
      connect_timeout_ms: "250",
      limits: { max_connections: 3, max_pending_requests: 4, max_concurrent_requests: "5" },
      passive_health_check: { interval: "1m", max_failures: 2, max_ejection_percent: 0, base_ejection_time: 5e8 },
    };
    expect(readUpstreamSettings(config)).toEqual({
      settings: {
        protocol: "grpc",
        connectTimeoutMs: 250,
        maxConnections: 3,
        maxPendingRequests: 4,
        maxRequests: 5,
        outlierDetection: {
          intervalMs: 60_000,
          consecutive5xx: 2,
          enforcingConsecutive5xx: undefined,
          maxEjectionPercent: 0,
          baseEjectionTimeMs: 500,
        },
      },
      issues: [],
      notes: [],
    });
  });

  test("name what is wrong with its path", () => {
    expect(readUpstreamSettings({ connect_timeout_ms: "soon", limits: { max_connections: -1 } }).issues).toEqual([
      { path: "connect_timeout_ms", message: `must be a whole number from 1 to 86400000, found "soon"` },
      { path: "limits.max_connections", message: "must be a whole number from 1 to 1000000, found -1" },
    ]);
    expect(readUpstreamSettings({ limits: 3 }).issues).toEqual([{ path: "limits", message: "must be a map, found 3" }]);
    const passive_health_check = { interval: "99ms", base_ejection_time: "soon", max_ejection_percent: 101 };
    expect(readUpstreamSettings({ passive_health_check }).issues).toEqual([
      {
        path: "passive_health_check.interval",
        message: `must be a duration such as "10s", of 100ms at least, found "99ms"`,
      },
      { path: "passive_health_check.max_ejection_percent", message: "must be a percentage from 0 to 100, found 101" },
      {
        path: "passive_health_check.base_ejection_time",
        message: `must be a duration such as "10s", of 1ms at least, found "soon"`,
      },
    ]);
  });
});
