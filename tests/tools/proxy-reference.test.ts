import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { pagePath, renderReference, undescribedFields } from "../../tools/proxy-reference.ts";

test("the reference page is what the schema says: npm run reference writes it anew", () => {
  expect(readFileSync(pagePath, "utf8")).toBe(renderReference());
});

test("every field of the document is described", () => {
  expect(undescribedFields()).toEqual([]);
});

test("a required field, a default, a range, a list and the objects in a list are on the page", () => {
  const page = renderReference();
  expect(page).toContain("| `certFile` | string | required |");
  expect(page).toContain("| `connectTimeoutMs` | integer 1 to 86,400,000 | `5000` |");
  expect(page).toContain("| `endpoints` | list of objects, at most 10,000 | `[]` |");
  expect(page).toContain("## `outbound[].clusters[].endpoints[]`");
  expect(page).toContain("| `limits` | object | its fields' |");
});
