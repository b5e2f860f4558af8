import { describe, expect, test } from "bun:test";
import { mustGet } from "../../../lib/base/assert.ts";
import { parseInstanceFilter } from "../../../lib/contract/instance-filter.ts";
import { instance } from "../../agent/sidecar-fixtures.ts";

const plain = instance("a", { statuses: ["passing", "warning"] });
const one = {
  ...plain,
  Node: { ...plain.Node, Meta: { zone: "z1" } },
  Service: { ...plain.Service, Tags: ["canary", "eu"], Meta: { version: "1.2.3", empty: "", "a.b": "dotted" } },
};

function matches(expression: string): boolean {
  const parsed = parseInstanceFilter(expression);
  if (!parsed.ok) throw new Error(`${expression}: ${parsed.message}`);
  return parsed.matches(one);
}

function problem(expression: string): string {
  const parsed = parseInstanceFilter(expression);
  return mustGet(parsed.ok ? undefined : parsed.message, `${expression} is taken`);
}

describe("an expression over an instance", () => {
  test.each([
    ["", true],
    ["Service.Meta.version == 1.2.3", true],
    ['Service.Meta.version == "1.2.3"', true],
    ["Service.Meta.version == `1.2.3`", true],
    ['Service.Meta["version"] == "1.2.3"', true],
    ["Service.Meta.version != 2", true],
    ["Service.Meta.missing == x", false],
    ["Service.Meta.missing != x", true],
    ["Service.Meta.missing is empty", true],
    ["Service.Meta.empty is empty", true],
    ["Service.Meta.version is not empty", true],
    ['Service.Meta["a.b"] == dotted', true],
    ["Service.Meta.a.b == dotted", true],
    ["version in Service.Meta", true],
    ["missing not in Service.Meta", true],
    ["Service.Meta contains version", true],
    ["canary in Service.Tags", true],
    ['"can" in Service.Tags', false],
    ["Service.Tags contains eu", true],
    ["Service.Tags not contains us", true],
    ["Service.Tags is empty", false],
    ["2.3 in Service.Meta.version", true],
    ['Service.Meta.version matches "^1[.]"', true],
    ['Service.Meta.version matches "2"', true],
    ['Service.Meta.version not matches "^2"', true],
    ["Service.Port == 21000", true],
    ["Service.Port != 21000", false],
    ["Service.Port == 0x5208", true],
    ["Service.Port == 0b101001000001000", true],
    ["Service.Port == 21_000", true],
    ["Service.Port == 051010", true],
    ["Service.Connect.Native == false", true],
    ["Service.Connect.Native == F", true],
    ["Service.Meta.missing matches x", true],
    ["Service.Meta.missing not matches x", true],
    ["Service.Meta.missing is not empty", false],
    ["Service.TaggedAddresses.lan.Address == x", false],
    ["Service.TaggedAddresses.lan.Port != 1", true],
    ["lan in Service.TaggedAddresses", false],
    ["Service.Proxy.MeshGateway.Mode == ``", true],
    ["Service.Weights.Passing == 1", true],
    ["Checks is empty", false],
    ["Checks.ServiceTags is not empty", false],
    ["Service.EnableTagOverride != true", true],
    ["Node.Meta.zone == z1", true],
    ['Node.Node == "node-a"', true],
    ["Checks.Status == warning", true],
    ["Checks.Status == critical", false],
    ["Checks.Status != passing", true],
  ])("%s is %p", (expression, expected) => {
    expect(matches(expression)).toBe(expected);
  });

  test("binds and before or, and not before both; brackets come first", () => {
    expect(matches("Service.Port == 1 and Service.Port == 2 or Service.Port == 21000")).toBe(true);
    expect(matches("Service.Port == 1 and (Service.Port == 2 or Service.Port == 21000)")).toBe(false);
    expect(matches("not Service.Port == 1 and Service.Port == 21000")).toBe(true);
    expect(matches("not (Service.Port == 1 or Service.Port == 21000)")).toBe(false);
    expect(matches("  not not Service.Port==21000  ")).toBe(true);
  });

  test("takes a word of its own language as a value where it is quoted", () => {
    expect(matches('"not" not in Service.Tags')).toBe(true);
    expect(matches('Service.Meta.version != "a \\"quoted\\" one"')).toBe(true);
  });
});

describe("an expression is refused, with the place,", () => {
  test.each([
    ["Service.Meta.version", "needs one of ==, !=,"],
    ["Service.Meta.version ==", "needs a value (at character 24)"],
    ["Service.Metal.version == 1", 'Selector "Service.Metal.version" is not valid (at character 1)'],
    ["Service.Connect.Native.more == 1", 'Selector "Service.Connect.Native.more" is not valid'],
    ["Node.constructor == 1", 'Selector "Node.constructor" is not valid'],
    ["constructor.name == 1", 'Selector "constructor.name" is not valid'],
    ["Service.Tags == canary", 'Invalid match operator "Equal" for selector "Service.Tags"'],
    ["a not in Service.Port", 'Invalid match operator "Not In" for selector "Service.Port"'],
    ["Service.Weights is empty", 'Invalid match operator "Is Empty" for selector "Service.Weights"'],
    ["Service.Port is not empty", 'Invalid match operator "Is Not Empty" for selector "Service.Port"'],
    [
      "Service.Port == many",
      'Failed to coerce value "many" for selector "Service.Port": strconv.ParseInt: parsing "many"',
    ],
    ["Service.Connect.Native == maybe", 'strconv.ParseBool: parsing "maybe": invalid syntax'],
    ["Service.Port matches 2", 'Invalid match operator "Matches" for selector "Service.Port"'],
    ["Service.ID matches `(`", 'Failed to compile regular expression "(" for selector "Service.ID"'],
    ["(Service.ID == a", 'needs a ")"'],
    ["Service.ID == a)", 'found ")" where the expression should end (at character 16)'],
    ["Service.ID == a Service.ID == b", "where the expression should end"],
    ["Service.ID = a", "cannot be read from character 11 on"],
    ['Service.ID == "a', "cannot be read from character 14 on"],
    ["and", "needs one of"],
    [`${"not ".repeat(100)}Service.ID == a`, "is nested deeper than 64"],
    ["(".repeat(100), "is nested deeper than 64"],
    [`Service.ID == ${"a".repeat(5_000)}`, "has 5014 characters, 4096 are allowed"],
  ])("%s", (expression, message) => {
    expect(problem(expression)).toContain(message);
  });
});

test("whatever the text is, it is read or refused, and in no time", () => {
  const pieces = [
    "Service.Meta.a",
    " ",
    "==",
    "!=",
    '"',
    "`",
    "(",
    ")",
    "not",
    "in",
    "and",
    "[",
    "]",
    ".",
    "\\",
    "é",
    "1",
  ];
  let seed = 7;
  const next = (bound: number): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return seed % bound;
  };
  for (let round = 0; round < 3_000; round++) {
    const text = Array.from({ length: next(40) }, () => pieces[next(pieces.length)]).join("");
    const parsed = parseInstanceFilter(text);
    if (parsed.ok) parsed.matches(one);
    else expect(parsed.message).not.toBe("");
  }
});
