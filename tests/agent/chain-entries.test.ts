import { describe, expect, test } from "bun:test";
import { defaultPlacement } from "../../lib/contract/proxy-cluster.ts";
import { listSettings, sourcesByPath } from "../../lib/contract/setting-sources.ts";
import { createWrittenEntries, trustDomain } from "./written-entries.ts";
import { sidecar, upstream } from "./sidecar-fixtures.ts";

const http = { Kind: "proxy-defaults", Config: { protocol: "http" } };
const versions = {
  v1: { Filter: "Service.Meta.version == v1" },
  v2: { Filter: 'Service.Meta.version == v2 and "broken" not in Service.Tags', OnlyPassing: true },
};
const resolver = (fields: object, Name = "api") => ({ Kind: "service-resolver", Name, ...fields });
const splitter = (Splits: readonly object[], Name = "api") => ({ Kind: "service-splitter", Name, Splits });
const router = (...Routes: readonly object[]) => ({ Kind: "service-router", Name: "api", Routes });
const endpoint = (host: string) => ({ address: `${host}:21000`, weight: 1, ...defaultPlacement });
const noEdits = { set: [], add: [], remove: [] };

describe("a resolver in a proxy's document", () => {
  test("says how the listener's own cluster is called, without a route", async () => {
    const entries = createWrittenEntries();
    entries.register("api", "10.0.0.1");
    const LoadBalancer = {
      Policy: "ring_hash",
      RingHashConfig: { MinimumRingSize: 100, MaximumRingSize: 200 },
      HashPolicies: [
        { Field: "header", FieldValue: "x-user", Terminal: true },
        { Field: "query_parameter", FieldValue: "q" },
        { Field: "cookie", FieldValue: "c" },
        { SourceIP: true },
      ],
    };
    await entries.write(resolver({ ConnectTimeout: "250ms", RequestTimeout: "30s", LoadBalancer }));
    const { outbound } = entries.document();
    expect(outbound).toMatchObject({
      protocol: "tcp",
      endpoints: [endpoint("10.0.0.1")],
      connectTimeoutMs: 250,
      timeoutMs: 30_000,
      clusters: [],
      routes: [],
      balancer: {
        policy: "ring-hash",
        minRingSize: 100,
        maxRingSize: 200,
        hashPolicies: [
          { on: "header", name: "x-user", terminal: true },
          { on: "query", name: "q", terminal: false },
          { on: "cookie", name: "c", terminal: false },
          { on: "source-ip", name: "", terminal: false },
        ],
      },
    });
  });

  test.each([
    [
      { Policy: "least_request", LeastRequestConfig: { ChoiceCount: 5 } },
      { policy: "least-request", choices: 5 },
    ],
    [{ Policy: "round_robin" }, { policy: "round-robin" }],
    [{ Policy: "random" }, { policy: "random" }],
    [{ Policy: "maglev" }, { policy: "maglev" }],
    [
      { Policy: "ring_hash", RingHashConfig: { MaximumRingSize: 10 } },
      { minRingSize: 10, maxRingSize: 10 },
    ],
    [
      { Policy: "ring_hash", RingHashConfig: { MinimumRingSize: 300_000 } },
      { minRingSize: 300_000, maxRingSize: 300_000 },
    ],
  ])("%p is a balancer", async (LoadBalancer, balancer) => {
    const entries = createWrittenEntries();
    await entries.write(resolver({ LoadBalancer }));
    expect(entries.document().outbound.balancer).toMatchObject(balancer);
  });

  test("redirects a listener, of tcp as well, to another service and its identity", async () => {
    const entries = createWrittenEntries();
    entries.register("api", "10.0.0.1");
    entries.register("new", "10.0.0.2");
    await entries.write(resolver({ Redirect: { Service: "new" } }));
    expect(entries.document().outbound).toMatchObject({
      service: "api",
      endpoints: [endpoint("10.0.0.2")],
      peerIdentity: `spiffe://${trustDomain}/ns/default/dc/*/svc/new`,
      serverName: `new.default.dc1.internal.${trustDomain}`,
    });
  });

  test("chooses the instances of a subset, and while none is well those of the next one", async () => {
    const entries = createWrittenEntries();
    entries.register("api", "10.0.0.1", { Meta: { version: "v1" } });
    entries.register("api", "10.0.0.2", { Meta: { version: "v2" } });
    entries.register("api", "10.0.0.3", { Meta: { version: "v2" } }, "warning");
    entries.register("api", "10.0.0.4", { Meta: { version: "v2" }, Tags: ["broken"] });
    entries.register("api", "10.0.0.5", { Meta: { version: "v3" } });
    const Failover = { "*": { Targets: [{ ServiceSubset: "v1" }, { ServiceSubset: "any" }] } };
    await entries.write(resolver({ Subsets: { ...versions, any: {} }, DefaultSubset: "v2", Failover }));
    expect(entries.document().outbound.endpoints).toEqual([
      endpoint("10.0.0.2"),
      { ...endpoint("10.0.0.1"), priority: 1 },
      ...["10.0.0.3", "10.0.0.4", "10.0.0.5"].map((host) => ({ ...endpoint(host), priority: 2 })),
    ]);
  });

  test("fails over to another service, each of whose instances has its own identity", async () => {
    const entries = createWrittenEntries();
    entries.register("api", "10.0.0.1");
    entries.register("new", "10.0.0.2", { Meta: { version: "v1" } });
    entries.register("new", "10.0.0.3", { Meta: { version: "v2" } });
    entries.register("spare", "10.0.0.4");
    const Targets = [{ Service: "new", ServiceSubset: "v1" }, { Service: "spare" }];
    await entries.write(resolver({ Subsets: versions }, "new"), resolver({ Failover: { "*": { Targets } } }));
    const { outbound } = entries.document();
    const of = (service: string) => ({ service, serverName: `${service}.default.dc1.internal.${trustDomain}` });
    expect(outbound).toMatchObject({
      peerIdentity: `spiffe://${trustDomain}/ns/default/dc/*/svc/api`,
      serverName: `api.default.dc1.internal.${trustDomain}`,
      clusters: [],
    });
    expect(outbound.endpoints).toEqual([
      endpoint("10.0.0.1"),
      { ...endpoint("10.0.0.2"), ...of("new"), priority: 1 },
      { ...endpoint("10.0.0.4"), ...of("spare"), priority: 2 },
    ]);
    expect((await entries.catalog.get("/v1/config/service-resolver/api")).json).toMatchObject({
      Failover: { "*": { Targets } },
    });
  });

  test("is the identity of the service that a redirect leads to, and failover goes from there", async () => {
    const entries = createWrittenEntries();
    entries.register("new", "10.0.0.2");
    entries.register("spare", "10.0.0.3");
    await entries.write(
      resolver({ Redirect: { Service: "new" } }),
      resolver({ Failover: { "*": { Targets: [{ Service: "api" }, { Service: "spare" }] } } }, "new"),
    );
    // Who fails over to api comes to new again.
    expect(entries.document().outbound).toMatchObject({
      peerIdentity: `spiffe://${trustDomain}/ns/default/dc/*/svc/new`,
      endpoints: [endpoint("10.0.0.2"), { address: "10.0.0.3:21000", service: "spare", priority: 1 }],
    });
  });

  test("gives way to what the upstream's registration says", async () => {
    const Config = { connect_timeout_ms: 9, limits: { max_connections: 7 } };
    const entries = createWrittenEntries(sidecar({ proxy: { Upstreams: [upstream({ Config })] } }));
    await entries.write(http, resolver({ Subsets: versions, ConnectTimeout: "1s" }));
    await entries.write(splitter([{ Weight: 50 }, { Weight: 50, ServiceSubset: "v1" }]));
    const { connectTimeoutMs, maxConnections, clusters } = entries.document().outbound;
    expect([connectTimeoutMs, maxConnections]).toEqual([9, 7]);
    expect(clusters).toMatchObject([{ connectTimeoutMs: 9, maxConnections: 7 }]);
  });
});

describe("a splitter in a proxy's document", () => {
  test("divides requests among clusters, each with its own identity and changes", async () => {
    const entries = createWrittenEntries();
    entries.register("api", "10.0.0.1", { Meta: { version: "v1" } });
    entries.register("new", "10.0.0.2");
    const RequestHeaders = { Set: { "X-Split": "new" }, Remove: ["X-Debug"] };
    await entries.write(http, resolver({ Subsets: versions }), resolver({ ConnectTimeout: "1s" }, "new"));
    await entries.write(
      splitter([
        { Weight: 89.99, ServiceSubset: "v1" },
        { Weight: 0.01, Service: "api" },
        { Weight: 10, Service: "new", RequestHeaders, ResponseHeaders: { Add: { "X-From": "new" } } },
      ]),
    );
    const { outbound } = entries.document();
    expect(outbound).toMatchObject({ protocol: "http", endpoints: [endpoint("10.0.0.1")], connectTimeoutMs: 5_000 });
    expect(outbound.clusters).toMatchObject([
      {
        name: "v1.api",
        service: "api",
        endpoints: [endpoint("10.0.0.1")],
        peerIdentity: `spiffe://${trustDomain}/ns/default/dc/*/svc/api`,
      },
      {
        name: "new",
        service: "new",
        endpoints: [endpoint("10.0.0.2")],
        peerIdentity: `spiffe://${trustDomain}/ns/default/dc/*/svc/new`,
        connectTimeoutMs: 1_000,
      },
    ]);
    expect(outbound.routes).toMatchObject([
      {
        forward: {
          targets: [
            { cluster: "v1.api", weight: 89.99, requestHeaders: noEdits },
            { cluster: "api", weight: 0.01 },
            {
              cluster: "new",
              weight: 10,
              requestHeaders: { set: [{ name: "X-Split", value: "new" }], add: [], remove: ["X-Debug"] },
              responseHeaders: { set: [], add: [{ name: "X-From", value: "new" }], remove: [] },
            },
          ],
        },
      },
    ]);
  });

  test("without the plain service leaves the listener's own cluster empty: nothing goes there", async () => {
    const entries = createWrittenEntries();
    entries.register("api", "10.0.0.1");
    await entries.write(http, splitter([{ Weight: 100, Service: "new", RequestHeaders: { Set: { a: "b" } } }]));
    const { endpoints, routes } = entries.document().outbound;
    expect(endpoints).toEqual([]);
    expect(routes.map(({ forward }) => forward?.targets.map(({ cluster }) => cluster))).toEqual([["new"]]);
  });

  test("keeps a subset apart from a service that has its name", async () => {
    const entries = createWrittenEntries();
    await entries.write(http, resolver({ Subsets: versions }));
    await entries.write(
      splitter([
        { Weight: 50, ServiceSubset: "v1" },
        { Weight: 50, Service: "v1.api" },
      ]),
    );
    const { clusters, routes } = entries.document().outbound;
    expect(clusters.map(({ name, service }) => [name, service])).toEqual([
      ["v1.api-2", "api"],
      ["v1.api", "v1.api"],
    ]);
    expect(routes[0]?.forward?.targets.map(({ cluster }) => cluster)).toEqual(["v1.api-2", "v1.api"]);
  });
});

describe("a router in a proxy's document", () => {
  test("has all matches and destinations of Consul", async () => {
    const entries = createWrittenEntries();
    const Header = [
      { Name: "a", Exact: "1" },
      { Name: "b", Prefix: "2", Invert: true },
      { Name: "c", Suffix: "3" },
      { Name: "d", Regex: "4+" },
      { Name: "e", Present: true },
    ];
    const QueryParam = [
      { Name: "p", Exact: "1" },
      { Name: "q", Regex: "2+" },
      { Name: "r", Present: true },
    ];
    const Destination = {
      Service: "admin",
      PrefixRewrite: "/a",
      RequestTimeout: "3s",
      IdleTimeout: "4s",
      NumRetries: 2,
      RetryOn: ["gateway-error", "connect-failure"],
      RetryOnConnectFailure: true,
      RetryOnStatusCodes: [429, 503],
      RequestHeaders: { Add: { "X-A": "1" } },
      ResponseHeaders: { Remove: ["Server"] },
    };
    await entries.write(
      http,
      router(
        { Match: { HTTP: { PathPrefix: "/admin", Header, QueryParam, Methods: ["get", "POST"] } }, Destination },
        { Match: { HTTP: { PathExact: "/Exact", CaseInsensitive: true } }, Destination: { RetryOnStatusCodes: [500] } },
        { Match: { HTTP: { PathRegex: "/x/[0-9]+" } }, Destination: { NumRetries: 4 } },
      ),
    );
    const { routes } = entries.document().outbound;
    expect(routes).toMatchObject([
      {
        match: {
          path: { type: "prefix", value: "/admin", ignoreCase: false },
          headers: [
            { name: "a", type: "exact", value: "1", invert: false },
            { name: "b", type: "prefix", value: "2", invert: true },
            { name: "c", type: "suffix", value: "3" },
            { name: "d", type: "regex", value: "4+" },
            { name: "e", type: "present" },
          ],
          query: [
            { name: "p", type: "exact", value: "1" },
            { name: "q", type: "regex", value: "2+" },
            { name: "r", type: "present" },
          ],
          methods: ["GET", "POST"],
        },
        rewrite: { prefix: "/a" },
        requestHeaders: { add: [{ name: "X-A", value: "1" }] },
        responseHeaders: { remove: ["Server"] },
        forward: {
          targets: [{ cluster: "admin", weight: 100 }],
          timeoutMs: 3_000,
          idleTimeoutMs: 4_000,
          retry: {
            attempts: 2,
            on: ["gateway-error", "connect-failure", "retriable-status-codes"],
            statusCodes: [429, 503],
          },
        },
      },
      {
        match: { path: { type: "exact", value: "/Exact", ignoreCase: true } },
        forward: { targets: [{ cluster: "api" }], retry: { attempts: 1, on: ["retriable-status-codes"] } },
      },
      {
        match: { path: { type: "regex", value: "/x/[0-9]+" } },
        forward: { retry: { attempts: 4, on: [] } },
      },
      { match: { headers: [], query: [], methods: [] }, forward: { targets: [{ cluster: "api", weight: 100 }] } },
    ]);
    expect(routes[3]?.match.path).toBeUndefined();
    expect([routes[3]?.forward?.timeoutMs, routes[3]?.forward?.retry]).toEqual([undefined, undefined]);
  });

  test("a route without a time of its own has the longest of where it goes, or none", async () => {
    const entries = createWrittenEntries();
    await entries.write(http, resolver({ RequestTimeout: "2s" }), resolver({ RequestTimeout: "3s" }, "slow"));
    await entries.write(
      router(
        { Match: { HTTP: { PathPrefix: "/own" } }, Destination: { RequestTimeout: "1s" } },
        { Match: { HTTP: { PathPrefix: "/none" } }, Destination: { Service: "other" } },
      ),
      splitter([{ Weight: 50 }, { Weight: 50, Service: "slow" }]),
    );
    const { routes } = entries.document().outbound;
    expect(routes.map(({ forward }) => forward?.timeoutMs)).toEqual([1_000, undefined, 3_000]);
  });

  test("is not used for a listener that was registered as tcp, which is said", async () => {
    const Config = { protocol: "tcp" };
    const entries = createWrittenEntries(sidecar({ proxy: { Upstreams: [upstream({ Config })] } }));
    entries.register("api", "10.0.0.1");
    await entries.write(http, router({ Match: { HTTP: { PathPrefix: "/x" } }, Destination: { Service: "new" } }));
    const { outbound, problems } = entries.document();
    expect(outbound).toMatchObject({ protocol: "tcp", routes: [], clusters: [], endpoints: [endpoint("10.0.0.1")] });
    expect(problems).toEqual([
      'upstream "api": the protocol is "tcp", which has no requests to route: the service\'s routes and splits are not used',
    ]);
  });
});

test("each value is said to be that of the entry that said it", async () => {
  const entries = createWrittenEntries();
  await entries.write(
    http,
    resolver({ Subsets: versions, ConnectTimeout: "1s" }),
    resolver({ ConnectTimeout: "2s" }, "new"),
  );
  await entries.write(
    splitter([
      { Weight: 50, ServiceSubset: "v1" },
      { Weight: 50, Service: "new" },
    ]),
    router({ Match: { HTTP: { PathPrefix: "/x" } }, Destination: { Service: "plain", RequestTimeout: "1s" } }),
  );
  const { config, authors } = entries.document();
  const settings = listSettings(config, sourcesByPath(authors));
  const sourceOf = (path: string) => settings.find((one) => one.path === `outbound[0].${path}`)?.source;
  expect(sourceOf("routes[0].match.path.value")).toBe("service-router api");
  expect(sourceOf("routes[0].forward.timeoutMs")).toBe("service-router api");
  expect(sourceOf("routes[1].forward.targets[1].weight")).toBe("service-splitter api");
  expect(sourceOf("clusters[0].name")).toBe("service-router api");
  expect(sourceOf("clusters[1].connectTimeoutMs")).toBe("service-resolver api");
  expect(sourceOf("clusters[2].connectTimeoutMs")).toBe("service-resolver new");
  expect(sourceOf("clusters[0].connectTimeoutMs")).toBe("default");
  expect(sourceOf("clusters[2].peerIdentity")).toBe("agent");
});
