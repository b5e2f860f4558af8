import { expect, test } from "bun:test";
import { computeProxyConfig, type ProxyConfigInput } from "../../agent/proxy-config.ts";
import { mustGet } from "../../lib/base/assert.ts";
import { listSettings, sourcesByPath } from "../../lib/contract/setting-sources.ts";
import { instance, serviceConfig, sidecar, upstream } from "./sidecar-fixtures.ts";

/** What `GET /config?sources` says of each path, for the document of a sidecar. */
function sources(overrides: Partial<ProxyConfigInput>): (path: string) => unknown {
  const result = computeProxyConfig({
    sidecar: sidecar(),
    trustDomain: "11111111-2222-3333-4444-555555555555.consul",
    datacenter: "dc1",
    nodeZone: "",
    bindAddress: "127.0.0.5",
    adminAddress: "127.0.0.5:19000",
    identity: { certFile: "/d/leaf.crt", keyFile: "/d/leaf.key", caFile: "/d/roots.crt" },
    intentions: { rules: [], defaultAction: "deny" },
    serviceConfig: serviceConfig(),
    upstreams: new Map(),
    ...overrides,
  });
  const { config, authors } = mustGet(result.ok ? result : undefined, "a document");
  const settings = listSettings(config, sourcesByPath(authors));
  return (path) => {
    const found = mustGet(
      settings.find((one) => one.path === path),
      path,
    );
    return [found.value, found.source];
  };
}

test("the registration is named with its setting, before proxy-defaults, before service-defaults", () => {
  const id = sidecar().ID;
  const central = serviceConfig({ localConnectTimeoutMs: 1_000, maxInboundConnections: 9 });
  const proxyDefaults = { local_connect_timeout_ms: 2_000, drain_timeout_ms: 7_000 };
  const own = { local_connect_timeout_ms: 3_000 };
  const connect = "inbound[0].connectTimeoutMs";
  expect(sources({})(connect)).toEqual([5_000, "default"]);
  expect(sources({ serviceConfig: central })(connect)).toEqual([1_000, "service-defaults of web"]);
  const both = { ...central, proxyDefaults };
  expect(sources({ serviceConfig: both })(connect)).toEqual([2_000, "proxy-defaults: local_connect_timeout_ms"]);
  const all = sources({ serviceConfig: both, sidecar: sidecar({ proxy: { Config: own } }) });
  expect(all(connect)).toEqual([3_000, `registration of ${id}: local_connect_timeout_ms`]);
  expect(all("inbound[0].maxConnections")).toEqual([9, "service-defaults of web"]);
  expect(all("drainTimeoutMs")).toEqual([7_000, "proxy-defaults: drain_timeout_ms"]);
  expect(all("workers")).toEqual([1, "default"]);
});

test("a setting of 0 is nobody's: the default stands", () => {
  const zero = sources({ sidecar: sidecar({ proxy: { Config: { local_connect_timeout_ms: 0 } } }) });
  expect(zero("inbound[0].connectTimeoutMs")).toEqual([5_000, "default"]);
});

test("each upstream's values are those of its own registration, in the document's order", () => {
  const id = sidecar().ID;
  const first = upstream({ DestinationName: "db", LocalBindPort: 9_192, Config: { connect_timeout_ms: 250 } });
  const second = upstream({ DestinationName: "api", Config: { limits: { max_connections: 4 } } });
  const at = sources({
    sidecar: sidecar({ proxy: { Upstreams: [first, second] } }),
    upstreams: new Map([["api", { endpoints: [instance("a")], config: serviceConfig({ service: "api" }) }]]),
  });
  expect(at("outbound[0].service")).toEqual(["api", `registration of ${id}: upstream api`]);
  expect(at("outbound[0].endpoints[0].address")).toEqual(["10.0.0.1:21000", "catalog"]);
  expect(at("outbound[0].maxConnections")).toEqual([4, `registration of ${id}: upstream api: limits.max_connections`]);
  expect(at("outbound[0].connectTimeoutMs")).toEqual([5_000, "default"]);
  expect(at("outbound[1].connectTimeoutMs")).toEqual([250, `registration of ${id}: upstream db: connect_timeout_ms`]);
  expect(at("outbound[1].maxConnections")).toEqual([65_536, "default"]);
});

test("the mesh entry is named where it has a word for a rule", () => {
  const mesh = {
    RequestNormalization: {
      InsecureDisablePathNormalization: false,
      MergeSlashes: true,
      PathWithEscapedSlashesAction: "",
      HeadersWithUnderscoresAction: "",
    },
    SanitizeXForwardedClientCert: true,
  } as const;
  const at = sources({ serviceConfig: serviceConfig({ mesh }) });
  expect(at("inbound[0].requestRules.mergeSlashes")).toEqual([true, "mesh"]);
  expect(at("inbound[0].requestRules.backslashes")).toEqual(["slash", "default"]);
  expect(at("inbound[0].clientCert")).toEqual(["sanitize", "mesh"]);
});
