import { describe, expect, test } from "bun:test";
import { FieldBlock } from "../../../../proxy/message/field-block.ts";
import { HpackDecoder } from "../../../../proxy/http2/hpack/decoder.ts";
import { HpackEncoder, type HpackEncoderOptions } from "../../../../proxy/http2/hpack/encoder.ts";
import { BufferPool, OutputBuffer } from "../../../../proxy/http2/output-buffer.ts";
import { createRng, type Rng } from "../../../sim/random.ts";
import { testSeed, withSeed } from "../test-seed.ts";

const plain: HpackEncoderOptions = { tableBytes: 0, usesHuffman: false };
const indexing: HpackEncoderOptions = { tableBytes: 4096, usesHuffman: true };

function encode(encoder: HpackEncoder, block: FieldBlock): Buffer {
  const out = new OutputBuffer(new BufferPool(1024));
  encoder.encode(block, out);
  return Buffer.from(out.take());
}

function hexOf(options: HpackEncoderOptions, ...fields: string[]): string {
  return encode(new HpackEncoder(options), new FieldBlock(fields)).toString("hex");
}

describe("a plain encoder", () => {
  test("uses whole fields and names of the static table, and literals that leave no trace", () => {
    expect(hexOf(plain, ":method", "GET", ":path", "/a", "x", "yz")).toBe("82" + "04022f61" + "0001780279" + "7a");
  });

  test("writes the same block twice the same", () => {
    const encoder = new HpackEncoder(plain);
    const block = new FieldBlock([":method", "GET", "x-a", "b"]);
    block.isShared = true;
    expect(encode(encoder, block)).toEqual(encode(encoder, block));
  });

  test("keeps a never-indexed field so for the next hop", () => {
    expect(encode(new HpackEncoder(plain), new FieldBlock(["a", "1"], [0])).toString("hex")).toBe("1001610131");
    expect(encode(new HpackEncoder(plain), new FieldBlock([":method", "GET"], [0])).toString("hex")).toBe("1203474554");
  });

  test("tells a peer with a smaller table so, once", () => {
    const encoder = new HpackEncoder(plain);
    encoder.onPeerTableBytes(0);
    const block = new FieldBlock([":method", "GET"]);
    expect([1, 2].map(() => encode(encoder, block).toString("hex"))).toEqual(["2082", "82"]);
  });
});

describe("an indexing encoder", () => {
  test("indexes a field the second time it comes, and not one that is new each time", () => {
    const encoder = new HpackEncoder({ tableBytes: 4096, usesHuffman: false });
    const sizes = ["1", "2", "3", "4"].map(
      (id) => encode(encoder, new FieldBlock(["x-same", "value", "x-id", id])).length,
    );
    // Two literals; one of them inserted; one reference and a literal; the same.
    expect(sizes).toEqual([22, 22, 9, 9]);
  });

  const sensitive: readonly (readonly [string, string])[] = [
    ["authorization", "Bearer abc"],
    ["proxy-authorization", "Basic abc"],
    ["set-cookie", "sid=1234567890123456789012345678901234567890"],
    ["cookie", "sid=12345"],
  ];
  for (const [name, value] of sensitive) {
    test(`never indexes ${name}`, () => {
      const encoder = new HpackEncoder(indexing);
      const blocks = [1, 2, 3].map(() => encode(encoder, new FieldBlock([name, value])));
      for (const block of blocks) expect((block[0] ?? 0) & 0xf0).toBe(0x10);
    });
  }

  test("indexes a long cookie", () => {
    const encoder = new HpackEncoder(indexing);
    const cookie = new FieldBlock(["cookie", "sid=12345678901234567890"]);
    expect([1, 2, 3].map(() => encode(encoder, cookie).length).at(-1)).toBe(1);
  });

  test("says the smallest and the last size when the peer's changed twice between two blocks", () => {
    const encoder = new HpackEncoder(indexing);
    encoder.onPeerTableBytes(0);
    encoder.onPeerTableBytes(100);
    expect(encode(encoder, new FieldBlock([":method", "GET"])).toString("hex")).toBe("203f4582");
  });

  test("uses Huffman only where it is shorter", () => {
    expect(hexOf(indexing, "x", "aaaa")).toBe("0001788318c6 3f".replace(" ", ""));
    expect(hexOf(indexing, "x", "\\\\")).toBe("000178025c5c");
  });
});

describe("what an encoder writes", () => {
  for (const options of [plain, indexing, { tableBytes: 200, usesHuffman: false }]) {
    test(`a decoder reads, whatever comes (${JSON.stringify(options)})`, () => {
      const seed = testSeed();
      withSeed(seed, () => {
        const rng = createRng(seed);
        const encoder = new HpackEncoder(options);
        const decoder = new HpackDecoder({ tableBytes: 4096, maxListBytes: 1e9, maxFields: 1e6 });
        const shared = Array.from({ length: 5 }, () => randomBlock(rng, true));
        for (let i = 0; i < 1500; i++) {
          if (rng.chance(0.02))
            encoder.onPeerTableBytes(rng.pick([0, 50, 200, 4096, 8192].filter((size) => size <= 4096)));
          const block = rng.chance(0.5) ? rng.pick(shared) : randomBlock(rng, false);
          const bytes = encode(encoder, block);
          const decoded = decoder.decode(bytes, 0, bytes.length);
          expect(decoded instanceof FieldBlock && decoded.fields).toEqual([...block.fields]);
          for (const index of block.neverIndexed) {
            expect(decoded instanceof FieldBlock && decoded.neverIndexed).toContain(index);
          }
        }
      });
    });
  }
});

function randomBlock(rng: Rng, isShared: boolean): FieldBlock {
  const fields: string[] = [];
  const never: number[] = [];
  for (let i = rng.between(1, 10); i > 0; i--) {
    if (rng.chance(0.1)) never.push(fields.length);
    const name = rng.pick([":path", ":method", "cookie", "authorization", "x-a", "x-b", "x-c", "content-type"]);
    fields.push(name, rng.chance(0.5) ? rng.pick(["GET", "/", "one", "two"]) : "v".repeat(rng.below(300)));
  }
  const block = new FieldBlock(fields, never);
  block.isShared = isShared;
  return block;
}
