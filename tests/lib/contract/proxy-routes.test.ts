import { describe, expect, test } from "bun:test";
import { type OutboundConfig, parseProxyConfig } from "../../../lib/contract/proxy-config.ts";
import { forwardedRule } from "../../../proxy/message/forwarded.ts";

const smallest = { identity: { certFile: "a", keyFile: "b", caFile: "c" }, admin: { listen: "127.0.0.1:19000" } };

function parse(routes: readonly unknown[], more: object = {}): OutboundConfig | readonly string[] {
  const outbound = [
    { service: "web", listen: "127.0.0.1:15001", protocol: "http", clusters: [{ name: "v2" }], routes, ...more },
  ];
  const parsed = parseProxyConfig({ ...smallest, outbound });
  if (parsed.ok) return parsed.config.outbound[0] ?? [];
  return parsed.issues.map((issue) => `${issue.path.replace("outbound[0].", "")}: ${issue.message}`);
}

const noEdits = { set: [], add: [], remove: [] };
const prefix = { path: { type: "path-prefix", value: "/a" } };
const reply = { status: 200 };

describe("a route", () => {
  test("that says nothing matches everything and forwards to the listener's own cluster", () => {
    expect(parse([{}])).toMatchObject({
      unmatched: "forward",
      routes: [
        {
          name: "routes[0]",
          match: { hosts: [], headers: [], query: [], methods: [] },
          forward: { targets: [{ cluster: "web", weight: 1, requestHeaders: noEdits, responseHeaders: noEdits }] },
          requestHeaders: noEdits,
          responseHeaders: noEdits,
        },
      ],
    });
  });

  test("has its name, and every default of its action", () => {
    expect(parse([{ name: "old", redirect: {} }, { reply }])).toMatchObject({
      routes: [
        { name: "old", redirect: { status: 302, stripQuery: false } },
        { name: "routes[1]", reply: { status: 200, body: "", contentType: "text/plain; charset=utf-8", headers: [] } },
      ],
    });
  });

  test("is the same when its document is read again", () => {
    const once = parse([{ forward: { targets: [{ cluster: "v2", weight: 0.01 }] } }]);
    expect(parseProxyConfig({ ...smallest, outbound: [once] })).toMatchObject({
      ok: true,
      config: { outbound: [once] },
    });
  });

  test("has one action, and nothing beside a redirect or reply that would do nothing", () => {
    expect(parse([{ redirect: {}, reply, rewrite: { path: "/" }, requestHeaders: { remove: ["x"] } }])).toEqual([
      "routes[0].reply: cannot stand beside redirect",
      "routes[0].rewrite: has no effect beside redirect",
      "routes[0].requestHeaders: have no effect beside redirect",
    ]);
  });

  test("needs a protocol with requests", () => {
    const needs = "needs protocol http, http2 or grpc: there are no requests in tcp";
    expect(parse([{}], { protocol: "tcp" })).toEqual([`routes: ${needs}`]);
    expect(parse([], { protocol: "tcp", unmatched: "reply-404" })).toEqual([`unmatched: ${needs}`]);
  });
});

test("a target is a cluster of the same outbound, and its weight has steps of a hundredth", () => {
  const forward = (targets: readonly unknown[]): unknown => ({ forward: { targets } });
  expect(parse([forward([{ cluster: "v3", weight: 0.005 }, { weight: 99.99 }])])).toEqual([
    `routes[0].forward.targets[0].cluster: must be a cluster of this outbound, found "v3"`,
    "routes[0].forward.targets[0].weight: must be a multiple of 0.01, found 0.005",
  ]);
  expect(parse([forward([{ weight: 0 }])])).toEqual([
    "routes[0].forward.targets: must have a weight above 0: nothing goes to any of them",
  ]);
  expect(parse([forward([{ weight: 0.07 }, { cluster: "v2", weight: 1_000_000 }])])).toHaveProperty("routes");
});

test("a subset is named by tags, and only with one is there something to fall back from", () => {
  const forward = (target: object): unknown => ({ forward: { targets: [target] } });
  expect(parse([forward({ subset: { version: "2" } })])).toMatchObject({
    routes: [{ forward: { targets: [{ subset: { version: "2" }, subsetFallback: "no-fallback" }] } }],
  });
  expect(parse([forward({ subsetFallback: "any-endpoint" }), forward({ subset: { version: 2 } })])).not.toHaveProperty(
    "routes",
  );
  expect(parse([forward({ subsetFallback: "any-endpoint" })])).toEqual([
    "routes[0].forward.targets[0].subsetFallback: has no effect without subset",
  ]);
});

describe("hosts", () => {
  const issue = (host: string): unknown => parse([{ match: { hosts: [host] } }]);

  test.each([
    "web.example",
    "Web.Example:8080",
    "*.example",
    "*.example:80",
    "*",
    "*:80",
    "127.0.0.1",
    "[::1]:80",
    "_a",
  ])("%s is one", (host) => {
    expect(issue(host)).toHaveProperty("routes");
  });

  test.each(["*example", "a.*", "a..b", "a:0", "a:65536", "a:080", "*.[::1]", "a b", "a/b", "-a", "u@a", "a.", "::1"])(
    "%s is none",
    (host) => {
      expect(issue(host)).toEqual([
        `routes[0].match.hosts[0]: must be a host, *.host or *, with or without a port, found "${host}"`,
      ]);
    },
  );
});

test("a gRPC match stands in the place of a path", () => {
  expect(parse([{ match: { ...prefix, grpc: {} } }])).toEqual([
    "routes[0].match.grpc: cannot stand beside path: it says what the path is",
  ]);
  expect(parse([{ match: { grpc: { service: "a/b" } } }])).toHaveLength(1);
});

test("what is wrong with a condition is said with its path", () => {
  const headers = [
    { name: "a", type: "present" },
    { name: "b", type: "regex", value: "(" },
  ];
  const [issue] = [parse([{ match: { headers } }])].flat();
  expect(`${issue}`).toStartWith(`routes[0].match.headers[1].value: must be a regular expression of RE2, found "("`);
});

describe("a rewrite", () => {
  const rewrite = (rewrite: unknown, match: unknown = prefix): unknown => parse([{ match, rewrite }]);

  test("is of one kind", () => {
    expect(rewrite({ prefix: "/", path: "/", regex: { pattern: "a", substitution: "" } })).toEqual([
      "routes[0].rewrite.path: cannot stand beside prefix",
      "routes[0].rewrite.regex: cannot stand beside prefix",
    ]);
  });

  test.each(["a", "/a?b", "/a#b", "/a b", "/é", ""])("to %s is no path", (path) => {
    expect(rewrite({ path })).toEqual([
      `routes[0].rewrite.path: must be a path that begins with /, without query, blanks and fragment, found "${path}"`,
    ]);
  });

  test("may take a prefix of whole segments away altogether, but none of a gRPC call", () => {
    expect(rewrite({ prefix: "" })).toHaveProperty("routes");
    expect(rewrite({ prefix: "" }, { path: { type: "prefix", value: "/a" } })).toHaveLength(1);
    expect(rewrite({ prefix: "/" }, { grpc: {} })).toEqual([
      "routes[0].rewrite.prefix: needs match.path: the path of a gRPC call has no prefix",
    ]);
  });

  test("puts in groups that its pattern has, and nothing that would begin a query", () => {
    const regex = (substitution: string): unknown => rewrite({ regex: { pattern: "^/(a)(b)?", substitution } });
    expect(regex("/$2/$1/$&/$$")).toHaveProperty("routes");
    for (const substitution of ["/$3", "/$0", "/$`", "/$<a>", "/$"]) {
      expect(regex(substitution)).toEqual([
        `routes[0].rewrite.regex.substitution: must have $1 to a group of the pattern, which has 2, or $& or $$, found "${substitution}"`,
      ]);
    }
    for (const substitution of ["/?a", "/#", "/a b"]) expect(regex(substitution)).toHaveLength(1);
  });

  test("of the host is an authority", () => {
    expect(rewrite({ host: "web.example:8080" })).toHaveProperty("routes");
    for (const host of ["*.a", "a\r\nb", "a/b"]) expect(rewrite({ host })).toHaveLength(1);
  });
});

test("a redirect has a host without a port, and one way to its path", () => {
  expect(parse([{ match: prefix, redirect: { host: "a:80", path: "/", prefixRewrite: "/" } }])).toEqual([
    `routes[0].redirect.host: must be a host without a port, found "a:80"`,
    "routes[0].redirect.prefixRewrite: cannot stand beside path",
  ]);
  expect(parse([{ redirect: { status: 300 } }])).toHaveLength(1);
});

test("a reply has no body where its status has none, and says its type once", () => {
  expect(parse([{ reply: { status: 204, body: "x", headers: [{ name: "Content-Type", value: "a/b" }] } }])).toEqual([
    `routes[0].reply.headers[0].name: "Content-Type" is said by contentType`,
    "routes[0].reply.body: must be empty with status 204",
  ]);
});

describe("edits of fields", () => {
  const edits = (requestHeaders: unknown): unknown => parse([{ requestHeaders }]);

  test.each(["Host", "Connection", "Content-Length", "Transfer-Encoding", "TE", "Expect", "transfer_encoding"])(
    "leave %s alone",
    (name) => {
      expect(edits({ set: [{ name, value: "1" }] })).toHaveLength(1);
      expect(edits({ remove: [name] })).toHaveLength(1);
    },
  );

  test("leave alone what the next proxy would take away", () => {
    const names = [
      "x-forwarded-client-cert",
      "x-atoll-a",
      "x_atoll_a",
      "x-envoy-internal",
      "x_real_ip",
      "x-envoy-peer-metadata",
    ];
    for (const name of names) {
      expect(edits({ remove: [name] })).toEqual([
        `routes[0].requestHeaders.remove[0]: "${name}" cannot be edited: it is what proxies say of their own`,
      ]);
    }
    const isRefused = (name: string): boolean => Array.isArray(edits({ remove: [name] }));
    for (const name of [...names, "x-envoy-external-address", "x-envoy-original-path", "x-envoy-original-host"]) {
      expect(isRefused(name) && (forwardedRule(name) === "proxy" || name === "x-forwarded-client-cert")).toBe(true);
    }
  });

  test("put no second line where readers take the first or the last", () => {
    for (const name of ["Content-Type", "X-Request-Id"]) {
      expect(edits({ add: [{ name, value: "a" }] })).toEqual([
        `routes[0].requestHeaders.add[0].name: "${name}" has one value: use "set"`,
      ]);
      expect(edits({ set: [{ name, value: "a" }] })).toHaveProperty("routes");
    }
  });

  test.each([":path", "a b", "", "a\r\nb"])("have no name %j", (name) => {
    expect(edits({ set: [{ name, value: "" }] })).toHaveLength(1);
  });

  test.each(["a\r\nb: c", " a", "a ", "\u0000", "é"])("have no value %j", (value) => {
    expect(edits({ set: [{ name: "a", value }] })).toHaveLength(1);
  });
});
