import { describe, expect, test } from "bun:test";
import { defaultTelemetry } from "../../lib/contract/proxy-telemetry.ts";
import { listSettings, sourcesByPath } from "../../lib/contract/setting-sources.ts";
import { sidecar, upstream } from "./sidecar-fixtures.ts";
import { createWrittenEntries } from "./written-entries.ts";

type Entries = ReturnType<typeof createWrittenEntries>;

/** `[value, source]` of a path of the document. */
function settingAt(entries: Entries, path: string): unknown {
  const { config, authors } = entries.document();
  const found = listSettings(config, sourcesByPath(authors)).find((one) => one.path === path);
  return [found?.value, found?.source];
}

describe("UpstreamConfig of the calling service", () => {
  const Overrides = [
    { Name: "api", Protocol: "GRPC", Limits: { MaxConnections: 20 } },
    { Name: "db", ConnectTimeoutMs: 1 },
  ];
  const entry = (UpstreamConfig: object) => ({ Kind: "service-defaults", Name: "web", UpstreamConfig });

  test("holds for its upstreams: the registration over overrides over defaults over the resolver", async () => {
    const Upstreams = [
      upstream({ Config: { limits: { max_connections: 30 } } }),
      upstream({ DestinationName: "cache", LocalBindPort: 9_192 }),
    ];
    const entries = createWrittenEntries(sidecar({ proxy: { Upstreams } }));
    const resolver = { Kind: "service-resolver", Name: "api", ConnectTimeout: "1s" };
    await entries.write(resolver);
    expect(settingAt(entries, "outbound[0].connectTimeoutMs")).toEqual([1_000, "service-resolver api"]);
    await entries.write(entry({ Defaults: { ConnectTimeoutMs: 250, Limits: { MaxConnections: 10 } }, Overrides }));
    const defaults = "service-defaults of web: UpstreamConfig.Defaults";
    expect(settingAt(entries, "outbound[0].connectTimeoutMs")).toEqual([250, `${defaults}.ConnectTimeoutMs`]);
    expect(settingAt(entries, "outbound[0].protocol")).toEqual([
      "grpc",
      "service-defaults of web: UpstreamConfig.Overrides[0].Protocol",
    ]);
    expect(settingAt(entries, "outbound[0].maxConnections")).toEqual([
      30,
      "registration of web-sidecar-proxy: upstream api: limits.max_connections",
    ]);
    expect(settingAt(entries, "outbound[1].maxConnections")).toEqual([10, `${defaults}.Limits.MaxConnections`]);
    expect(settingAt(entries, "outbound[1].protocol")).toEqual(["tcp", "service-defaults of cache or proxy-defaults"]);
  });

  test("holds for every cluster that a route comes to", async () => {
    const entries = createWrittenEntries();
    await entries.write(
      { Kind: "proxy-defaults", Config: { protocol: "http" } },
      entry({ Overrides: [{ Name: "api", ConnectTimeoutMs: 7 }] }),
    );
    await entries.write({
      Kind: "service-splitter",
      Name: "api",
      Splits: [{ Weight: 50 }, { Weight: 50, Service: "new" }],
    });
    expect(settingAt(entries, "outbound[0].clusters[0].connectTimeoutMs")).toEqual([
      7,
      "service-defaults of web: UpstreamConfig.Overrides[0].ConnectTimeoutMs",
    ]);
  });

  test("beyond the document's bounds is what can be had, which is said", async () => {
    const entries = createWrittenEntries();
    await entries.write(entry({ Defaults: { ConnectTimeoutMs: 86_400_001 } }));
    expect(entries.document().outbound.connectTimeoutMs).toBe(86_400_000);
    expect(entries.document().problems).toEqual([
      "service-defaults of web: UpstreamConfig.Defaults.connect_timeout_ms: 86400001 is more than 86400000, which is used instead",
    ]);
  });

  test("turns on outlier detection and says how many requests may be under way and may wait", async () => {
    const entries = createWrittenEntries();
    expect(entries.document().outbound.outlierDetection).toBeUndefined();
    const PassiveHealthCheck = { Interval: "5s", MaxFailures: 3, EnforcingConsecutive5xx: 0, MaxEjectionPercent: 50 };
    const Limits = { MaxPendingRequests: 7, MaxConcurrentRequests: 8 };
    await entries.write(entry({ Defaults: { Limits, PassiveHealthCheck } }));
    const { outbound } = entries.document();
    expect(outbound).toMatchObject({
      maxPendingRequests: 7,
      maxRequests: 8,
      outlierDetection: {
        intervalMs: 5_000,
        consecutive5xx: 3,
        enforcingConsecutive5xx: 0,
        maxEjectionPercent: 50,
        baseEjectionTimeMs: 30_000,
      },
    });
    const defaults = "service-defaults of web: UpstreamConfig.Defaults";
    expect(settingAt(entries, "outbound[0].maxPendingRequests")).toEqual([7, `${defaults}.Limits.MaxPendingRequests`]);
    expect(settingAt(entries, "outbound[0].maxRequests")).toEqual([8, `${defaults}.Limits.MaxConcurrentRequests`]);
    const outlier = "outbound[0].outlierDetection";
    expect(settingAt(entries, `${outlier}.intervalMs`)).toEqual([5_000, `${defaults}.PassiveHealthCheck.Interval`]);
    expect(settingAt(entries, `${outlier}.enforcingConsecutive5xx`)).toEqual([
      0,
      `${defaults}.PassiveHealthCheck.EnforcingConsecutive5xx`,
    ]);
    expect(settingAt(entries, `${outlier}.baseEjectionTimeMs`)).toEqual([30_000, "default"]);
    expect((await entries.catalog.get("/v1/config/service-defaults/web")).json).toMatchObject({
      UpstreamConfig: { Defaults: { Limits, PassiveHealthCheck } },
    });
  });

  test("an empty passive health check is one with the defaults", async () => {
    const entries = createWrittenEntries();
    await entries.write(entry({ Overrides: [{ Name: "api", PassiveHealthCheck: {} }] }));
    expect(entries.document().outbound.outlierDetection).toMatchObject({ consecutive5xx: 5, maxEjectionPercent: 10 });
    await entries.write(entry({ Overrides: [{ Name: "api", PassiveHealthCheck: null }] }));
    expect(entries.document().outbound.outlierDetection).toBeUndefined();
  });

  test("limits and health check of an override replace those of the defaults, a registration changes single ones", async () => {
    const Config = { limits: { max_concurrent_requests: 3 }, passive_health_check: { max_failures: 9 } };
    const Upstreams = [upstream({ Config }), upstream({ DestinationName: "cache", LocalBindPort: 9_192 })];
    const entries = createWrittenEntries(sidecar({ proxy: { Upstreams } }));
    await entries.write(
      entry({
        Defaults: {
          Limits: { MaxConnections: 4, MaxPendingRequests: 5 },
          PassiveHealthCheck: { MaxFailures: 1, BaseEjectionTime: "1s" },
        },
        Overrides: [
          { Name: "api", Limits: { MaxPendingRequests: 6 }, PassiveHealthCheck: { Interval: "1s", MaxFailures: 2 } },
        ],
      }),
    );
    const [api, cache] = entries.document().config.outbound;
    expect(api).toMatchObject({ maxConnections: 65_536, maxPendingRequests: 6, maxRequests: 3 });
    expect(api?.outlierDetection).toMatchObject({ intervalMs: 1_000, consecutive5xx: 9, baseEjectionTimeMs: 30_000 });
    expect(cache).toMatchObject({ maxConnections: 4, maxPendingRequests: 5, maxRequests: 0 });
    expect(cache?.outlierDetection).toMatchObject({ consecutive5xx: 1, baseEjectionTimeMs: 1_000 });
    expect(settingAt(entries, "outbound[0].outlierDetection.consecutive5xx")).toEqual([
      9,
      "registration of web-sidecar-proxy: upstream api: passive_health_check.max_failures",
    ]);
  });

  test("is not that of the called service", async () => {
    const entries = createWrittenEntries();
    await entries.write({ ...entry({ Defaults: { ConnectTimeoutMs: 250 } }), Name: "api" });
    expect(settingAt(entries, "outbound[0].connectTimeoutMs")).toEqual([5_000, "default"]);
  });

  test("is read back as it was written", async () => {
    const entries = createWrittenEntries();
    await entries.write(entry({ Defaults: { ConnectTimeoutMs: 250, MeshGateway: { Mode: "none" } }, Overrides }));
    expect((await entries.catalog.get("/v1/config/service-defaults/web")).json).toMatchObject({
      UpstreamConfig: {
        Defaults: { ConnectTimeoutMs: 250, MeshGateway: {} },
        Overrides: [
          { Name: "api", Protocol: "grpc", Limits: { MaxConnections: 20 } },
          { Name: "db", ConnectTimeoutMs: 1 },
        ],
      },
    });
  });

  test.each([
    [{ Defaults: { Name: "api", ConnectTimeoutMs: 1 } }, "UpstreamConfig.Defaults.Name must be left out"],
    [{ Overrides: [{ ConnectTimeoutMs: 1 }] }, "UpstreamConfig.Overrides[0].Name is required"],
    [{ Overrides: [{ Name: "a" }, { Name: "a" }] }, 'UpstreamConfig.Overrides[1]: "a" is overridden more than once'],
    [{ Overrides: [{ Name: "a", Protocol: "udp" }] }, "UpstreamConfig.Overrides[0].Protocol must be one of"],
    [
      { Defaults: { PassiveHealthCheck: { Interval: "99ms" } } },
      "UpstreamConfig.Defaults.PassiveHealthCheck.Interval must be at least 100ms",
    ],
    [
      { Overrides: [{ Name: "a", PassiveHealthCheck: { BaseEjectionTime: "25h" } }] },
      "UpstreamConfig.Overrides[0].PassiveHealthCheck.BaseEjectionTime must be between 0s and 24h",
    ],
    [
      { Defaults: { PassiveHealthCheck: { MaxEjectionPercent: 101 } } },
      "UpstreamConfig.Defaults.PassiveHealthCheck.MaxEjectionPercent",
    ],
    [{ Defaults: { PassiveHealthCheck: { MaxFailure: 1 } } }, "UpstreamConfig.Defaults.PassiveHealthCheck.MaxFailure"],
    [{ Defaults: { Limits: { MaxPendingRequests: -1 } } }, "UpstreamConfig.Defaults.Limits.MaxPendingRequests"],
    [{ Defaults: { BalanceOutboundConnections: "exact_balance" } }, "BalanceOutboundConnections is not supported"],
    [{ Defaults: { MeshGateway: { Mode: "local" } } }, "UpstreamConfig.Defaults.MeshGateway is not supported"],
  ])("%j is refused by name", async (UpstreamConfig, message) => {
    expect(await createWrittenEntries().refusal(entry(UpstreamConfig))).toContain(message);
  });
});

describe("AccessLogs of proxy-defaults", () => {
  const entry = (AccessLogs: object) => ({ Kind: "proxy-defaults", AccessLogs });

  test.each([
    [{ Enabled: true }, {}],
    [{ Enabled: true, Type: "stderr" }, { path: "stderr" }],
    [{ Enabled: true, Type: "file", Path: "/var/log/a" }, { path: "/var/log/a" }],
    [{ Enabled: true, JSONFormat: '{"s":"%RESPONSE_CODE%"}' }, { jsonFormat: { s: "%RESPONSE_CODE%" } }],
    [
      { Enabled: true, TextFormat: "%RESPONSE_CODE%\n" },
      { format: "text", textFormat: "%RESPONSE_CODE%" },
    ],
  ] as const)("%j are a proxy's access log", async (AccessLogs, accessLog) => {
    const entries = createWrittenEntries();
    await entries.write(entry(AccessLogs));
    const { telemetry } = entries.document().config;
    expect(telemetry).toEqual({
      ...defaultTelemetry,
      accessLog: { ...defaultTelemetry.accessLog, enabled: true, ...accessLog },
    });
    expect(settingAt(entries, "telemetry.accessLog.enabled")).toEqual([true, "proxy-defaults: AccessLogs"]);
    expect((await entries.catalog.get("/v1/config/proxy-defaults/global")).json).toMatchObject({ AccessLogs });
  });

  test("are off where nobody asks for them", async () => {
    const entries = createWrittenEntries();
    await entries.write(entry({}));
    expect(entries.document().config.telemetry).toEqual(defaultTelemetry);
    expect(settingAt(entries, "telemetry.accessLog.enabled")).toEqual([false, "default"]);
  });

  test.each([
    [{ Type: "syslog" }, 'invalid access log type: "syslog"'],
    [{ Type: "file" }, "AccessLogs.Path must be specified"],
    [{ Type: "file", Path: "a.log" }, "a proxy could not write these AccessLogs: accessLog.path"],
    [{ Path: "/a" }, "AccessLogs.Path must be left out unless Type is file"],
    [{ JSONFormat: "{}", TextFormat: "a" }, "cannot specify both"],
    [{ JSONFormat: "[1]" }, "AccessLogs.JSONFormat must be the JSON of an object"],
    [{ JSONFormat: '{"a":{"b":"c"}}' }, "a proxy could not write these AccessLogs: accessLog.jsonFormat.a"],
    [{ TextFormat: "%NOTHING%" }, "a proxy could not write these AccessLogs: accessLog.textFormat"],
    [{ TextFormat: "%REQ(AUTHORIZATION)%" }, "a proxy could not write these AccessLogs: accessLog.textFormat"],
  ])("%j are refused", async (AccessLogs, message) => {
    expect(await createWrittenEntries().refusal(entry(AccessLogs))).toContain(message);
  });
});

test("golden metrics are asked for in proxy-defaults, or in a registration", async () => {
  const entries = createWrittenEntries();
  await entries.write({ Kind: "proxy-defaults", Config: { metric_names: ["own", "linkerd"] } });
  expect(entries.document().config.telemetry.metrics.names).toEqual(["own", "linkerd"]);
  expect(settingAt(entries, "telemetry.metrics.names[1]")).toEqual(["linkerd", "proxy-defaults: metric_names"]);
  const own = createWrittenEntries(sidecar({ proxy: { Config: { metric_names: ["istio"] } } }));
  expect(own.compute()).toMatchObject({ config: { telemetry: { metrics: { names: ["istio"] } } } });
  expect(await entries.refusal({ Kind: "proxy-defaults", Config: { metric_names: ["statsd"] } })).toContain(
    "Config.metric_names: must be a list of own, linkerd, istio",
  );
});
