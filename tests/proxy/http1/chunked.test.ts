import { describe, expect, test } from "bun:test";
import { defaultProxyLimits } from "../../../lib/contract/proxy-limits.ts";
import { ChunkedScanner } from "../../../proxy/http1/chunked.ts";

const limits = defaultProxyLimits.http1;

/** Feeds `text` in pieces of `size`; the bytes consumed, or -1. */
function scan(text: string, size: number): { consumed: number; isDone: boolean; dataBytes: number } {
  const scanner = new ChunkedScanner(limits);
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

  test("gives its data and its trailers, however it is cut", () => {
    const text = '5;a;b=c;d="e\\"\\\\ f"\r\nhello\r\n1\r\n!\r\n000\r\nX-One: 1\r\ntwo:\r\n\r\n';
    for (let size = 1; size <= text.length; size++) {
      const scanner = new ChunkedScanner(limits);
      let data = "";
      const sink = {
        onChunkData: (bytes: Buffer, start: number, end: number): void => {
          data += bytes.toString("latin1", start, end);
        },
      };
      for (let at = 0; at < text.length; at += size) {
        const piece = Buffer.from(text.slice(at, at + size), "latin1");
        expect(scanner.advance(piece, 0, sink)).toBe(piece.length);
      }
      expect([scanner.isDone, data, scanner.trailerText]).toEqual([true, "hello!", "X-One: 1\r\ntwo:\r\n"]);
    }
  });

  test("leaves nothing of the body before", () => {
    const scanner = new ChunkedScanner(limits);
    scanner.advance(Buffer.from("0\r\na: b\r\n\r\n"), 0);
    scanner.reset();
    expect([scanner.isDone, scanner.trailerText, scanner.dataBytes]).toEqual([false, "", 0]);
    scanner.advance(Buffer.from("0\r\nc: d\r\n\r\n"), 0);
    expect([scanner.isDone, scanner.trailerText]).toEqual([true, "c: d\r\n"]);
  });

  const refused = {
    "no size": "\r\nhello",
    "a size that is not hexadecimal": "5g\r\nhello\r\n",
    "a space behind the size": "5 \r\nhello\r\n",
    "a signed size": "+5\r\nhello\r\n",
    "a size beyond exact numbers": "1000000000000\r\n",
    "a bare LF behind the size": "5\nhello\r\n",
    "data longer than its size": "5\r\nhello!\r\n0\r\n\r\n",
    "a size of too many zeros": "0000000000005\r\nhello\r\n",
    "a space in an extension": "5; a\r\nhello\r\n",
    "an extension without a name": "5;\r\nhello\r\n",
    "an extension without its value": "5;a=\r\nhello\r\n",
    "an extension whose quotes are open": '5;a="b\r\nhello\r\n',
    "more behind quotes": '5;a="b"c\r\nhello\r\n',
    "no CR LF behind the data": "5\r\nhello0\r\n\r\n",
    "a bare CR behind the data": "5\r\nhello\r0\r\n\r\n",
    "a bare LF behind the data": "5\r\nhello\n0\r\n\r\n",
    "a bare CR behind the size": "5\rhello\r\n",
    "a bare LF at its end": "0\r\n\n",
    "a space before a trailer's colon": "0\r\na : b\r\n\r\n",
    "NUL in a trailer": "0\r\na: b\0\r\n\r\n",
    "a length in its trailers": "0\r\nContent-Length: 5\r\n\r\n",
    "a coding in its trailers": "0\r\nx: 1\r\ntransfer-encoding: chunked\r\n\r\n",
    "a host in its trailers": "0\r\nhost: a\r\n\r\n",
    "credentials in its trailers": "0\r\nAuthorization: b\r\n\r\n",
    "a caller in its trailers": "0\r\nX-Forwarded-Client-Cert: b\r\n\r\n",
    "extensions and hardly any data (CVE-2024-22019)": `1;${"a".repeat(1000)}\r\nx\r\n`.repeat(20),
    "too many trailers": `0\r\n${"a:\r\n".repeat(limits.maxTrailers + 1)}\r\n`,
    "a control byte in an extension": "5;a\0\r\nhello\r\n",
    "a bare LF in an extension": "5;a\nX\r\nhello\r\n",
    "an endless extension (CVE-2024-22019)": `5;${"a".repeat(limits.maxChunkExtensionBytes + 1)}`,
    "a folded trailer": "0\r\na: b\r\n c\r\n\r\n",
    "a trailer without a name": "0\r\n: b\r\n\r\n",
    "endless trailers": `0\r\n${"a: b\r\n".repeat(limits.maxTrailerBytes / 6 + 1)}`,
  };
  for (const [what, text] of Object.entries(refused)) {
    test(`with ${what} is refused however it is cut`, () => {
      expect(scan(text, 1).consumed).toBe(-1);
      expect(scan(text, text.length).consumed).toBe(-1);
    });
  }
});

describe("of what is no data a chunked body may have", () => {
  const small = {
    ...limits,
    maxChunkExtensionBytes: 10,
    maxBodyExtensionBytes: 20,
    maxTrailerBytes: 30,
    maxTrailers: 3,
  };
  const isTaken = (text: string): boolean => {
    const scanner = new ChunkedScanner(small);
    return scanner.advance(Buffer.from(text), 0) === text.length && scanner.isDone;
  };
  const end = "0\r\n\r\n";

  test("as much in one chunk as allowed, its CR LF counted, and not a byte more", () => {
    expect(isTaken(`1;${"a".repeat(9)}\r\nx\r\n${end}`)).toBe(true);
    expect(isTaken(`1;${"a".repeat(10)}\r\nx\r\n${end}`)).toBe(false);
  });

  test("as much in all chunks as allowed, and not a byte more", () => {
    const chunk = `1;${"a".repeat(7)}\r\nx\r\n`;
    // Each chunk has 8 bytes that count and earns one by its data.
    expect(isTaken(chunk.repeat(2) + end)).toBe(true);
    expect(isTaken(chunk.repeat(4) + end)).toBe(false);
  });

  test("as many trailers as allowed, and not one more", () => {
    expect(isTaken(`0\r\n${"a:1\r\n".repeat(3)}\r\n`)).toBe(true);
    expect(isTaken(`0\r\n${"a:1\r\n".repeat(4)}\r\n`)).toBe(false);
  });

  test("as many bytes of trailers as allowed, and not one more", () => {
    const trailer = (bytes: number): string => `0\r\na:${"b".repeat(bytes - "a:\r\n\r\n".length)}\r\n\r\n`;
    expect(isTaken(trailer(30))).toBe(true);
    expect(isTaken(trailer(31))).toBe(false);
  });
});
