import { expect, test } from "bun:test";
import { defaultUnderscoreRule, withUnderscoreRule } from "../../../proxy/message/field-names.ts";

const plain = [":method", "GET", "x-user", "a_b"];
const forged = [":method", "GET", "x_user", "root", "x-user", "a", "_", "b"];

test("fields without an underscore in a name are the same array under every rule", () => {
  for (const rule of ["allow", "reject", "drop"] as const) expect(withUnderscoreRule(plain, rule)).toBe(plain);
});

test("names with an underscore are allowed, as Consul does, refused or dropped", () => {
  expect(withUnderscoreRule(forged, defaultUnderscoreRule)).toBe(forged);
  expect(withUnderscoreRule(forged, "reject")).toBeUndefined();
  expect(withUnderscoreRule(forged, "drop")).toEqual([":method", "GET", "x-user", "a"]);
});
