import { describe, expect, test } from "bun:test";
import { crc32c, crc32cText } from "../../../lib/base/crc32c.ts";

describe("CRC-32C", () => {
  // RFC 3720 appendix B.4, and the check value of the catalogue of CRCs.
  test.each([
    ["32 zero bytes", new Uint8Array(32), 0x8a9136aa],
    ["32 bytes of ones", new Uint8Array(32).fill(0xff), 0x62a8ab43],
    ["32 ascending bytes", Uint8Array.from({ length: 32 }, (_, n) => n), 0x46dd794e],
    ["32 descending bytes", Uint8Array.from({ length: 32 }, (_, n) => 31 - n), 0x113fdb5c],
    ["the digits 1 to 9", new TextEncoder().encode("123456789"), 0xe3069283],
  ])("of %s is as published", (_, bytes, expected) => {
    expect(crc32c(bytes)).toBe(expected);
  });

  test("continues over any split of the bytes", () => {
    const bytes = Uint8Array.from({ length: 41 }, (_, n) => (n * 151) & 0xff);
    for (let at = 0; at <= bytes.length; at++) {
      expect(crc32c(bytes, crc32c(bytes, 0, 0, at), at)).toBe(crc32c(bytes));
    }
  });

  test("of text is that of its UTF-8 bytes, ASCII or not", () => {
    for (const text of ["", "state/0000000001/services/web\u0000web-1", "Größe", "日本 node"]) {
      expect(crc32cText(text, 7)).toBe(crc32c(Buffer.from(text), 7));
    }
  });
});
