import { describe, expect, test } from "bun:test";
import { parseHcl } from "../../../lib/base/hcl.ts";
import { createSeededRandom } from "../../../lib/base/random.ts";
import { harmedHcl, hclFiles } from "./hcl-texts.ts";

const read = (text: string): unknown => {
  const parsed = parseHcl(text);
  return parsed.ok ? parsed.value : parsed;
};

describe("the shape of what is read", () => {
  test.each<[string, unknown]>([
    ["", {}],
    ['a = "x", "b c" = 2 d = true', { a: "x", "b c": 2, d: true }],
    ["ports { http = 1 }", { ports: { http: 1 } }],
    ["ports = { http = 1 }", { ports: { http: 1 } }],
    ["service { a = 1 } service { a = 2 }", { service: [{ a: 1 }, { a: 2 }] }],
    ["service = [{ a = 1 }]", { service: [{ a: 1 }] }],
    ["service { a = 1 } service = [{ a = 2 }] service { a = 3 }", { service: [{ a: 1 }, { a: 2 }, { a: 3 }] }],
    ['key "a" { p = "r" } key "b" { p = "w" }', { key: { a: { p: "r" }, b: { p: "w" } } }],
    ['key "a" { p = 1 } key "a" { p = 2 }', { key: { a: [{ p: 1 }, { p: 2 }] } }],
    ['key "a" "b" {} key "a" "c" {}', { key: { a: { b: {}, c: {} } } }],
    ['key { p = 1 } key "a" { p = 2 } key "b" {}', { key: [{ p: 1 }, { a: { p: 2 } }, { b: {} }] }],
    ['key "a" { p = 1 } key { p = 2 }', { key: [{ a: { p: 1 } }, { p: 2 }] }],
    ["a = 1 a = 2", { a: 2 }],
    ["a = [1] a = [2]", { a: [1, 2] }],
    ['key "" { toString = 1 } constructor = 2', { key: { "": { toString: 1 } }, constructor: 2 }],
  ])("%s", (text, expected) => {
    expect(read(text)).toEqual(expected);
  });
});

describe("what cannot be read is named with its place", () => {
  test.each([
    ["a = 10s", 1, 5, "unexpected text behind the number: is it meant to be a string?"],
    ["a: 1", 1, 2, 'unexpected ":"'],
    ["a = 1\nb = [1\n", 3, 1, 'expected "," or "]", found the end of the text'],
    ["a {\r\n  b = \r\n}", 3, 1, 'expected a value, found "}"'],
    ['a = "x\n"', 1, 5, "the string is not closed"],
    ['a = "\\q"', 1, 6, "unknown escape in a string"],
    ['a = "\\xff"', 1, 6, "an escaped byte above 7f is no character: write it as \\u00e9"],
    ["a = <<EOF\nx\nEOF", 1, 5, "no line EOF with a line break behind it ends this text"],
    ["a = 089", 1, 5, "a number that begins with 0 is octal: no 8 or 9"],
    ["a = 9007199254740993", 1, 5, "the number is too large"],
    ["a = 1e999", 1, 5, "the number is too large"],
    ["a = null", 1, 5, "expected a value, found null"],
    ["a b = 1", 1, 5, 'expected "{" behind the label, found "="'],
    ["a", 1, 2, 'expected "=" or "{" behind the key, found the end of the text'],
    ["}", 1, 1, 'expected a key, found "}"'],
    ["/* x", 1, 1, "the comment is not closed"],
    ["x { __proto__ { a = 1 } }", 1, 5, 'the key "__proto__" is not allowed'],
    ['x "__proto__" { a = 1 }', 1, 1, 'the key "__proto__" is not allowed'],
    ["a = 1 a { }", 1, 7, '"a" is written both as a single value and as a list or block'],
  ])("%j", (text, line, column, message) => {
    expect(parseHcl(text)).toEqual({ ok: false, line, column, message });
  });
});

test("a value that is assigned twice is refused only where that is asked for", () => {
  const message = 'The argument "policy" at 1:29 was already set. Each argument can only be defined once';
  const text = 'key "a" { policy = "read", \n policy = "write" }'.replace("\n", "");
  expect(parseHcl(text, { refusesRepeats: true })).toEqual({ ok: false, line: 1, column: 29, message });
  expect(parseHcl(text)).toEqual({ ok: true, value: { key: { a: { policy: "write" } } } });
  expect(parseHcl('key "a" { p = 1 } key "a" { p = 1 }', { refusesRepeats: true }).ok).toBe(true);
});

test("nesting and length have a bound", () => {
  for (const [open, inner, close] of [
    ["a {", "", "}"],
    ["a = {", "b = 1", "}"],
    ['a "b" {', "", "}"],
    ["a { b = [{", "", "}] }"],
  ] as const) {
    expect(parseHcl(open.repeat(10) + inner + close.repeat(10))).toMatchObject({ ok: true });
    expect(parseHcl(open.repeat(100_000))).toMatchObject({ message: "nested deeper than 64 levels" });
  }
  expect(parseHcl(`a = ${"[".repeat(100_000)}`)).toMatchObject({ message: "nested deeper than 64 levels" });
  expect(parseHcl(`${"a ".repeat(100_000)}{}`)).toMatchObject({ message: "nested deeper than 64 levels" });
  expect(parseHcl("#".repeat(5_000_000))).toMatchObject({ message: "longer than 4194304 characters" });
});

test("the time is linear in the text", () => {
  const times = (unit: string, head = "", tail = ""): void => {
    const started = performance.now();
    parseHcl(head + unit.repeat(Math.floor(300_000 / unit.length)) + tail);
    expect(performance.now() - started).toBeLessThan(3_000);
  };
  times("<<EOF\n");
  times('"');
  times("\\n", 'a = "', '"');
  times("${", 'a = "', '"');
  times("x\n", "a = <<EOF\n", "EOF\n");
  times(" ", "a = <<EOF\n", "EOF\n");
  times("   EO\n", "a = <<-EOF\n", "   EOF\n");
  times("/*");
  times("# x\n");
  times("a { b = 1 }\n");
  times("a = [1]\n");
  times('a "b" { }\n');
  times("9", "a = ");
  times("0x", "a = ");
  times("1,", "a = [", "]");
});

const seed = Number(process.env["ATOLL_TEST_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
test(`harmed text never throws (seed ${seed})`, () => {
  const random = createSeededRandom(seed);
  let readable = 0;
  for (let round = 0; round < 3_000; round++) {
    const text = harmedHcl(random.float, 4);
    const parsed = parseHcl(text);
    if (parsed.ok) readable++;
    else if (parsed.line < 1 || parsed.column < 1 || parsed.message === "")
      throw new Error(JSON.stringify({ text, parsed }));
  }
  expect(readable).toBeGreaterThan(100);
});

test.each(hclFiles)("$name is read", ({ text }) => {
  expect(parseHcl(text)).toMatchObject({ ok: true });
});
