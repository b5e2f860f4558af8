import { describe, expect, test } from "bun:test";
import { createTestCatalog, type TestCatalog } from "./test-catalog.ts";

const http = (Name: string, Protocol = "http") => ({ Kind: "service-defaults", Name, Protocol });

/** A catalog in which entries were written that had to be taken. */
async function catalogWith(...entries: readonly object[]): Promise<TestCatalog> {
  const catalog = createTestCatalog();
  for (const entry of entries) {
    const { status, body } = await catalog.send("PUT", "/v1/config", entry);
    if (status !== 200) throw new Error(`${JSON.stringify(entry)}: ${body}`);
  }
  return catalog;
}

const resolver = (fields: object, Name = "api") => ({ Kind: "service-resolver", Name, ...fields });
const splitter = (Splits: readonly object[], Name = "api") => ({ Kind: "service-splitter", Name, Splits });
const router = (...Routes: readonly object[]) => ({ Kind: "service-router", Name: "api", Routes });

test("entries are read back as Consul answers them: what says nothing is left out, times are text", async () => {
  const full = resolver({
    DefaultSubset: "v1",
    Subsets: { v1: { Filter: "Service.Meta.version == 1" }, v2: { OnlyPassing: true }, all: {} },
    Failover: { v1: { Targets: [{ ServiceSubset: "v2" }] }, "*": { ServiceSubset: "all" } },
    ConnectTimeout: "1m30s",
    RequestTimeout: 250_000_000,
    LoadBalancer: {
      Policy: "maglev",
      HashPolicies: [{ Field: "header", FieldValue: "a", Terminal: true }, { SourceIP: true }],
    },
    Meta: { a: "b" },
  });
  const split = splitter([
    { Weight: 99.5, ServiceSubset: "v1", RequestHeaders: { Add: { a: "1" }, Set: { b: "2" }, Remove: ["c"] } },
    { Weight: 0.5, Service: "new" },
  ]);
  const routes = router(
    {
      Match: { HTTP: { PathExact: "/a", Header: [{ Name: "x", Present: true, Invert: true }], Methods: ["GET"] } },
      Destination: { Service: "new", PrefixRewrite: "/b", RequestTimeout: "1s", NumRetries: 3, RetryOn: ["5xx"] },
    },
    {},
  );
  const catalog = await catalogWith(http("api"), http("new"), full, split, routes);
  const read = async (kind: string) => (await catalog.get(`/v1/config/${kind}/api`)).json;
  expect(await read("service-resolver")).toEqual({
    ...full,
    RequestTimeout: "250ms",
    CreateIndex: 13,
    ModifyIndex: 13,
  });
  expect(await read("service-splitter")).toEqual({ ...split, CreateIndex: 14, ModifyIndex: 14 });
  expect(await read("service-router")).toEqual({ ...routes, CreateIndex: 15, ModifyIndex: 15 });
  const redirect = resolver({ Redirect: { Service: "new", ServiceSubset: "v3" } }, "old");
  await catalog.send("PUT", "/v1/config", resolver({ Subsets: { v3: {} } }, "new"));
  await catalog.send("PUT", "/v1/config", http("old"));
  expect(await catalog.send("PUT", "/v1/config", redirect)).toMatchObject({ status: 200 });
  expect((await catalog.get("/v1/config/service-resolver/old")).json).toMatchObject(redirect);
});

test("entries may be written in small letters, and sent back as they were read", async () => {
  const catalog = await catalogWith(http("api"), {
    kind: "service-router",
    name: "api",
    routes: [
      {
        match: { http: { path_prefix: "/a", query_param: [{ name: "q", exact: "1" }] } },
        destination: { num_retries: 1 },
      },
    ],
  });
  const { json } = await catalog.get("/v1/config/service-router/api");
  expect(json).toMatchObject({
    Routes: [
      {
        Match: { HTTP: { PathPrefix: "/a", QueryParam: [{ Name: "q", Exact: "1" }] } },
        Destination: { NumRetries: 1 },
      },
    ],
  });
  expect(await catalog.send("PUT", "/v1/config", json)).toMatchObject({ status: 200 });
});

describe("a write that would break a chain is refused, and nothing is written:", () => {
  const subsets = resolver({ Subsets: { v1: {}, v2: {} } });
  const toSubset = splitter([{ Weight: 50 }, { Weight: 50, ServiceSubset: "v1" }]);
  test.each<[string, readonly object[], object, string]>([
    ["a router for tcp", [], router(), 'uses a protocol "tcp" that does not permit advanced routing'],
    ["a splitter for tcp", [], splitter([{ Weight: 100 }]), 'uses a protocol "tcp"'],
    ["a subset that is not there", [http("api")], toSubset, 'service "api" does not have a subset named "v1"'],
    [
      "the protocol of a service that has a router",
      [http("api"), router()],
      http("api", "tcp"),
      'discovery chain "api" uses a protocol "tcp"',
    ],
    [
      "the protocol of a service that another one splits to",
      [http("api"), http("new"), splitter([{ Weight: 100, Service: "new" }])],
      http("new", "grpc"),
      'service "new" has "grpc" which is not "http"',
    ],
    [
      "the protocol of all",
      [{ Kind: "proxy-defaults", Config: { protocol: "HTTP" } }, router()],
      { Kind: "proxy-defaults", Config: {} },
      'discovery chain "api" uses a protocol "tcp"',
    ],
    [
      "a subset that others use taken away",
      [http("api"), http("web"), subsets, splitter([{ Weight: 100, Service: "api", ServiceSubset: "v1" }], "web")],
      resolver({ Subsets: { v2: {} } }),
      'service "api" does not have a subset named "v1"',
    ],
    [
      "a redirect that closes a circle",
      [resolver({ Redirect: { Service: "b" } }, "a"), resolver({ Redirect: { Service: "c" } }, "b")],
      resolver({ Redirect: { Service: "a" } }, "c"),
      "detected circular resolver redirect: [a -> b -> c -> a]",
    ],
  ])("%s", async (_what, before, entry, message) => {
    const catalog = await catalogWith(...before);
    const everything = JSON.stringify([...catalog.state.dump()]);
    const answer = await catalog.send("PUT", "/v1/config", entry);
    expect(answer.body).toContain(message);
    expect(answer.status).toBe(400);
    expect(JSON.stringify([...catalog.state.dump()])).toBe(everything);
  });

  test.each([
    ["the defaults that make it http", "service-defaults/api", 'uses a protocol "tcp"'],
    ["the resolver with its subset", "service-resolver/api", 'does not have a subset named "v1"'],
  ])("the deletion of %s", async (_what, path, message) => {
    const catalog = await catalogWith(http("api"), subsets, toSubset);
    const answer = await catalog.send("DELETE", `/v1/config/${path}`);
    expect(answer).toMatchObject({ status: 400 });
    expect(answer.body).toContain(message);
    expect(await catalog.get(`/v1/config/${path}`)).toMatchObject({ status: 200 });
  });

  test("what no chain comes to may be anything", async () => {
    await catalogWith(http("api"), router(), http("other", "tcp"), http("other", "grpc"), subsets);
  });
});

describe("what cannot be honoured is a 400 that names it:", () => {
  const target = { ServiceSubset: "v1" };
  const match = (HTTP: object, Destination: object = {}) => router({ Match: { HTTP }, Destination });
  test.each<[object, string]>([
    [
      resolver({ Redirect: { Service: "b", Datacenter: "dc2" } }),
      "Redirect.Datacenter is not supported by this version",
    ],
    [resolver({ Redirect: { Service: "b", Peer: "p" } }), "Redirect.Peer is not supported"],
    [resolver({ Redirect: target }), "Redirect.ServiceSubset defined without Redirect.Service"],
    [resolver({ Redirect: { Service: "b" }, Failover: { "*": target } }), "Redirect and Failover cannot both be set"],
    [resolver({ DefaultSubset: "v9" }), 'DefaultSubset "v9" is not a valid subset'],
    [resolver({ Subsets: { V1: {} } }), 'Subset "V1" is invalid'],
    [
      resolver({ Subsets: { v1: { Filter: "Service.Meta.version = 1" } } }),
      'Filter for subset "v1" is not a valid expression: cannot be read from character 21 on',
    ],
    [resolver({ Failover: { v1: target } }), 'Bad Failover["v1"]: not a valid subset'],
    [resolver({ Failover: { "*": {} } }), 'Bad Failover["*"]: one of Service, ServiceSubset or Targets is required'],
    [resolver({ Failover: { "*": { Datacenters: ["dc2"] } } }), 'Bad Failover["*"].Datacenters is not supported'],
    [
      resolver({ Failover: { "*": { Targets: [{ Service: "b/c" }] } } }),
      'Bad Failover["*"].Targets[0].Service must be 1 to 180 letters',
    ],
    [
      resolver({ Failover: { "*": { Targets: [{ Service: "b" }], Service: "b" } } }),
      'Bad Failover["*"]: Targets cannot be set with Service',
    ],
    [
      resolver({ Failover: { "*": { Targets: [{ Peer: "p" }] } } }),
      'Bad Failover["*"].Targets[0].Peer is not supported',
    ],
    [resolver({ Failover: { "*": target } }), 'ServiceSubset "v1" is not a valid subset of "api"'],
    [
      resolver({ Failover: { "*": { ...target, Policy: { Mode: "order-by-locality" } } } }),
      'Bad Failover["*"].Policy is not supported',
    ],
    [resolver({ ConnectTimeout: "soon" }), 'ConnectTimeout must be a duration such as "5s"'],
    [resolver({ RequestTimeout: "-1s" }), "RequestTimeout must be between 0s and 24h"],
    [resolver({ RequestTimeout: "25h" }), "RequestTimeout must be between 0s and 24h"],
    [resolver({ PrioritizeByLocality: { Mode: "failover" } }), "PrioritizeByLocality is not supported"],
    [resolver({ LoadBalancer: { Policy: "best" } }), 'Bad LoadBalancer policy: "best" is not supported'],
    [
      resolver({ LoadBalancer: { Policy: "random", RingHashConfig: { MinimumRingSize: 1 } } }),
      'RingHashConfig specified for incompatible load balancing policy "random"',
    ],
    [
      resolver({ LoadBalancer: { LeastRequestConfig: { ChoiceCount: 3 } } }),
      'LeastRequestConfig specified for incompatible load balancing policy ""',
    ],
    [
      resolver({ LoadBalancer: { Policy: "random", HashPolicies: [{ SourceIP: true }] } }),
      'HashPolicies specified for non-hash-based Policy: "random"',
    ],
    [
      resolver({
        LoadBalancer: {
          Policy: "maglev",
          HashPolicies: [{ Field: "cookie", FieldValue: "c", CookieConfig: { TTL: "1h" } }],
        },
      }),
      "Bad LoadBalancer HashPolicy[0]: cookie_config is not supported by this version",
    ],
    [
      resolver({ LoadBalancer: { Policy: "maglev", HashPolicies: [{ Field: "header" }] } }),
      'Field "header" was specified without a FieldValue',
    ],
    [
      resolver({ LoadBalancer: { Policy: "maglev", HashPolicies: [{ Field: "header", SourceIP: true }] } }),
      'cannot hash both a source address and a "header"',
    ],
    [splitter([]), "no splits configured"],
    [
      splitter([{ Weight: 50 }, { Weight: 49.98, Service: "b" }]),
      "the sum of all split weights must be 100, not 99.98",
    ],
    [
      splitter([{ Weight: 50 }, { Weight: 50, Service: "api" }]),
      'split destination occurs more than once: service="api"',
    ],
    [splitter([{ Weight: 100, Service: "a b" }]), "Splits[0].Service must be 1 to 180 letters"],
    [
      splitter([{ Weight: 100, Namespace: "team" }]),
      'Splits[0].Namespace: "team" - Namespaces are a Consul Enterprise',
    ],
    [
      splitter([{ Weight: 100, RequestHeaders: { Set: { Host: "x" } } }]),
      'Splits[0].RequestHeaders cannot be done by a proxy: set[0].name: "Host" cannot be edited',
    ],
    [
      splitter([{ Weight: 100, ResponseHeaders: { Add: { a: "%REQ(x)%" } } }]),
      'Splits[0].ResponseHeaders: values that Envoy computes are not supported by this version, found "%REQ(x)%"',
    ],
    [splitter([{ Weight: 100, ResponseHeaders: { Set: { a: "é" } } }]), "Splits[0].ResponseHeaders cannot be done"],
    [match({ PathExact: "a" }), "Route[0] PathExact doesn't start with '/': \"a\""],
    [match({ PathExact: "/a", PathRegex: "/b" }), "Route[0] should only contain at most one of PathExact"],
    [match({ PathRegex: "(" }), "Route[0] PathRegex is not a valid regex"],
    [match({ Header: [{ Exact: "a" }] }), "Route[0] Header[0] missing required Name field"],
    [match({ Header: [{ Name: "a", Exact: "a", Present: true }] }), "Route[0] Header[0] should only contain one of"],
    [
      match({ QueryParam: [{ Name: "a" }] }),
      "Route[0] QueryParam[0] should only contain one of Present, Exact, or Regex",
    ],
    [match({ Methods: ["FETCH"] }), 'Route[0] Methods contains an invalid method "FETCH"'],
    [match({ Methods: ["GET", "get"] }), 'Route[0] Methods contains "GET" more than once'],
    [match({ PathRegex: "/a" }, { PrefixRewrite: "/b" }), "Route[0] cannot make use of PrefixRewrite without"],
    [match({ PathPrefix: "/a" }, { PrefixRewrite: "b" }), "Route[0] PrefixRewrite doesn't start with '/'"],
    [match({ PathPrefix: "/a" }, { PrefixRewrite: "/b?c" }), "Route[0] PrefixRewrite must be a path without query"],
    [match({}, { RetryOn: ["always"] }), 'Route[0] contains an invalid retry condition: "always"'],
    [match({}, { RetryOn: ["envoy-ratelimited"] }), "which only Envoy knows of"],
    [match({}, { RetryOnStatusCodes: [99] }), "Route[0] RetryOnStatusCodes must be from 200 to 599, found 99"],
    [match({}, { NumRetries: 101 }), "Route[0] NumRetries must be at most 100"],
    [
      match({}, { Service: "b", Partition: "p" }),
      'Route[0] Destination.Partition: "p" - Partitions are a Consul Enterprise',
    ],
  ])("%j", async (entry, message) => {
    const catalog = await catalogWith(http("api"));
    const answer = await catalog.send("PUT", "/v1/config", entry);
    expect(answer.body).toContain(message);
    expect(answer.status).toBe(400);
  });
});

describe("/v1/discovery-chain", () => {
  test("of a service of which nothing is said is Consul's default chain", async () => {
    const catalog = await catalogWith(http("api"));
    const { json, status } = await catalog.get("/v1/discovery-chain/api");
    expect(status).toBe(200);
    const id = "api.default.default.dc1";
    expect(json).toEqual({
      Chain: {
        ServiceName: "api",
        Namespace: "default",
        Partition: "default",
        Datacenter: "dc1",
        Default: true,
        Protocol: "http",
        StartNode: `resolver:${id}`,
        Nodes: {
          [`resolver:${id}`]: {
            Type: "resolver",
            Name: id,
            Resolver: { Default: true, ConnectTimeout: "5s", Target: id },
          },
        },
        Targets: {
          [id]: expect.objectContaining({
            ID: id,
            Service: "api",
            Datacenter: "dc1",
            Subset: {},
            ConnectTimeout: "5s",
          }),
        },
      },
    });
  });

  test("has a node for the router, each splitter and each resolver, and wakes whoever waits for a change of it", async () => {
    const subsets = { v1: { Filter: "Service.Meta.version == v1" }, v2: { OnlyPassing: true } };
    const catalog = await catalogWith(
      http("api"),
      http("new"),
      resolver({
        Subsets: subsets,
        DefaultSubset: "v1",
        ConnectTimeout: "1s",
        Failover: { "*": { ServiceSubset: "v2" } },
      }),
      splitter([{ Weight: 90 }, { Weight: 10, Service: "new", RequestHeaders: { Set: { a: "b" } } }]),
      router({ Match: { HTTP: { PathPrefix: "/x" } }, Destination: { Service: "new" } }),
    );
    const { json, index } = await catalog.get("/v1/discovery-chain/api");
    const v1 = "v1.api.default.default.dc1";
    const next = "new.default.default.dc1";
    expect(json).toMatchObject({
      Chain: {
        StartNode: "router:api.default.default",
        Nodes: {
          "router:api.default.default": {
            Type: "router",
            Routes: [
              {
                Definition: { Match: { HTTP: { PathPrefix: "/x" } }, Destination: { Service: "new" } },
                NextNode: `resolver:${next}`,
              },
              { Definition: { Destination: { Service: "api" } }, NextNode: "splitter:api.default.default" },
            ],
          },
          "splitter:api.default.default": {
            Type: "splitter",
            Splits: [
              { Weight: 90, NextNode: `resolver:${v1}` },
              { Weight: 10, NextNode: `resolver:${next}`, Definition: { RequestHeaders: { Set: { a: "b" } } } },
            ],
          },
          [`resolver:${v1}`]: {
            Resolver: {
              Default: false,
              ConnectTimeout: "1s",
              Target: v1,
              Failover: { Targets: ["v2.api.default.default.dc1"] },
            },
          },
          [`resolver:${next}`]: { Resolver: { Default: true } },
        },
        Targets: {
          [v1]: { ServiceSubset: "v1", Subset: subsets.v1 },
          "v2.api.default.default.dc1": { Subset: { OnlyPassing: true } },
          [next]: { Service: "new" },
        },
      },
    });
    const waiting = catalog.get(`/v1/discovery-chain/api?index=${index}&wait=10s`);
    await catalog.send("PUT", "/v1/config", resolver({ ConnectTimeout: "2s" }, "new"));
    expect((await waiting).json).toMatchObject({
      Chain: { Targets: { [next]: { ConnectTimeout: "2s" } } },
    });
  });
});

test("POST answers the chain as it would be under another protocol or timeout, with a hash of what is overridden", async () => {
  const catalog = createTestCatalog();
  const write = (entry: object) => catalog.send("PUT", "/v1/config", entry);
  await write({ Kind: "service-defaults", Name: "web", Protocol: "http" });
  await write({ Kind: "service-resolver", Name: "web", ConnectTimeout: "3s" });
  await write({ Kind: "service-router", Name: "web", Routes: [{ Match: { HTTP: { PathPrefix: "/a" } } }] });
  const post = async (body: object) =>
    JSON.parse((await catalog.send("POST", "/v1/discovery-chain/web", body)).body).Chain;
  const asIs = await post({});
  expect(asIs).toMatchObject({ Protocol: "http", StartNode: "router:web.default.default" });
  const tcp = await post({ OverrideProtocol: "tcp", OverrideConnectTimeout: "8s" });
  const resolver = "resolver:web.default.default.dc1";
  expect(tcp).toMatchObject({ Protocol: "tcp", StartNode: resolver });
  expect(tcp.Nodes[resolver].Resolver.ConnectTimeout).toBe("8s");
  expect(tcp.CustomizationHash).toMatch(/^[0-9a-f]{8}$/);
  expect(tcp.CustomizationHash).not.toBe(asIs.CustomizationHash);
  const refused = await catalog.send("POST", "/v1/discovery-chain/web", { OverrideProtocol: "udp" });
  expect(refused.body).toContain("OverrideProtocol must be one of");
});
