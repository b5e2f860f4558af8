import { describe, expect, test } from "bun:test";
import { FieldBlock } from "../../../../proxy/message/field-block.ts";
import { HpackDecoder } from "../../../../proxy/http2/hpack/decoder.ts";
import { decodeHuffman, encodeHuffman, huffmanLength } from "../../../../proxy/http2/hpack/huffman.ts";

/** The examples of RFC 7541 appendix C. */
function createDecoder(): HpackDecoder {
  return new HpackDecoder({ tableBytes: 4096, maxListBytes: 65_536, maxFields: 100 });
}

function decode(decoder: HpackDecoder, hex: string): readonly string[] | string {
  const bytes = Buffer.from(hex, "hex");
  const block = decoder.decode(bytes, 0, bytes.length);
  return block instanceof FieldBlock ? block.fields : block;
}

const request = [":method", "GET", ":scheme", "http", ":path", "/", ":authority", "www.example.com"];
const requests = [
  request,
  [...request, "cache-control", "no-cache"],
  [
    ...[":method", "GET", ":scheme", "https", ":path", "/index.html", ":authority", "www.example.com"],
    ...["custom-key", "custom-value"],
  ],
];
const location = ["location", "https://www.example.com"];
const date = "Mon, 21 Oct 2013 20:13:21 GMT";
const cookie = "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1";
const responses = [
  [":status", "302", "cache-control", "private", "date", date, ...location],
  [":status", "307", "cache-control", "private", "date", date, ...location],
  [
    ...[":status", "200", "cache-control", "private", "date", date.replace("21 GMT", "22 GMT"), ...location],
    ...["content-encoding", "gzip", "set-cookie", cookie],
  ],
];
/** The table of 256 bytes that C.5 and C.6 assume, set by an update in front of the first block. */
const smallTable = "3fe101";

const examples: readonly (readonly [string, readonly string[], readonly (readonly string[])[]])[] = [
  ["C.2.1", ["400a637573746f6d2d6b65790d637573746f6d2d686561646572"], [["custom-key", "custom-header"]]],
  ["C.2.2", ["040c2f73616d706c652f70617468"], [[":path", "/sample/path"]]],
  ["C.2.3", ["100870617373776f726406736563726574"], [["password", "secret"]]],
  ["C.2.4", ["82"], [[":method", "GET"]]],
  [
    "C.3",
    [
      "828684410f7777772e6578616d706c652e636f6d",
      "828684be58086e6f2d6361636865",
      "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
    ],
    requests,
  ],
  [
    "C.4",
    [
      "828684418cf1e3c2e5f23a6ba0ab90f4ff",
      "828684be5886a8eb10649cbf",
      "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
    ],
    requests,
  ],
  [
    "C.5",
    [
      `${smallTable}4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d546e1768747470733a2f2f7777772e6578616d706c652e636f6d`,
      "4803333037c1c0bf",
      "88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31",
    ],
    responses,
  ],
  [
    "C.6",
    [
      `${smallTable}488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3`,
      "4883640effc1c0bf",
      "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
    ],
    responses,
  ],
];

describe("a decoder reads the examples of RFC 7541", () => {
  for (const [section, blocks, expected] of examples) {
    test(section, () => {
      const decoder = createDecoder();
      expect(blocks.map((block) => decode(decoder, block))).toEqual(expected.map((fields) => [...fields]));
    });
  }

  test("and its table has the sizes they say", () => {
    const decoder = createDecoder();
    const sizes = (examples[7]?.[1] ?? []).map((block) => {
      decode(decoder, block);
      return decoder.tableBytes;
    });
    expect(sizes).toEqual([222, 222, 215]);
  });
});

describe("the Huffman code", () => {
  test("is complete: the codes leave no gap", () => {
    const all = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    const coded = Buffer.alloc(1000);
    const length = encodeHuffman(all.toString("latin1"), coded, 0);
    const decoded = Buffer.alloc(1700);
    expect(length).toBe(huffmanLength(all.toString("latin1")));
    expect(decodeHuffman(coded, 0, length, decoded)).toBe(256);
    expect(decoded.subarray(0, 256).equals(all)).toBe(true);
  });

  const decodeHex = (hex: string): number =>
    decodeHuffman(Buffer.from(hex, "hex"), 0, hex.length / 2, Buffer.alloc(64));
  const refused: readonly (readonly [string, string])[] = [
    ["padding of eight bits and more", "1fff"],
    ["padding that is not all ones", "1c"],
    ["the end-of-string symbol", "fffffffc"],
    ["the end-of-string symbol inside", "3fffffff"],
  ];
  for (const [what, hex] of refused) test(`refuses ${what}`, () => expect(decodeHex(hex)).toBe(-1));
  test("takes seven bits of padding", () => expect([decodeHex("1f"), decodeHex("f8ff")]).toEqual([1, -1]));
  test("takes nothing as the empty string", () => expect(decodeHex("")).toBe(0));
});
