import { describe, expect, test } from "bun:test";
import { createSeededRandom } from "../../../lib/base/random.ts";
import { defaultRequestRules } from "../../../proxy/message/request-rules.ts";
import { destination, mustForward, request, type RequestOptions, response, routerOf } from "./requests.ts";

const to = (cluster: string): unknown => ({ targets: [{ cluster }] });

function routed(matches: readonly unknown[], path: string, options: RequestOptions = {}): string | number {
  const routes = matches.map((match, i) => ({ match, forward: to(`v${i + 1}`) }));
  return destination(routerOf(routes).decide(request(path, options)));
}

describe("the first route that matches", () => {
  test("decides, however exact the others are", () => {
    const prefix = { path: { type: "prefix", value: "/" } };
    const exact = { path: { type: "exact", value: "/a" } };
    expect(routed([prefix, exact], "/a")).toBe("v1");
    expect(routed([exact, prefix], "/a")).toBe("v1");
    expect(routed([exact, prefix], "/b")).toBe("v2");
    expect(routed([{ hosts: ["*"] }, { hosts: ["web.example"] }], "/")).toBe("v1");
    expect(routed([{ hosts: ["*.example"], ...exact }, { hosts: ["web.example"] }, {}], "/b")).toBe("v2");
  });

  test("is none: its own cluster takes the request, or nobody", () => {
    const routes = [{ match: { hosts: ["other.example"] }, forward: to("v1") }];
    expect(destination(routerOf(routes).decide(request("/")))).toBe("web");
    const strict = routerOf(routes, { unmatched: "reply-404" });
    expect(strict.decide(request("/"))).toMatchObject({ action: "reply", status: 404, reason: "no_route" });
  });
});

describe("a host", () => {
  const matches = (pattern: string, authority: string): boolean =>
    routed([{ hosts: [pattern] }], "/", { authority }) === "v1";

  test("matches in any case, and with a port that the pattern does not name", () => {
    expect(matches("Web.example", "wEB.Example:8080")).toBe(true);
    expect(matches("web.example:8080", "web.example:8080")).toBe(true);
    expect(matches("web.example:8080", "web.example")).toBe(false);
    expect(matches("web.example:8080", "web.example:80")).toBe(false);
    expect(matches("*:8080", "any:8080")).toBe(true);
    expect(matches("*:8080", "any")).toBe(false);
    expect(matches("[::1]", "[::1]:80")).toBe(true);
    expect(matches("[::1]:80", "[::1]:80")).toBe(true);
    expect(matches("[::1]", "[::1]")).toBe(true);
  });

  test("with a wildcard has one or more labels in front", () => {
    expect(matches("*.example", "web.example")).toBe(true);
    expect(matches("*.example", "a.b.web.EXAMPLE:80")).toBe(true);
    expect(matches("*.example:80", "a.example:80")).toBe(true);
    expect(matches("*.example:80", "a.example")).toBe(false);
    expect(matches("*.example", "example")).toBe(false);
    expect(matches("*.example", ".example")).toBe(false);
    expect(matches("*.example", "web-example")).toBe(false);
    expect(matches("*.web.example", "web.example")).toBe(false);
  });

  test("that could be read as two is one that no pattern means", () => {
    for (const authority of ["a:80:81", "[::1", "a:b:c"]) {
      expect(matches("a", authority)).toBe(false);
      expect(matches("*", authority)).toBe(true);
    }
  });

  test("of thousands of labels costs no more than the longest pattern", () => {
    expect(matches("*.a.b", `${"x.".repeat(20_000)}a.b`)).toBe(false);
    expect(matches("*.a.b", `${"x.".repeat(120)}a.b`)).toBe(true);
  });
});

describe("a path", () => {
  test("that is exact is compared without its query, and in any case where that is said", () => {
    const path = { type: "exact", value: "/Ab" };
    expect(routed([{ path }], "/Ab?c")).toBe("v1");
    expect(routed([{ path }], "/ab")).toBe("web");
    expect(routed([{ path: { ...path, ignoreCase: true } }, { path }], "/aB")).toBe("v1");
  });

  test("of a gRPC call is its service and method, and of a gRPC call only", () => {
    const call = (match: unknown, path: string, contentType = "application/grpc+proto"): boolean =>
      routed([{ grpc: match }], path, { method: "POST", fields: ["content-type", contentType] }) === "v1";
    expect(call({ service: "a.B", method: "C" }, "/a.B/C")).toBe(true);
    expect(call({ service: "a.B", method: "C" }, "/a.B/c")).toBe(false);
    expect(call({ service: "a.B", method: "C" }, "/a.B/C", "text/plain")).toBe(false);
    expect(call({ service: "a.B" }, "/a.B/Any")).toBe(true);
    expect(call({ service: "a.B" }, "/a.Bc/Any")).toBe(false);
    expect(call({ service: "a.B" }, "/a.B/C/D")).toBe(false);
    expect(call({ method: "C" }, "/x/C")).toBe(true);
    expect(call({ method: "C" }, "/x/y/C")).toBe(false);
    expect(call({}, "/x/y", "application/grpc-web-text")).toBe(true);
  });
});

test("fields, query and method all have to hold", () => {
  const match = {
    headers: [{ name: "Version", type: "exact", value: "two" }],
    query: [{ name: "animal", type: "exact", value: "whale" }],
    methods: ["POST"],
  };
  const fields = ["version", "two"];
  expect(routed([match], "/?animal=whale", { method: "POST", fields })).toBe("v1");
  expect(routed([match], "/?animal=whale", { fields })).toBe("web");
  expect(routed([match], "/?animal=dog", { method: "POST", fields })).toBe("web");
  expect(routed([match], "/?animal=whale", { method: "POST" })).toBe("web");
});

test("an upgrade is a GET, whatever protocol it came by", () => {
  const fields = [":protocol", "websocket"];
  expect(routed([{ methods: ["CONNECT"] }, { methods: ["GET"] }], "/", { method: "CONNECT", fields })).toBe("v2");
});

describe("a split", () => {
  const targets = [
    { cluster: "v1", weight: 70 },
    { cluster: "v2", weight: 0 },
    { cluster: "v3", weight: 30 },
  ];

  test("follows its weights, and never picks a weight of 0", () => {
    const random = createSeededRandom(5);
    const router = routerOf([{ forward: { targets } }], { random: random.float });
    const counts: Record<string, number> = { v1: 0, v2: 0, v3: 0 };
    for (let i = 0; i < 10_000; i++) {
      const cluster = `${destination(router.decide(request("/")))}`;
      counts[cluster] = (counts[cluster] ?? 0) + 1;
    }
    expect(counts["v2"]).toBe(0);
    // Four standard deviations of 10,000 draws are 183.
    expect(Math.abs((counts["v1"] ?? 0) - 7_000)).toBeLessThan(183);
  });

  test("gives a share of a hundredth its due, at its very ends", () => {
    const small = [
      { cluster: "v1", weight: 0.01 },
      { cluster: "v2", weight: 99.99 },
    ];
    const at = (value: number): string | number =>
      destination(routerOf([{ forward: { targets: small } }], { random: () => value }).decide(request("/")));
    expect(at(0)).toBe("v1");
    expect(at(0.000099)).toBe("v1");
    expect(at(0.0001)).toBe("v2");
    expect(at(1 - 2 ** -53)).toBe("v2");
  });

  test("asks for no chance where there is no choice", () => {
    const never = (): number => {
      throw new Error("asked");
    };
    const router = routerOf([{ forward: { targets: [{ cluster: "v1" }, { cluster: "v2", weight: 0 }] } }], {
      random: never,
    });
    expect(destination(router.decide(request("/")))).toBe("v1");
  });
});

describe("a head that repeats", () => {
  const routes = [
    {
      forward: {
        targets: [{ cluster: "v1" }, { cluster: "v2", requestHeaders: { set: [{ name: "B", value: "2" }] } }],
      },
      requestHeaders: { set: [{ name: "A", value: "1" }] },
    },
  ];

  test("is matched once and edited once for each target, and chosen for every time", () => {
    let chance = 0;
    const router = routerOf(routes, { random: () => chance });
    const head = request("/", { isShared: true });
    const first = mustForward(router.decide(head));
    chance = 0.9;
    const second = mustForward(router.decide(head));
    expect(first.head.block.get("b")).toBeUndefined();
    expect(second.head.block.get("b")).toBe("2");
    expect(router.decide(head)).toBe(second);
    chance = 0;
    expect(router.decide(head)).toBe(first);
    expect(router.table.examined).toBe(1);
    expect(first.head.block.isShared).toBe(true);
  });

  test("is decided anew by other routes", () => {
    const head = request("/", { isShared: true });
    expect(destination(routerOf(routes).decide(head))).toBe("v1");
    expect(destination(routerOf([{ forward: to("v3") }]).decide(head))).toBe("v3");
    expect(destination(routerOf([]).decide(head))).toBe("web");
  });

  test("of a response is edited once, and by each route for itself", () => {
    const edits = { responseHeaders: { set: [{ name: "A", value: "1" }] } };
    const first = mustForward(routerOf([edits]).decide(request("/"))).route;
    const second = mustForward(routerOf([{ responseHeaders: { remove: ["x"] } }]).decide(request("/"))).route;
    const head = response(["x", "y"], true);
    const edited = first?.editResponse(head);
    expect(first?.editResponse(head)).toBe(edited);
    expect(edited?.block.fields).toEqual([":status", "200", "x", "y", "a", "1"]);
    expect(second?.editResponse(head).block.fields).toEqual([":status", "200"]);
    expect(head.block.fields).toEqual([":status", "200", "x", "y"]);
  });

  test("is the head itself when nothing is changed", () => {
    const head = request("/");
    const { route, head: forwarded } = mustForward(routerOf([{ name: "plain" }]).decide(head));
    expect(forwarded).toBe(head);
    const answer = response();
    expect(route?.name).toBe("plain");
    expect(route?.editResponse(answer)).toBe(answer);
  });
});

test("fields are removed, then set, then added, for the route and then for the target", () => {
  const requestHeaders = {
    remove: ["X-Gone", "X-Back"],
    set: [
      { name: "X-Set", value: "new" },
      { name: "X-Back", value: "set" },
    ],
    add: [{ name: "X-Add", value: "more" }],
  };
  const forward = { targets: [{ requestHeaders: { set: [{ name: "X-Add", value: "last" }] } }] };
  const fields = ["x-gone", "1", "x-set", "a", "x-set", "b", "x-add", "c", "X-Back".toLowerCase(), "d", "other", "e"];
  const decide = (route: unknown): readonly string[] =>
    mustForward(routerOf([route]).decide(request("/", { fields }))).head.block.fields.slice(8);
  expect(decide({ requestHeaders })).toEqual([..."x-set new x-add c other e x-back set x-add more".split(" ")]);
  expect(decide({ requestHeaders, forward })).toEqual([..."x-set new x-add last other e x-back set".split(" ")]);
});

describe("a rewrite", () => {
  const prefix = (type: string, value: string): unknown => ({ path: { type, value } });
  const rewritten = (match: unknown, rewrite: unknown, path: string, rules = defaultRequestRules): string | number => {
    const decision = routerOf([{ match, rewrite }], { rules }).decide(request(path));
    return decision.action === "reply" ? decision.status : mustForward(decision).head.path;
  };

  test.each([
    ["/foo", "/xyz", "/foo/bar", "/xyz/bar"],
    ["/foo", "/xyz/", "/foo/bar", "/xyz/bar"],
    ["/foo/", "/xyz", "/foo/bar", "/xyz/bar"],
    ["/foo", "/xyz", "/foo", "/xyz"],
    ["/foo", "/xyz", "/foo/", "/xyz/"],
    ["/foo", "", "/foo/bar", "/bar"],
    ["/foo", "/", "/foo/bar", "/bar"],
    ["/foo", "/", "/foo", "/"],
    ["/foo", "", "/foo/", "/"],
    ["/", "/xyz", "/bar", "/xyz/bar"],
    ["/foo", "/xyz", "/foo/bar?a=/foo&b", "/xyz/bar?a=/foo&b"],
  ])("of the segments %s to %s makes of %s %s", (value, by, path, expected) => {
    expect(rewritten(prefix("path-prefix", value), { prefix: by }, path)).toBe(expected);
  });

  test("of a prefix as text, of what is matched whole and of everything are Consul's PrefixRewrite", () => {
    expect(rewritten(prefix("prefix", "/foo/"), { prefix: "/" }, "/foo/bar?q")).toBe("/bar?q");
    expect(rewritten(prefix("prefix", "/fo"), { prefix: "/x" }, "/foo")).toBe("/xo");
    expect(rewritten(prefix("exact", "/foo"), { prefix: "/x" }, "/foo?q")).toBe("/x?q");
    expect(rewritten(prefix("regex", "/f.*"), { prefix: "/x" }, "/foo")).toBe("/x");
    expect(rewritten({}, { prefix: "/api/" }, "/foo")).toBe("/api/foo");
  });

  test("of the whole path, by groups, and of the host", () => {
    expect(rewritten({}, { path: "/one" }, "/two?three=4")).toBe("/one?three=4");
    const regex = { pattern: "^/user/([^/]+)/(.*)$", substitution: "/$2/of/$1" };
    expect(rewritten({}, { regex }, "/user/ann/mail?x=/user/b/c")).toBe("/mail/of/ann?x=/user/b/c");
    const { head } = mustForward(routerOf([{ rewrite: { host: "Other.example:81" } }]).decide(request("/a")));
    expect([head.authority, head.path, head.block.get(":authority")]).toEqual([
      "Other.example:81",
      "/a",
      "Other.example:81",
    ]);
  });

  test("makes a path that the rules would make of it, or is refused as they would refuse it", () => {
    const regex = { pattern: "^/a/", substitution: "/" };
    expect(rewritten({}, { regex: { pattern: "x", substitution: "." } }, "/a/xx/b")).toBe("/b");
    expect(rewritten({}, { regex: { pattern: "x", substitution: "%61" } }, "/x")).toBe("/a");
    expect(rewritten({}, { regex: { pattern: "x", substitution: ";" } }, "/..x")).toBe(400);
    expect(rewritten({}, { regex: { pattern: "^/", substitution: "" } }, "/a")).toBe(400);
    expect(rewritten({}, { regex: { pattern: ".*", substitution: "" } }, "/a")).toBe(400);
    expect(rewritten({}, { regex }, "/a//b", { ...defaultRequestRules, mergeSlashes: true })).toBe("/b");
    const strict = { ...defaultRequestRules, escapedSlashes: "reject" } as const;
    expect(rewritten({}, { regex: { pattern: "x", substitution: "%2F" } }, "/x", strict)).toBe(400);
    const redirecting = { ...defaultRequestRules, escapedSlashes: "unescape-and-redirect" } as const;
    expect(rewritten({}, { regex: { pattern: "x", substitution: "%2F" } }, "/ax", redirecting)).toBe("/a/");
    const many = { pattern: "(.*)", substitution: "$1".repeat(100) };
    expect(rewritten({}, { regex: many }, `/${"a".repeat(2_000)}`)).toBe(400);
    const single = { pattern: "a", substitution: "b" };
    expect(rewritten({}, { regex: single }, `/${"x".repeat(4_094)}a`)).toBe(`/${"x".repeat(4_094)}b`);
    expect(rewritten({}, { regex: single }, `/${"x".repeat(4_095)}a`)).toBe(400);
    expect(rewritten({}, { regex: single }, `/${"a".repeat(33)}`)).toBe(400);
  });

  test("leaves OPTIONS * alone", () => {
    const router = routerOf([{ rewrite: { path: "/a" } }]);
    expect(mustForward(router.decide(request("*", { method: "OPTIONS" }))).head.path).toBe("*");
  });
});

describe("a redirect", () => {
  const location = (redirect: unknown, path: string, options: RequestOptions = {}, match: unknown = {}): unknown => {
    const decision = routerOf([{ match, redirect }]).decide(request(path, options));
    return decision.action === "reply" ? (decision.fields?.[1] ?? decision.reason) : "forwarded";
  };

  test.each([
    [{}, "http://web.example/a?b=c"],
    [{ scheme: "https" }, "https://web.example/a?b=c"],
    [{ host: "example.org" }, "http://example.org/a?b=c"],
    [{ port: 8083 }, "http://web.example:8083/a?b=c"],
    [{ port: 80 }, "http://web.example/a?b=c"],
    [{ scheme: "https", port: 443 }, "https://web.example/a?b=c"],
    [{ scheme: "https", port: 80 }, "https://web.example:80/a?b=c"],
    [{ path: "/x" }, "http://web.example/x?b=c"],
    [{ path: "/x", stripQuery: true }, "http://web.example/x"],
  ])("by %j is to %s", (redirect, expected) => {
    expect(location(redirect, "/a?b=c")).toBe(expected);
  });

  test("keeps the request's port while scheme and host are the same", () => {
    expect(location({}, "/", { authority: "web.example:8080" })).toBe("http://web.example:8080/");
    expect(location({ host: "WEB.example" }, "/", { authority: "web.example:8080" })).toBe("http://WEB.example:8080/");
    expect(location({ scheme: "https" }, "/", { authority: "web.example:8080" })).toBe("https://web.example/");
    expect(location({ host: "a.example" }, "/", { authority: "[::1]:8080" })).toBe("http://a.example/");
    expect(location({ scheme: "https" }, "/", { authority: "[::1]:8080" })).toBe("https://[::1]/");
  });

  test("replaces a prefix", () => {
    const match = { path: { type: "path-prefix", value: "/old" } };
    expect(location({ prefixRewrite: "/new" }, "/old/a?b", {}, match)).toBe("http://web.example/new/a?b");
  });

  test("is a valid URI, whatever the request has", () => {
    expect(location({}, `/a"<>\\^\`{|}[]b%41%zz?c={"d"}%`)).toBe(
      "http://web.example/a%22%3C%3E%5C%5E%60%7B%7C%7D%5B%5Db%41%25zz?c=%7B%22d%22%7D%25",
    );
    expect(location({}, "//evil.example/a")).toBe("http://web.example//evil.example/a");
    expect(location({}, "*", { method: "OPTIONS" })).toBe("http://web.example/");
    for (const authority of ["a:b:c", "[", "a%0d%0ab"]) expect(location({}, "/", { authority })).toBe("bad_rewrite");
  });
});
