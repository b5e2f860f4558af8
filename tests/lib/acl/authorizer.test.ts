import { expect, test } from "bun:test";
import { type Authorizer, demand, unrestricted } from "../../../lib/acl/authorizer.ts";

const nothing: Authorizer = {
  key: "nothing",
  isUnrestricted: false,
  allows: () => false,
  allowsAll: () => false,
  allowsAny: () => false,
  accessorId: "8ae7",
};

test("a refusal names who asked and the rule that is missing", () => {
  expect(() => demand(nothing, "service", "write", "web")).toThrow(
    `Permission denied: token with AccessorID '8ae7' lacks permission 'service:write' on "web"`,
  );
  expect(() => demand({ ...nothing, accessorId: "" }, "operator", "read")).toThrow(
    "Permission denied: anonymous token lacks permission 'operator:read'",
  );
});

test("what is unrestricted is refused nothing", () => {
  expect(() => demand(unrestricted, "acl", "write")).not.toThrow();
});
