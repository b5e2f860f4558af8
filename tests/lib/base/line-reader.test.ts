import { expect, test } from "bun:test";
import { createLineReader } from "../../../lib/base/line-reader.ts";

function read(chunks: readonly (string | Uint8Array)[], maxLineBytes = 100): string[] {
  const seen: string[] = [];
  const reader = createLineReader({
    maxLineBytes,
    onLine: (line) => seen.push(line),
    onTooLong: () => seen.push("<too long>"),
  });
  for (const chunk of chunks) reader.push(typeof chunk === "string" ? Buffer.from(chunk) : chunk);
  return seen;
}

test("the same lines come out however the bytes are cut", () => {
  const bytes = Buffer.from("one\n\nzwölf €\nunfinished");
  for (let size = 1; size <= bytes.length; size++) {
    const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, n) =>
      bytes.subarray(n * size, (n + 1) * size),
    );
    expect(read(chunks)).toEqual(["one", "", "zwölf €"]);
  }
});

test("a line of exactly the limit passes, a longer one ends the reading", () => {
  expect(read(["12345\n", "123456", "\nnext\n"], 5)).toEqual(["12345", "<too long>"]);
  expect(read(["1234567\nnext\n"], 5)).toEqual(["<too long>"]);
});
