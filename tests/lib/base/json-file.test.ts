import { expect, test } from "bun:test";
import { parseJsonText } from "../../../lib/base/json-file.ts";

test("what is nested deeper than recursion can follow is refused where it becomes so, and brackets in strings are none", () => {
  const deep = `{"a":\n${"[".repeat(600)}${"]".repeat(600)}}`;
  expect(parseJsonText(deep)).toEqual({ ok: false, line: 2, column: 512, message: "nested more than 512 levels deep" });
  expect(parseJsonText(`${"[".repeat(512)}${"]".repeat(512)}`).ok).toBe(true);
  expect(parseJsonText(JSON.stringify("[{".repeat(2_000))).ok).toBe(true);
  expect(parseJsonText(JSON.stringify('\\"['.repeat(2_000))).ok).toBe(true);
});
