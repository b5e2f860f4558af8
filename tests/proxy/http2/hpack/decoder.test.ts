import { describe, expect, test } from "bun:test";
import { FieldBlock } from "../../../../proxy/message/field-block.ts";
import { HpackDecoder, type HpackProblem } from "../../../../proxy/http2/hpack/decoder.ts";
import { createRng } from "../../../sim/random.ts";
import { testSeed, withSeed } from "../test-seed.ts";
import { NaiveDecoder } from "./naive-decoder.ts";
import { BlockMaker } from "./random-blocks.ts";

function createDecoder(limits: { maxListBytes?: number; maxFields?: number; tableBytes?: number } = {}): HpackDecoder {
  return new HpackDecoder({ tableBytes: 4096, maxListBytes: 1e9, maxFields: 1e6, ...limits });
}

function decode(decoder: HpackDecoder, hex: string): FieldBlock | HpackProblem {
  const bytes = Buffer.from(hex.replaceAll(" ", ""), "hex");
  return decoder.decode(bytes, 0, bytes.length);
}

function fieldsOf(result: FieldBlock | HpackProblem): readonly string[] | string {
  return result instanceof FieldBlock ? result.fields : result;
}

function problemOf(result: FieldBlock | HpackProblem): string | undefined {
  return result instanceof FieldBlock ? result.problem : result;
}

describe("a decoder", () => {
  test("reads what the naive one reads, block after block, repeated ones too", () => {
    const seed = testSeed();
    withSeed(seed, () => {
      for (let round = 0; round < 150; round++) {
        const rng = createRng(`${seed}/${round}`);
        const fast = createDecoder();
        const naive = new NaiveDecoder(4096);
        const blocks = new BlockMaker(rng);
        for (let i = 0; i < 40; i++) {
          const block = blocks.next(round % 2 === 1);
          const expected = naive.decode(block);
          const result = fast.decode(block, 0, block.length);
          if (expected === undefined) {
            expect(typeof result).toBe("string");
            break;
          }
          expect(fieldsOf(result)).toEqual(expected);
        }
      }
    });
  });

  test("hands out the same block for the same bytes once it has seen them twice", () => {
    const decoder = createDecoder();
    const block = "82 04 01 2f 0f 0d 03 61 62 63";
    const results = [1, 2, 3, 4].map(() => decode(decoder, block));
    expect(results[2]).toBe(results[1]);
    expect(results[3]).toBe(results[1]);
    expect(fieldsOf(results[3] ?? "truncated")).toEqual(fieldsOf(results[0] ?? "truncated"));
  });

  test("reads the same bytes anew once the table they refer to has changed", () => {
    const decoder = createDecoder();
    decode(decoder, "40 01 61 01 31");
    for (let i = 0; i < 3; i++) expect(fieldsOf(decode(decoder, "be"))).toEqual(["a", "1"]);
    decode(decoder, "40 01 62 01 32");
    for (let i = 0; i < 3; i++) expect(fieldsOf(decode(decoder, "be"))).toEqual(["b", "2"]);
  });

  test("does not take a block that adds to the table from memory, since it adds each time", () => {
    const decoder = createDecoder();
    for (let i = 1; i <= 4; i++) {
      decode(decoder, "40 01 61 01 31");
      expect(decoder.tableBytes).toBe(i * 34);
    }
  });

  test("keeps what must never be indexed apart", () => {
    const block = decode(createDecoder(), "82 10 01 61 01 31 00 01 62 01 32 1f 11 01 33");
    expect(block instanceof FieldBlock && [block.fields, block.neverIndexed]).toEqual([
      [":method", "GET", "a", "1", "b", "2", "cookie", "3"],
      [2, 6],
    ]);
  });

  const unreadable: readonly (readonly [string, HpackProblem, string])[] = [
    ["index 0", "bad_index", "80"],
    ["an index beyond the table", "bad_index", "be"],
    ["a name beyond the table", "bad_index", "7e 01 61"],
    ["an integer that does not end", "truncated", "ff"],
    ["an integer of more than five bytes", "bad_integer", "ff 80 80 80 80 80 01"],
    ["an integer beyond all lengths", "bad_integer", "ff ff ff ff ff 0f"],
    ["a string longer than the block", "truncated", "00 01 61 05 31"],
    ["a literal without a value", "truncated", "00 01 61"],
    ["Huffman code that is none", "bad_huffman", "00 01 61 81 1c"],
    ["a table larger than announced", "bad_table_size_update", "3f e2 1f"],
    ["a table size after a field", "bad_table_size_update", "82 20"],
  ];
  for (const [what, problem, hex] of unreadable) {
    test(`refuses ${what}`, () => expect(fieldsOf(decode(createDecoder(), hex))).toBe(problem));
  }

  const malformed: readonly (readonly [string, string])[] = [
    ["an upper-case name", "00 01 41 01 31"],
    ["an empty name", "00 00 01 31"],
    ["a colon alone as the name", "00 01 3a 01 31"],
    ["a space in a name", "00 03 61 20 62 01 31"],
    ["a name beyond ASCII", "00 01 e9 01 31"],
    ["CR in a value", "00 01 61 02 31 0d"],
    ["LF in a value", "00 01 61 03 31 0a 32"],
    ["NUL in a value (CVE-2019-9900)", "00 01 61 01 00"],
    ["a blank before a value", "00 01 61 02 20 31"],
    ["a tab behind a value", "00 01 61 02 31 09"],
    ["an upper-case name that is Huffman-coded", "00 81 87 01 31"],
  ];
  for (const [what, hex] of malformed) {
    test(`marks a block with ${what} as malformed, and reads on after it`, () => {
      const decoder = createDecoder();
      expect(problemOf(decode(decoder, hex))).toBe("malformed_field");
      expect(fieldsOf(decode(decoder, "82"))).toEqual([":method", "GET"]);
    });
  }

  test("remembers that an entry of the table is malformed", () => {
    const decoder = createDecoder();
    for (const hex of ["40 01 61 01 00", "be", "be", "be"]) {
      expect(problemOf(decode(decoder, hex))).toBe("malformed_field");
    }
    expect(problemOf(decode(decoder, "7e 01 31"))).toBeUndefined();
  });

  test("wants the smaller table that was announced, in the next block after the acknowledgement", () => {
    const decoder = createDecoder({ tableBytes: 100 });
    expect(fieldsOf(decode(decoder, "82"))).toEqual([":method", "GET"]);
    decoder.onSettingsAcknowledged();
    expect(fieldsOf(decode(decoder, "82"))).toBe("missing_table_size_update");
    const other = createDecoder({ tableBytes: 100 });
    other.onSettingsAcknowledged();
    expect(fieldsOf(decode(other, "3f 45 82"))).toEqual([":method", "GET"]);
    expect(fieldsOf(decode(other, "82"))).toEqual([":method", "GET"]);
  });
});

describe("a header list beyond its limits", () => {
  test("is too large by its bytes, 32 more a field", () => {
    const list = "00 01 61 01 31 00 01 61 01 31";
    expect(problemOf(decode(createDecoder({ maxListBytes: 68 }), list))).toBeUndefined();
    expect(problemOf(decode(createDecoder({ maxListBytes: 67 }), list))).toBe("header_list_too_large");
  });

  test("is too large by the number of its fields, equal ones too (CVE-2026-73550)", () => {
    expect(problemOf(decode(createDecoder({ maxFields: 3 }), "66 01 61 66 01 61 66 01 61"))).toBeUndefined();
    expect(problemOf(decode(createDecoder({ maxFields: 2 }), "66 01 61 66 01 61 66 01 61"))).toBe(
      "header_list_too_large",
    );
  });

  test("is not kept while it is read to its end: an HPACK bomb costs no memory (CVE-2016-6581)", () => {
    const decoder = createDecoder({ maxListBytes: 16_384 });
    const bomb = Buffer.concat([Buffer.from("40016 17f 81 1e".replaceAll(" ", ""), "hex"), Buffer.alloc(4001, "x")]);
    decoder.decode(bomb, 0, bomb.length);
    const references = Buffer.alloc(16_000, 0xbe);
    const block = decoder.decode(references, 0, references.length);
    expect(problemOf(block)).toBe("header_list_too_large");
    expect(block instanceof FieldBlock && block.fields.length).toBeLessThan(20);
    expect(decoder.tableBytes).toBeLessThanOrEqual(4096);
  });
});
