import { expect, test } from "bun:test";
import { createSeededRandom } from "../../../lib/base/random.ts";
import { hashText } from "../../../proxy/balance/text-hash.ts";
import { testSeed, withSeed } from "../http2/test-seed.ts";

test("the hash of a text is xxHash32, as published and as another implementation has it", () => {
  expect(hashText("")).toBe(0x02cc5d05);
  expect(hashText("abc")).toBe(0x32d153ff);
  const seed = testSeed();
  withSeed(seed, () => {
    const random = createSeededRandom(Number(seed));
    for (let i = 0; i < 2_000; i++) {
      const text = Buffer.from(random.bytes(Math.floor(random.float() * 70))).toString("latin1");
      const salt = Math.floor(random.float() * 2 ** 32);
      expect(hashText(text, salt)).toBe(Bun.hash.xxHash32(Buffer.from(text, "latin1"), salt));
    }
  });
});
