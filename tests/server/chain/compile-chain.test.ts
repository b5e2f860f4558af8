import { describe, expect, test } from "bun:test";
import type { Protocol } from "../../../lib/contract/config-entries.ts";
import { mustGet } from "../../../lib/base/assert.ts";
import type { ServiceResolverEntry } from "../../../lib/contract/service-resolver.ts";
import type { RouteDestination, RouteHttpMatch, ServiceRoute } from "../../../lib/contract/service-router.ts";
import type { ServiceSplit } from "../../../lib/contract/service-splitter.ts";
import { compileChain } from "../../../server/chain/compile-chain.ts";

interface World {
  readonly routers?: Readonly<Record<string, readonly ServiceRoute[]>>;
  readonly splitters?: Readonly<Record<string, readonly ServiceSplit[]>>;
  readonly resolvers?: Readonly<Record<string, Partial<ServiceResolverEntry>>>;
  readonly protocols?: Readonly<Record<string, Protocol>>;
}

function compile(service: string, { routers = {}, splitters = {}, resolvers = {}, protocols = {} }: World) {
  return compileChain(service, {
    router: (Name) => routers[Name] && { Kind: "service-router", Name, Meta: {}, Routes: routers[Name] },
    splitter: (Name) => splitters[Name] && { Kind: "service-splitter", Name, Meta: {}, Splits: splitters[Name] },
    resolver: (Name) => resolvers[Name] && { ...resolver, Name, ...resolvers[Name] },
    protocol: (name) => protocols[name] ?? "http",
  });
}

function chainOf(service: string, world: World) {
  const compiled = compile(service, world);
  return mustGet(compiled.ok ? compiled.chain : undefined, JSON.stringify(compiled));
}

function problem(service: string, world: World): string {
  const compiled = compile(service, world);
  return compiled.ok ? "" : compiled.message;
}

const resolver: ServiceResolverEntry = {
  Kind: "service-resolver",
  Name: "",
  Meta: {},
  DefaultSubset: "",
  Subsets: {},
  Failover: {},
  ConnectTimeoutMs: 0,
  RequestTimeoutMs: 0,
};
const subsets = {
  v1: { Filter: "Service.Meta.version == 1", OnlyPassing: false },
  v2: { Filter: "Service.Meta.version == 2", OnlyPassing: true },
};
const target = (Service: string, ServiceSubset = "") => ({ Service, ServiceSubset });
const split = (Weight: number, Service: string, ServiceSubset = ""): ServiceSplit => ({
  Weight,
  Service,
  ServiceSubset,
});

function route(match: Partial<RouteHttpMatch>, destination: Partial<RouteDestination> = {}): ServiceRoute {
  const paths = { PathExact: "", PathPrefix: "", PathRegex: "", CaseInsensitive: false };
  return {
    Match: { ...paths, Header: [], QueryParam: [], Methods: [], ...match },
    Destination: {
      ...target(""),
      PrefixRewrite: "",
      RequestTimeoutMs: 0,
      IdleTimeoutMs: 0,
      NumRetries: 0,
      RetryOnConnectFailure: false,
      RetryOn: [],
      RetryOnStatusCodes: [],
      ...destination,
    },
  };
}

describe("a service of which nothing is said", () => {
  test("has no chain, and needs none", () => {
    expect(compile("api", {})).toEqual({ ok: true });
    expect(compile("api", { protocols: { api: "tcp" } })).toEqual({ ok: true });
  });

  test("has none either when its subsets are for others to name", () => {
    expect(compile("api", { resolvers: { api: { Subsets: subsets } } })).toEqual({ ok: true });
  });
});

describe("a resolver", () => {
  test("says how its service is called, on tcp as well", () => {
    const LoadBalancer = { Policy: "maglev", HashPolicies: [] } as const;
    const world = { resolvers: { api: { ConnectTimeoutMs: 250, RequestTimeoutMs: 900, LoadBalancer } } };
    expect(chainOf("api", { ...world, protocols: { api: "tcp" } })).toEqual({
      service: "api",
      protocol: "tcp",
      routes: [{ splits: [{ weight: 100, resolver: "api", splitters: [] }] }],
      resolvers: [
        {
          id: "api",
          service: "api",
          subset: "",
          filter: "",
          onlyPassing: false,
          resolvers: ["api"],
          connectTimeoutMs: 250,
          requestTimeoutMs: 900,
          loadBalancer: LoadBalancer,
          failover: [],
        },
      ],
    });
  });

  test("that redirects is left for the one it names, and its own settings do not count", () => {
    const resolvers = { api: { Redirect: target("new"), ConnectTimeoutMs: 1 }, new: { ConnectTimeoutMs: 2 } };
    expect(chainOf("api", { resolvers }).resolvers).toMatchObject([
      { id: "new", service: "new", resolvers: ["api", "new"], connectTimeoutMs: 2 },
    ]);
  });

  test("sends calls that name no subset to its default one", () => {
    const resolvers = { api: { Subsets: subsets, DefaultSubset: "v2" } };
    expect(chainOf("api", { resolvers }).resolvers).toMatchObject([
      { id: "api/v2", service: "api", subset: "v2", filter: subsets.v2.Filter, onlyPassing: true },
    ]);
  });

  test("a redirect to another service leaves the subset behind, and takes that one's default", () => {
    const resolvers = {
      api: { Subsets: subsets, DefaultSubset: "v1", Redirect: target("new") },
      new: { Subsets: subsets, DefaultSubset: "v2" },
    };
    expect(chainOf("api", { resolvers }).resolvers.map(({ id }) => id)).toEqual(["new/v2"]);
  });

  test("names what is used while a subset cannot serve: its own entry before that of all others", () => {
    const resolvers = {
      api: {
        Subsets: { ...subsets, v3: subsets.v1 },
        DefaultSubset: "v1",
        Failover: {
          v1: { ...target(""), Targets: [target("", "v2"), target("", "v1"), target("api", "v3")] },
          "*": { ...target("", "v1"), Targets: [] },
        },
      },
    };
    const [v1] = chainOf("api", { resolvers }).resolvers;
    expect(v1?.failover.map(({ subset }) => subset)).toEqual(["v2", "v3"]);
    const v2 = chainOf("web", { resolvers: { ...resolvers, web: { Redirect: target("api", "v2") } } }).resolvers[0];
    expect(v2?.failover.map(({ subset }) => subset)).toEqual(["v1"]);
  });

  test("fails over to another service, where that one's redirects and default subset lead", () => {
    const resolvers = {
      api: { Failover: { "*": { ...target(""), Targets: [target("new"), target("old")] } } },
      new: { Subsets: subsets, DefaultSubset: "v2" },
      old: { Redirect: target("spare") },
    };
    const [api] = chainOf("api", { resolvers }).resolvers;
    expect(api?.failover).toEqual([
      { service: "new", subset: "v2", filter: subsets.v2.Filter, onlyPassing: true },
      { service: "spare", subset: "", filter: "", onlyPassing: false },
    ]);
  });

  test("two services may fail over to each other", () => {
    const to = (name: string) => ({ Failover: { "*": { ...target(name), Targets: [] } } });
    const resolvers = { a: to("b"), b: to("a") };
    expect(chainOf("a", { resolvers }).resolvers[0]?.failover.map(({ service }) => service)).toEqual(["b"]);
  });

  test("a subset with the name of a property that every object has is a subset like others", () => {
    const resolvers = { api: { DefaultSubset: "constructor", Subsets: { constructor: subsets.v1 } } };
    expect(chainOf("api", { resolvers }).resolvers[0]?.failover).toEqual([]);
    expect(problem("web", { resolvers: { web: { Redirect: target("api", "valueof") }, api: {} } })).toContain(
      "valueof",
    );
  });
});

describe("a splitter", () => {
  test("divides requests among resolvers, itself among them", () => {
    const splitters = { api: [split(90, ""), split(10, "", "v2")] };
    const { routes, resolvers } = chainOf("api", { splitters, resolvers: { api: { Subsets: subsets } } });
    expect(routes).toEqual([
      {
        splits: [
          { weight: 90, resolver: "api", splitters: ["api"] },
          { weight: 10, resolver: "api/v2", splitters: ["api"] },
        ],
      },
    ]);
    expect(resolvers.map(({ id }) => id)).toEqual(["api", "api/v2"]);
  });

  test("of a splitter makes one of both, with the weights of the inner one inside those of the outer", () => {
    const splitters = { api: [split(75, ""), split(25, "new")], new: [split(60, ""), split(40, "newer")] };
    expect(chainOf("api", { splitters }).routes[0]?.splits).toEqual([
      { weight: 75, resolver: "api", splitters: ["api"] },
      { weight: 15, resolver: "new", splitters: ["api", "new"] },
      { weight: 10, resolver: "newer", splitters: ["api", "new"] },
    ]);
  });

  test("of a splitter changes requests from the outside in, and responses from the inside out", () => {
    const changes = (text: string) => ({ Add: { "X-Way": text }, Set: { "X-Last": text }, Remove: [`x-${text}`] });
    const both = (text: string) => ({ RequestHeaders: changes(text), ResponseHeaders: changes(text) });
    const splitters = {
      api: [{ ...split(100, "new"), ...both("outer") }],
      new: [{ ...split(100, ""), ...both("inner") }],
    };
    const [one] = chainOf("api", { splitters }).routes[0]?.splits ?? [];
    expect(one?.requestHeaders).toEqual({
      Add: { "X-Way": "outer, inner" },
      Set: { "X-Last": "inner" },
      Remove: ["x-outer", "x-inner"],
    });
    expect(one?.responseHeaders).toEqual({
      Add: { "X-Way": "inner, outer" },
      Set: { "X-Last": "outer" },
      Remove: ["x-inner", "x-outer"],
    });
  });

  test("what an inner splitter sets or removes is not what an outer one added, whatever its case", () => {
    const splitters = {
      api: [
        { ...split(100, "new"), RequestHeaders: { Add: { "x-a": "1", "x-b": "1" }, Set: { "X-C": "1" }, Remove: [] } },
      ],
      new: [{ ...split(100, ""), RequestHeaders: { Add: {}, Set: { "X-A": "2" }, Remove: ["X-B", "x-c"] } }],
    };
    const [one] = chainOf("api", { splitters }).routes[0]?.splits ?? [];
    expect(one?.requestHeaders).toEqual({ Add: {}, Set: { "X-A": "2" }, Remove: ["X-B", "x-c"] });
  });

  test("is not asked by whoever names a subset", () => {
    const splitters = { api: [split(100, "other")] };
    const routers = { web: [route({}, target("api", "v1"))] };
    const world = { routers, splitters, resolvers: { api: { Subsets: subsets } } };
    expect(chainOf("web", world).routes[0]?.splits.map(({ resolver: id }) => id)).toEqual(["api/v1"]);
  });
});

describe("a router", () => {
  test("keeps its routes in order, and what none matches goes on to the service's splitter", () => {
    const routes = [route({ PathPrefix: "/admin" }, target("admin")), route({ PathPrefix: "/self" })];
    const chain = chainOf("api", { routers: { api: routes }, splitters: { api: [split(50, ""), split(50, "new")] } });
    expect(chain.routes.map(({ definition }) => definition)).toEqual([...routes, undefined]);
    expect(chain.routes.map(({ splits }) => splits.map(({ resolver: id }) => id))).toEqual([
      ["admin"],
      ["api", "new"],
      ["api", "new"],
    ]);
    expect(chain.resolvers.map(({ id }) => id)).toEqual(["admin", "api", "new"]);
  });

  test("of a service that it names is not asked: one router decides", () => {
    const routers = { api: [route({}, target("new"))], new: [route({ PathPrefix: "/a" }, target("old"))] };
    expect(chainOf("api", { routers }).resolvers.map(({ id }) => id)).toEqual(["new", "api"]);
  });
});

describe("a chain is refused", () => {
  const circle = { a: { Redirect: target("b") }, b: { Redirect: target("a") } };
  test.each<[string, World, string]>([
    [
      "with a router on tcp",
      { routers: { a: [] }, protocols: { a: "tcp" } },
      'discovery chain "a" uses a protocol "tcp" that does not permit advanced routing or splitting behavior',
    ],
    ["with a splitter on tcp", { splitters: { a: [split(100, "")] }, protocols: { a: "tcp" } }, 'a protocol "tcp"'],
    [
      "that mixes protocols",
      { splitters: { a: [split(100, "b")] }, protocols: { b: "grpc" } },
      'discovery chain "a" uses inconsistent protocols; service "b" has "grpc" which is not "http"',
    ],
    ["that redirects in a circle", { resolvers: circle }, "detected circular resolver redirect: [a -> b -> a]"],
    [
      "that splits in a circle",
      { splitters: { a: [split(100, "b")], b: [split(100, "a")] } },
      "detected circular reference: [a -> b -> a]",
    ],
    [
      "with a subset that nobody defined",
      { splitters: { a: [split(100, "b", "v9")] } },
      'service "b" does not have a subset named "v9"',
    ],
    [
      "with a failover to a subset that nobody defined",
      { resolvers: { a: { Failover: { "*": { ...target("b", "v9"), Targets: [] } } } } },
      'service "b" does not have a subset named "v9"',
    ],
    [
      "with a failover to a service of another protocol",
      { resolvers: { a: { Failover: { "*": { ...target("b"), Targets: [] } } } }, protocols: { b: "tcp" } },
      'service "b" has "tcp" which is not',
    ],
  ])("%s", (_what, world, message) => {
    expect(problem("a", world)).toContain(message);
  });

  test("with more targets in one route than a proxy takes, before they are worked out", () => {
    const names = Array.from({ length: 12 }, (_, i) => `s${i}`);
    const splitters = Object.fromEntries(
      names.slice(0, -1).map((name, i) => [name, names.slice(i + 1).map((next) => split(100 / (11 - i), next))]),
    );
    expect(problem("s0", { splitters })).toContain("targets, 100 are allowed");
  });

  test("with a longer way through splitters than anybody follows", () => {
    const splitters = Object.fromEntries(
      Array.from({ length: 40 }, (_, i) => [`s${i}`, [split(100, `s${i + 1}`)]] as const),
    );
    expect(problem("s0", { splitters })).toContain("detected circular reference");
  });
});
