import Value from "typebox/value";
import { RetrySchema } from "../../lib/contract/proxy-resilience.ts";
import { describe, expect, test } from "bun:test";
import { defaultAdaptiveConcurrency } from "../../lib/contract/proxy-concurrency.ts";
import { defaultInboundRateLimit, defaultOutboundRateLimit } from "../../lib/contract/proxy-rate-limit.ts";
import { defaultBalancer, defaultPlacement } from "../../lib/contract/proxy-cluster.ts";
import { computeProxyConfig, type ProxyConfigInput } from "../../agent/proxy-config.ts";
import type { RequestNormalization } from "../../lib/contract/config-entries.ts";
import { defaultProxyLimits } from "../../lib/contract/proxy-limits.ts";
import type { ServiceInstance } from "../../lib/contract/catalog.ts";
import { instance, intention, serviceConfig, sidecar, upstream } from "./sidecar-fixtures.ts";
import { defaultRequestRules } from "../../proxy/message/request-rules.ts";

const defaultRetry = Value.Parse(RetrySchema, Value.Default(RetrySchema, {}));

const trustDomain = "11111111-2222-3333-4444-555555555555.consul";

function input(overrides: Partial<ProxyConfigInput> = {}): ProxyConfigInput {
  return {
    sidecar: sidecar(),
    trustDomain,
    datacenter: "dc1",
    nodeZone: "",
    bindAddress: "127.0.0.5",
    adminAddress: "127.0.0.5:19000",
    identity: { certFile: "/d/leaf.crt", keyFile: "/d/leaf.key", caFile: "/d/roots.crt" },
    intentions: { rules: [], defaultAction: "deny" },
    serviceConfig: serviceConfig(),
    upstreams: new Map(),
    ...overrides,
  };
}

function compute(overrides: Partial<ProxyConfigInput> = {}) {
  const result = computeProxyConfig(input(overrides));
  if (!result.ok) throw new Error(result.problems.join("; "));
  return result;
}

function endpointsOf(instances: readonly ServiceInstance[]) {
  const { config } = compute({
    sidecar: sidecar({ proxy: { Upstreams: [upstream()] } }),
    upstreams: new Map([["api", { endpoints: instances, config: serviceConfig({ service: "api" }) }]]),
  });
  return config.outbound[0]?.endpoints;
}

describe("inbound", () => {
  test("takes service, addresses and limits from the registration and the service's config", () => {
    const { config, problems } = compute({
      serviceConfig: serviceConfig({ protocol: "http", localConnectTimeoutMs: 1_500, maxInboundConnections: 7 }),
    });
    expect(problems).toEqual([]);
    expect(config.inbound).toEqual([
      {
        service: "web",
        listen: "127.0.0.5:21000",
        app: "127.0.0.1:8080",
        protocol: "http",
        intentions: { default: "deny", rules: [], dryRun: false },
        jwtProviders: [],
        rateLimit: defaultInboundRateLimit,
        adaptiveConcurrency: defaultAdaptiveConcurrency,
        requestRules: defaultRequestRules,
        clientCert: "sanitize-set",
        grpcWeb: true,
        connectTimeoutMs: 1_500,
        idleTimeoutMs: 3_600_000,
        timeoutMs: 0,
        streamIdleTimeoutMs: 300_000,
        upstreamIdleTimeoutMs: 55_000,
        maxConnections: 7,
      },
    ]);
    expect(config.admin).toEqual({ listen: "127.0.0.5:19000" });
  });

  test("passes on Consul's bound for the size of request heads, in the codecs' own units", () => {
    const { config, problems } = compute({ sidecar: sidecar({ proxy: { Config: { max_request_headers_kb: 16 } } }) });
    expect(problems).toEqual([]);
    expect(config.limits).toEqual({
      ...defaultProxyLimits,
      http1: { ...defaultProxyLimits.http1, maxHeadBytes: 16_384 },
      http2: { ...defaultProxyLimits.http2, maxHeaderListBytes: 16_384, maxHeaderBlockBytes: 16_384 },
    });
  });

  test("says so when that bound is more than can be had, and takes what can", () => {
    const { config, problems } = compute({ sidecar: sidecar({ proxy: { Config: { max_request_headers_kb: 8192 } } }) });
    expect(problems).toEqual(["Proxy.Config.max_request_headers_kb: 8192 is more than 1024, which is used instead"]);
    expect(config.limits.http1.maxHeadBytes).toBe(1_048_576);
  });

  test("a service without a port has no inbound, and its upstreams work all the same", () => {
    const client = sidecar({ proxy: { LocalServicePort: 0, Upstreams: [upstream()] } });
    const { config, problems } = compute({ sidecar: client });
    expect([config.inbound, config.outbound.length, problems]).toEqual([[], 1, []]);
  });

  test("an unset connect timeout and connection limit are the document's defaults", () => {
    const [inbound] = compute().config.inbound;
    expect([inbound?.connectTimeoutMs, inbound?.maxConnections]).toEqual([5_000, 65_536]);
  });

  test.each([
    ["the sidecar's address", sidecar({ Address: "10.1.2.3" }), "10.1.2.3:21000"],
    ["an IPv6 address", sidecar({ Address: "fd00::7" }), "[fd00::7]:21000"],
    [
      "what Proxy.Config binds",
      sidecar({ Address: "203.0.113.9", proxy: { Config: { bind_address: "0.0.0.0", bind_port: 4_000 } } }),
      "0.0.0.0:4000",
    ],
  ])("listens on %s", (_what, registration, listen) => {
    expect(compute({ sidecar: registration }).config.inbound[0]?.listen).toBe(listen);
  });

  test("the registration's own settings win over the service's config", () => {
    const settings = { protocol: "grpc", local_connect_timeout_ms: 9, max_inbound_connections: 3 };
    const [inbound] = compute({
      sidecar: sidecar({ proxy: { Config: settings } }),
      serviceConfig: serviceConfig({ protocol: "http", localConnectTimeoutMs: 1, maxInboundConnections: 1 }),
    }).config.inbound;
    expect([inbound?.protocol, inbound?.connectTimeoutMs, inbound?.maxConnections]).toEqual(["grpc", 9, 3]);
  });

  test("settings of the wrong type, as an old registration may have them, are not taken and said", () => {
    const settings = { protocol: "carrier-pigeon", local_connect_timeout_ms: "soon", max_inbound_connections: -1 };
    const { config, problems } = compute({ sidecar: sidecar({ proxy: { Config: settings } }) });
    const [inbound] = config.inbound;
    expect([inbound?.protocol, inbound?.connectTimeoutMs, inbound?.maxConnections]).toEqual(["tcp", 5_000, 65_536]);
    expect(problems).toEqual([
      'Proxy.Config.protocol: must be one of tcp, http, http2, grpc, found "carrier-pigeon"',
      'Proxy.Config.local_connect_timeout_ms: must be a whole number from 1 to 86400000, found "soon"',
      "Proxy.Config.max_inbound_connections: must be a whole number from 1 to 1000000, found -1",
    ]);
  });

  test("the registration says how long streams may be idle, how long a proxy drains and how many processes it has", () => {
    const settings = { local_idle_timeout_ms: 15_000, drain_timeout_ms: 60_000, workers: "auto" };
    const { config, problems } = compute({ sidecar: sidecar({ proxy: { Config: settings } }) });
    expect([config.inbound[0]?.streamIdleTimeoutMs, config.drainTimeoutMs, config.workers]).toEqual([
      15_000,
      60_000,
      "auto",
    ]);
    expect(problems).toEqual([]);
  });

  test("what the registration leaves open the proxies' defaults say", () => {
    const proxyDefaults = { local_idle_timeout_ms: 15_000, drain_timeout_ms: 60_000, workers: 2 };
    const { config } = compute({
      sidecar: sidecar({ proxy: { Config: { workers: 3 } } }),
      serviceConfig: serviceConfig({ proxyDefaults }),
    });
    expect([config.inbound[0]?.streamIdleTimeoutMs, config.drainTimeoutMs, config.workers]).toEqual([
      15_000, 60_000, 3,
    ]);
  });

  test("the time of a request is the registration's, else the servers'", () => {
    const central = serviceConfig({ localRequestTimeoutMs: 5_000 });
    const timeoutOf = (config: Readonly<Record<string, unknown>>) =>
      compute({ serviceConfig: central, sidecar: sidecar({ proxy: { Config: config } }) }).config.inbound[0]?.timeoutMs;
    expect([timeoutOf({}), timeoutOf({ local_request_timeout_ms: 700 })]).toEqual([5_000, 700]);
  });

  test("an idle timeout that is turned off is as long as can be had", () => {
    const settings = { local_idle_timeout_ms: 0 };
    const { config, problems } = compute({ sidecar: sidecar({ proxy: { Config: settings } }) });
    expect(config.inbound[0]?.streamIdleTimeoutMs).toBe(86_400_000);
    expect(problems).toEqual([
      "Proxy.Config.local_idle_timeout_ms: it cannot be turned off; 86400000 is used instead of 0",
    ]);
  });

  test("a setting of the servers beyond the document's bounds costs nothing but itself", () => {
    const { config, problems } = compute({
      serviceConfig: serviceConfig({
        localConnectTimeoutMs: 86_400_001,
        maxInboundConnections: 1_000_001,
        localRequestTimeoutMs: 5,
      }),
    });
    const [inbound] = config.inbound;
    expect([inbound?.connectTimeoutMs, inbound?.maxConnections]).toEqual([86_400_000, 1_000_000]);
    expect(inbound?.timeoutMs).toBe(5);
    expect(problems).toEqual([
      "LocalConnectTimeoutMs: 86400001 is more than 86400000, which is used instead",
      "MaxInboundConnections: 1000001 is more than 1000000, which is used instead",
    ]);
  });
});

describe("the mesh's entry", () => {
  const mesh = (given: Partial<RequestNormalization>, SanitizeXForwardedClientCert = false) =>
    serviceConfig({
      mesh: {
        SanitizeXForwardedClientCert,
        RequestNormalization: {
          InsecureDisablePathNormalization: false,
          MergeSlashes: false,
          PathWithEscapedSlashesAction: "",
          HeadersWithUnderscoresAction: "",
          ...given,
        },
      },
    });
  const rulesFor = (given: Partial<RequestNormalization>) => {
    const { config } = compute({
      sidecar: sidecar({ proxy: { Upstreams: [upstream()] } }),
      serviceConfig: mesh(given),
    });
    const [inbound, outbound] = [config.inbound[0]?.requestRules, config.outbound[0]?.requestRules];
    expect(inbound).toEqual(outbound);
    return inbound;
  };

  test("that says nothing is what holds without one", () => {
    expect(rulesFor({})).toEqual(defaultRequestRules);
    const [inbound] = compute({ serviceConfig: mesh({}) }).config.inbound;
    expect(inbound?.clientCert).toBe("sanitize-set");
  });

  test("says how requests are read at both ends of a call", () => {
    expect(
      rulesFor({
        InsecureDisablePathNormalization: true,
        MergeSlashes: true,
        PathWithEscapedSlashesAction: "REJECT_REQUEST",
        HeadersWithUnderscoresAction: "DROP_HEADER",
      }),
    ).toEqual({
      ...defaultRequestRules,
      normalise: false,
      mergeSlashes: true,
      escapedSlashes: "reject",
      underscores: "drop",
    });
  });

  test.each([
    ["IMPLEMENTATION_SPECIFIC_DEFAULT", "keep"],
    ["KEEP_UNCHANGED", "keep"],
    ["UNESCAPE_AND_REDIRECT", "unescape-and-redirect"],
    ["UNESCAPE_AND_FORWARD", "unescape-and-forward"],
  ] as const)("says %s of escaped slashes for %s", (PathWithEscapedSlashesAction, escapedSlashes) => {
    expect(rulesFor({ PathWithEscapedSlashesAction })?.escapedSlashes).toBe(escapedSlashes);
  });

  test.each([
    ["ALLOW", "allow"],
    ["REJECT_REQUEST", "reject"],
  ] as const)("says %s of underscores for %s", (HeadersWithUnderscoresAction, underscores) => {
    expect(rulesFor({ HeadersWithUnderscoresAction })?.underscores).toBe(underscores);
  });

  test("keeps what proxies know of callers from applications where it says so", () => {
    const [inbound] = compute({ serviceConfig: mesh({}, true) }).config.inbound;
    expect(inbound?.clientCert).toBe("sanitize");
  });
});

describe("outbound", () => {
  test("names the upstream's peer identity and server name", () => {
    const { config } = compute({
      sidecar: sidecar({ proxy: { Upstreams: [upstream({ Config: { connect_timeout_ms: 250 } })] } }),
      upstreams: new Map([
        ["api", { endpoints: [instance("a")], config: serviceConfig({ service: "api", protocol: "http2" }) }],
      ]),
    });
    expect(config.outbound).toEqual([
      {
        service: "api",
        listen: "127.0.0.1:9191",
        protocol: "http2",
        endpoints: [{ address: "10.0.0.1:21000", weight: 1, ...defaultPlacement }],
        balancer: defaultBalancer,
        adaptiveConcurrency: defaultAdaptiveConcurrency,
        rateLimit: defaultOutboundRateLimit,
        peerIdentity: `spiffe://${trustDomain}/ns/default/dc/*/svc/api`,
        serverName: `api.default.dc1.internal.${trustDomain}`,
        clusters: [],
        mirrors: [],
        routes: [],
        unmatched: "forward",
        requestRules: defaultRequestRules,
        grpcWeb: true,
        connectTimeoutMs: 250,
        idleTimeoutMs: 3_600_000,
        timeoutMs: 0,
        retry: defaultRetry,
        streamIdleTimeoutMs: 300_000,
        upstreamIdleTimeoutMs: 55_000,
        maxRequests: 0,
        maxPendingRequests: 1_024,
        maxConnections: 65_536,
      },
    ]);
  });

  test.each([
    ["passing", ["passing"], 5],
    ["without checks", [], 5],
    ["warning", ["passing", "warning"], 2],
  ] as const)("an instance that is %s gets its weight of that state", (_what, statuses, weight) => {
    const weights = { Passing: 5, Warning: 2 };
    expect(endpointsOf([instance("a", { statuses, weights })])).toEqual([
      { address: "10.0.0.1:21000", weight, ...defaultPlacement },
    ]);
  });

  test.each([
    ["critical", instance("a", { statuses: ["passing", "critical"] })],
    ["of weight 0 in its state", instance("a", { statuses: ["warning"], weights: { Passing: 5, Warning: 0 } })],
    ["without a port", instance("a", { port: 0 })],
    ["at an address that is no address", instance("a", { address: "not an address" })],
  ])("an instance that is %s gets no traffic", (_what, one) => {
    expect(endpointsOf([one, instance("b", { address: "10.0.0.2" })])).toEqual([
      { address: "10.0.0.2:21000", weight: 1, ...defaultPlacement },
    ]);
  });

  test("an instance without an address of its own is at its node's", () => {
    expect(endpointsOf([instance("a", { address: "", nodeAddress: "fd00::1" })])).toEqual([
      { address: "[fd00::1]:21000", weight: 1, ...defaultPlacement },
    ]);
  });

  test("a weight over the document's bound is cut to it", () => {
    expect(endpointsOf([instance("a", { weights: { Passing: 1_000_000, Warning: 1 } })])?.[0]?.weight).toBe(65_535);
  });

  test("an upstream without a known instance still has its listener", () => {
    const { config } = compute({ sidecar: sidecar({ proxy: { Upstreams: [upstream()] } }) });
    expect(config.outbound.map(({ listen, endpoints }) => ({ listen, endpoints }))).toEqual([
      { listen: "127.0.0.1:9191", endpoints: [] },
    ]);
  });

  test("what cannot be honoured is said, and the other upstreams stand", () => {
    const { config, problems } = compute({
      sidecar: sidecar({
        proxy: {
          Upstreams: [
            upstream({ DestinationType: "prepared_query", DestinationName: "q", LocalBindPort: 1 }),
            upstream({ DestinationName: "far", Datacenter: "dc9", LocalBindPort: 2 }),
            upstream({ Datacenter: "dc1" }),
          ],
        },
      }),
    });
    expect(config.outbound.map((outbound) => outbound.service)).toEqual(["api"]);
    expect(problems).toEqual([
      'upstream "q": prepared queries cannot be upstreams yet',
      'upstream "far": datacenter "dc9" cannot be reached from "dc1"',
    ]);
  });
});

test("the same world in another order gives the identical document", () => {
  const instances = [instance("c", { address: "10.0.0.3" }), instance("a", { address: "10.0.0.1" })];
  const upstreams = [upstream({ DestinationName: "db", LocalBindPort: 9_000 }), upstream()];
  const rules = [intention("z", "web", "allow"), intention("b", "web", "deny")];
  const documentOf = (flip: <T>(list: readonly T[]) => T[]): string =>
    JSON.stringify(
      compute({
        sidecar: sidecar({ proxy: { Upstreams: flip(upstreams) } }),
        intentions: { rules: flip(rules), defaultAction: "allow" },
        upstreams: new Map(
          flip(["api", "db"]).map((service) => [
            service,
            { endpoints: flip(instances), config: serviceConfig({ service }) },
          ]),
        ),
      }).config,
    );
  expect(documentOf((list) => [...list])).toBe(documentOf((list) => list.toReversed()));
});

test("a registration whose listeners clash gives no document but the reason", () => {
  const result = computeProxyConfig(input({ sidecar: sidecar({ Address: "127.0.0.5", Port: 19_000 }) }));
  expect(result).toEqual({
    ok: false,
    problems: ["admin.listen: 127.0.0.5:19000 is already the address of inbound[0].listen"],
  });
});
