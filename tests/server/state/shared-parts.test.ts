import { expect, test } from "bun:test";
import { createSharedParts } from "../../../server/state/shared-parts.ts";

test("equal parts of records become one, and the records stay what they are", () => {
  const parts = createSharedParts();
  const make = () => ({ ID: "web-1", Node: "node-1", Tags: ["a", "b"], Meta: { k: "v" }, Port: 80, None: undefined });
  const [one, two] = [make(), make()];
  parts.share(one);
  parts.share(two);
  expect(one).toEqual(make());
  expect(two).toEqual(make());
  expect(two.Tags).toBe(one.Tags);
  expect(two.Meta).toBe(one.Meta);
});

test("parts that differ in order or in kind stay apart", () => {
  const parts = createSharedParts();
  const records = [{ Meta: { a: "1", b: "2" } }, { Meta: { b: "2", a: "1" } }, { Meta: ["a"] }, { Meta: {} }];
  const before = structuredClone(records);
  for (const record of records) parts.share(record);
  expect(records).toEqual(before);
  expect(Object.keys(records[1]?.Meta ?? {})).toEqual(["b", "a"]);
});
