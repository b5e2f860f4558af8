import { expect, test } from "bun:test";
import { hasUnderscoreName } from "../../../proxy/message/field-names.ts";

test("an underscore counts in a name and not in a value", () => {
  expect(hasUnderscoreName([":method", "GET", "x-user", "a_b"])).toBe(false);
  expect(hasUnderscoreName([":method", "GET", "x_user", "root"])).toBe(true);
});
