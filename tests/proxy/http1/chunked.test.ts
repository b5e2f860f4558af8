import { describe, expect, test } from "bun:test";
import { ChunkedScanner, maxChunkExtensionBytes, maxTrailerBytes } from "../../../proxy/http1/chunked.ts";

/** Feeds `text` in pieces of `size`; the bytes consumed, or -1. */
function scan(text: string, size: number): { consumed: number; isDone: boolean; dataBytes: number } {
  const scanner = new ChunkedScanner();
  const bytes = Buffer.from(text, "latin1");
  let consumed = 0;
  while (consumed < bytes.length && !scanner.isDone) {
    const end = scanner.advance(bytes.subarray(consumed, consumed + size), 0);
    if (end < 0) return { consumed: -1, isDone: false, dataBytes: scanner.dataBytes };
    consumed += end;
  }
  return { consumed, isDone: scanner.isDone, dataBytes: scanner.dataBytes };
}

const body = "5\r\nhello\r\nA;name=value\r\n0123456789\r\n0\r\nx-trailer: 1\r\n\r\n";

describe("a chunked body", () => {
  test("ends at the same byte however it is cut", () => {
    for (let size = 1; size <= body.length + 3; size++) {
      expect(scan(`${body}GET`, size)).toEqual({ consumed: body.length, isDone: true, dataBytes: 15 });
    }
  });

  const refused = {
    "no size": "\r\nhello",
    "a size that is not hexadecimal": "5g\r\nhello\r\n",
    "a space behind the size": "5 \r\nhello\r\n",
    "a signed size": "+5\r\nhello\r\n",
    "a size beyond exact numbers": "1000000000000\r\n",
    "a bare LF behind the size": "5\nhello\r\n",
    "data longer than its size": "5\r\nhello!\r\n0\r\n\r\n",
    "a control byte in an extension": "5;a\0\r\nhello\r\n",
    "a bare LF in an extension": "5;a\nX\r\nhello\r\n",
    "an endless extension (CVE-2024-22019)": `5;${"a".repeat(maxChunkExtensionBytes + 1)}`,
    "a folded trailer": "0\r\na: b\r\n c\r\n\r\n",
    "a trailer without a name": "0\r\n: b\r\n\r\n",
    "endless trailers": `0\r\n${"a: b\r\n".repeat(maxTrailerBytes / 6 + 1)}`,
  };
  for (const [what, text] of Object.entries(refused)) {
    test(`with ${what} is refused however it is cut`, () => {
      expect(scan(text, 1).consumed).toBe(-1);
      expect(scan(text, text.length).consumed).toBe(-1);
    });
  }
});
