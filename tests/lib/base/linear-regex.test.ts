import { expect, test } from "bun:test";
import { mustGet } from "../../../lib/base/assert.ts";
import { compileRegex, type LinearRegex, maxReplacements } from "../../../lib/base/linear-regex.ts";

function must(pattern: string, ignoresCase = false): LinearRegex {
  const compiled = compileRegex(pattern, { ignoresCase });
  return mustGet(compiled.ok ? compiled.regex : undefined, pattern);
}

test("an expression matches the whole text, as Envoy's do", () => {
  const regex = must("/v[0-9]+/(users|orders)");
  expect(regex.matches("/v12/orders")).toBe(true);
  expect(regex.matches("/v12/orders/7")).toBe(false);
  expect(regex.matches("x/v12/orders")).toBe(false);
  // A line end hides nothing from a dot.
  expect(must("/a.*").matches("/a\nb")).toBe(true);
  expect(must("/Admin", true).matches("/aDMIN")).toBe(true);
});

test("what Perl can and RE2 cannot is refused with a reason, as is what would be a program", () => {
  for (const pattern of ["(?=a)", String.raw`(a)\1`, "(a{1000}){1000}", "(", "a".repeat(1_025)]) {
    const compiled = compileRegex(pattern);
    expect(compiled.ok).toBe(false);
    if (!compiled.ok) expect(compiled.message).not.toBe("");
  }
});

test("the time of an expression that backtracking needs for ever is linear in the text", () => {
  // 2 to the power of 50,000 steps for who tries all ways.
  expect(must("(a+)+(a|a)*").matches(`${"a".repeat(50_000)}!`)).toBe(false);
});

test("replaces with groups", () => {
  expect(must("^/service/([^/]+)(/.*)$").replaceAll("/service/foo/v1/api", "$2/instance/$1")).toBe(
    "/v1/api/instance/foo",
  );
  const regex = must("a(b)?");
  expect(regex.groupCount).toBe(1);
  expect(regex.replaceAll("xabyab", "<$1|$&|$$>")).toBe("x<b|ab|$>y<b|ab|$>");
});

test("replaces so many matches and no more, since each may read to the end of the text", () => {
  expect(must("-").replaceAll("-".repeat(maxReplacements), "_")).toBe("_".repeat(maxReplacements));
  expect(must("-").replaceAll("-".repeat(maxReplacements + 1), "_")).toBeUndefined();
  // Quadratic for who replaces them all.
  expect(must("a.*b|a").replaceAll("a".repeat(50_000), "")).toBeUndefined();
});
