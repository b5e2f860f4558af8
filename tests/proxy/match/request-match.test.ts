import { describe, expect, test } from "bun:test";
import { mustGet } from "../../../lib/base/assert.ts";
import type { FieldMatch, PathMatch, QueryMatch } from "../../../lib/contract/proxy-match.ts";
import { matchIssues } from "../../../lib/contract/proxy-match.ts";
import { compileConditions } from "../../../proxy/match/request-match.ts";
import { FieldBlock } from "../../../proxy/message/field-block.ts";
import { checkRequest, RequestHead } from "../../../proxy/message/request-head.ts";

function request(path: string, fields: readonly string[] = [], method = "GET"): RequestHead {
  const pseudo = [":method", method, ":scheme", "http", ":authority", "Web.example:80", ":path", path];
  const head = checkRequest(new FieldBlock([...pseudo, ...fields]));
  return mustGet(head instanceof RequestHead ? head : undefined, "a valid request");
}

function matchesPath(type: PathMatch["type"], value: string, path: string, ignoreCase = false): boolean {
  return compileConditions({ path: { type, value, ignoreCase }, headers: [], methods: [] })(request(path));
}

function matchesField(match: Partial<FieldMatch> & Pick<FieldMatch, "type">, fields: readonly string[]): boolean {
  const whole = { name: "X-Version", value: "", ignoreCase: false, invert: false, ...match };
  return compileConditions({ headers: [whole], methods: [] })(request("/", fields));
}

describe("a path", () => {
  test("is compared without its query", () => {
    expect(matchesPath("exact", "/a", "/a?b=/c")).toBe(true);
    expect(matchesPath("exact", "/a", "/a/")).toBe(false);
    expect(matchesPath("regex", "/a", "/a?x")).toBe(true);
    expect(matchesPath("prefix", "/a?x", "/a?x")).toBe(false);
  });

  test("has a prefix as text or by whole segments", () => {
    expect(matchesPath("prefix", "/api", "/apis")).toBe(true);
    for (const value of ["/api", "/api/"]) {
      expect(matchesPath("path-prefix", value, "/api")).toBe(true);
      expect(matchesPath("path-prefix", value, "/api/")).toBe(true);
      expect(matchesPath("path-prefix", value, "/api/v1?q")).toBe(true);
      expect(matchesPath("path-prefix", value, "/apis")).toBe(false);
    }
    expect(matchesPath("path-prefix", "/", "/any/thing")).toBe(true);
    expect(matchesPath("path-prefix", "/API", "/api/v1", true)).toBe(true);
    expect(matchesPath("path-prefix", "/API", "/api/v1")).toBe(false);
  });
});

describe("a field", () => {
  test("is compared by each type", () => {
    const fields = ["x-version", "v2-beta"];
    expect(matchesField({ type: "exact", value: "v2-beta" }, fields)).toBe(true);
    expect(matchesField({ type: "exact", value: "V2-Beta" }, fields)).toBe(false);
    expect(matchesField({ type: "exact", value: "V2-Beta", ignoreCase: true }, fields)).toBe(true);
    expect(matchesField({ type: "prefix", value: "v2" }, fields)).toBe(true);
    expect(matchesField({ type: "suffix", value: "beta" }, fields)).toBe(true);
    expect(matchesField({ type: "contains", value: "2-b" }, fields)).toBe(true);
    expect(matchesField({ type: "regex", value: "v[0-9]-.*" }, fields)).toBe(true);
    expect(matchesField({ type: "regex", value: "v[0-9]" }, fields)).toBe(false);
    expect(matchesField({ type: "present" }, fields)).toBe(true);
    expect(matchesField({ type: "present" }, [])).toBe(false);
  });

  test("that is inverted matches where there is none", () => {
    expect(matchesField({ type: "exact", value: "v1", invert: true }, [])).toBe(true);
    expect(matchesField({ type: "exact", value: "v1", invert: true }, ["x-version", "v1"])).toBe(false);
    expect(matchesField({ type: "present", invert: true }, ["x-version", "v1"])).toBe(false);
  });

  test("in several lines is one value: neither the first nor the last line alone", () => {
    const fields = ["x-version", "v1", "x-version", "v2"];
    expect(matchesField({ type: "exact", value: "v1" }, fields)).toBe(false);
    expect(matchesField({ type: "exact", value: "v2" }, fields)).toBe(false);
    expect(matchesField({ type: "exact", value: "v1,v2" }, fields)).toBe(true);
  });

  test("Host is the authority of the canonical request", () => {
    const host = { name: "Host", type: "prefix", value: "web.", ignoreCase: true, invert: false } as const;
    expect(compileConditions({ headers: [host], methods: [] })(request("/"))).toBe(true);
  });
});

test("a query parameter is compared decoded, the first of its name", () => {
  const matches = (match: Omit<QueryMatch, "name">, path: string): boolean =>
    compileConditions({ headers: [], query: [{ name: "user", ...match }], methods: [] })(request(path));
  expect(matches({ type: "exact", value: "a b" }, "/?x=1&user=a%20b&user=c")).toBe(true);
  expect(matches({ type: "exact", value: "c" }, "/?user=a&user=c")).toBe(false);
  expect(matches({ type: "regex", value: "[a-c]+" }, "/?user=abc")).toBe(true);
  expect(matches({ type: "present", value: "" }, "/?user")).toBe(true);
  expect(matches({ type: "present", value: "" }, "/user")).toBe(false);
});

test("methods are alternatives, conditions are not", () => {
  const path = { type: "prefix", value: "/a", ignoreCase: false } as const;
  const matcher = compileConditions({ path, headers: [], methods: ["GET", "HEAD"] });
  expect(matcher(request("/a"))).toBe(true);
  expect(matcher(request("/a", [], "HEAD"))).toBe(true);
  expect(matcher(request("/a", [], "POST"))).toBe(false);
  expect(matcher(request("/b"))).toBe(false);
  expect(compileConditions({ headers: [], methods: [] })(request("/b"))).toBe(true);
  const upgrade = request("/a", [":protocol", "websocket"], "CONNECT");
  expect(matcher(upgrade)).toBe(true);
  expect(compileConditions({ headers: [], methods: ["CONNECT"] })(upgrade)).toBe(false);
});

test("what a schema cannot say about a match is an issue with its path", () => {
  const path = (type: PathMatch["type"], value: string): string[] =>
    matchIssues("routes[1].match.path", { type, value, ignoreCase: false }).map((issue) => issue.path);
  expect(path("regex", "/a(")).toEqual(["routes[1].match.path.value"]);
  expect(path("prefix", "api")).toEqual(["routes[1].match.path.value"]);
  expect(path("exact", "/api")).toEqual([]);
  const field = { name: "x", value: "", ignoreCase: false, invert: false } as const;
  expect(matchIssues("h", { ...field, type: "prefix" })).toEqual([{ path: "h.value", message: "must not be empty" }]);
  expect(matchIssues("h", { ...field, type: "present" })).toEqual([]);
});
