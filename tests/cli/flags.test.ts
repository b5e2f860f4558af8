import { describe, expect, test } from "bun:test";
import { formatUsage, parseFlags } from "../../cli/flags.ts";

const specs = {
  dev: { type: "boolean", summary: "Development mode." },
  "data-dir": { type: "string", placeholder: "path", summary: "Where to keep data." },
  "http-port": { type: "integer", summary: "Port of the API." },
  join: { type: "string", multiple: true, summary: "A server to join." },
} as const;

const parse = (...args: string[]) => parseFlags({ args, flags: specs, maxPositionals: 1 });

describe("parseFlags", () => {
  test.each([
    [["-data-dir=/x", "-http-port=80"]],
    [["--data-dir=/x", "--http-port=80"]],
    [["-data-dir", "/x", "-http-port", "80"]],
    [["--data-dir", "/x", "--http-port", "80"]],
  ])("%j gives the same values", (args) => {
    expect(parse(...args).flags).toEqual({ dev: undefined, "data-dir": "/x", "http-port": 80, join: [] });
  });

  test.each([
    ["-dev", true],
    ["--dev=true", true],
    ["-dev=false", false],
  ] as const)("the boolean %s is %s", (arg, expected) => {
    expect(parse(arg).flags.dev).toBe(expected);
  });

  test("a boolean does not swallow the argument after it", () => {
    expect(parse("-dev", "file")).toMatchObject({ flags: { dev: true }, positionals: ["file"] });
  });

  test("a multiple flag keeps every value in order, any other the last", () => {
    expect(parse("-join=a", "-data-dir=1", "-join", "b", "-data-dir=2").flags).toMatchObject({
      join: ["a", "b"],
      "data-dir": "2",
    });
  });

  test("everything after -- is positional", () => {
    expect(parse("--", "-dev")).toMatchObject({ flags: { dev: undefined }, positionals: ["-dev"] });
  });

  test.each([
    [["-data-dri=/x"], "unknown flag -data-dri (did you mean -data-dir?)"],
    [["-zzzzzzzzzzz"], "unknown flag -zzzzzzzzzzz"],
    [["-constructor"], "unknown flag -constructor"],
    [["-data-dir"], "flag -data-dir needs a value: -data-dir=<path>"],
    [["-http-port=http"], 'flag -http-port must be a whole number, found "http"'],
    [["-http-port="], 'flag -http-port must be a whole number, found ""'],
    [["-dev=maybe"], 'flag -dev must be true or false, found "maybe"'],
    [["a", "b"], 'unexpected argument "b"'],
  ])("%j is refused: %s", (args, message) => {
    expect(() => parse(...args)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT", message }));
  });
});

test("the usage text names every flag with its value and whether it may be repeated", () => {
  const usage = formatUsage({ synopsis: "atoll x", description: "Does x.", flags: specs, examples: ["atoll x -dev"] });
  expect(usage).toContain("Usage: atoll x\n\n  Does x.\n");
  expect(usage).toContain("  $ atoll x -dev\n");
  expect(usage).toContain("  -dev\n      Development mode.\n");
  expect(usage).toContain("  -data-dir=<path>\n");
  expect(usage).toContain("A server to join. May be given more than once.\n");
});

test("the usage text is no wider than a terminal", () => {
  const summary = "Where the agent keeps what must outlive it, ".repeat(5);
  const usage = formatUsage({ synopsis: "atoll x", description: summary, flags: { x: { type: "boolean", summary } } });
  expect(Math.max(...usage.split("\n").map((line) => line.length))).toBeLessThanOrEqual(80);
  expect(usage).toContain("\n  Where the agent keeps");
});
