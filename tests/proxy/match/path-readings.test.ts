import { expect, test } from "bun:test";
import { pathReadings } from "../../../proxy/match/path-readings.ts";
import { compileConditions } from "../../../proxy/match/request-match.ts";
import type { RequestHead } from "../../../proxy/message/request-head.ts";

test("an ordinary path has no other reading", () => {
  for (const path of ["/", "/a/b", "/a.b/c..d/.well-known/", "/a_-~!$&'()*+,=:@"]) {
    expect(pathReadings(path)).toEqual([]);
  }
});

test("a path is read in whatever way a framework might", () => {
  const cases = [
    ["/a%2Fb", "/a/b"],
    ["/a%252Fb", "/a/b"],
    ["/a%5Cb", "/a/b"],
    ["/a\\b", "/a/b"],
    ["//a///b", "/a/b"],
    ["/a;x=1/b;y", "/a/b"],
    ["/a%3Bx/b", "/a/b"],
    ["/c/%2e%2e/a", "/a"],
    ["/c/..;x/a", "/a"],
    ["/c;/%2E%2E;/a%2F/b", "/a/b"],
    ["/a%3Fq", "/a"],
    ["/%E2%82%AC", "/€"],
    ["/%ff%2Fa", "/\u00ff/a"],
    ["/a/%zz%2Fb", "/a/%zz/b"],
    ["/./a/.", "/a/"],
    // `\` is no slash to all who resolve dots, and dots are resolved before and after escapes are decoded.
    ["/a\\b/../c", "/c"],
    ["/a%5Cx;y/%2e%2E;z/c", "/c"],
    ["/a/../c/%2e%2e/b", "/c/../b"],
    ["/a/%252e%252e/%2561", "/a"],
  ] as const;
  for (const [path, reading] of cases) expect(pathReadings(path)).toContain(reading);
});

test("a long path of nothing but doubts has few readings", () => {
  for (const piece of ["%2F", "//", ";a", "/..", "%25", "/;"]) {
    expect(pathReadings(`/${piece.repeat(10_000)}`)?.length).toBeLessThan(64);
  }
});

test("a path that is made to have thousands of readings has more than anyone looks at", () => {
  const path =
    "/%3b%5c/%2e%2e//%2e%2e/%253f/..//admin%5c%252f%255c.%253b%252f/%2e%2e//;%252f.a/..\\;\\%253b%2e%5c\\/./%253f\\%3b%252fa;a%2f///../";
  expect(pathReadings(path.repeat(2))).toBeUndefined();
  const guarded = { path: { type: "prefix", value: "/other", ignoreCase: false } as const, headers: [], methods: [] };
  const head = { path: path.repeat(2) } as RequestHead;
  expect(compileConditions(guarded, "matches")(head)).toBe(true);
  const open = { ...guarded, path: { type: "prefix", value: "/", ignoreCase: false } as const };
  expect(compileConditions(open, "fails")(head)).toBe(false);
  expect(compileConditions(open, "ignored")(head)).toBe(true);
});
