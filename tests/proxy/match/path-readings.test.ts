import { expect, test } from "bun:test";
import { pathReadings } from "../../../proxy/match/path-readings.ts";

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
  ] as const;
  for (const [path, reading] of cases) expect(pathReadings(path)).toContain(reading);
});

test("a long path of nothing but doubts has few readings", () => {
  for (const piece of ["%2F", "//", ";a", "/..", "%25", "/;"]) {
    expect(pathReadings(`/${piece.repeat(10_000)}`).length).toBeLessThan(64);
  }
});
