import { describe, expect, test } from "bun:test";
import protobuf from "protobufjs";
import { ProtobufReader } from "../../../../proxy/authz/protobuf/reader.ts";
import { ProtobufWriter } from "../../../../proxy/authz/protobuf/writer.ts";
import { createRng, type Rng } from "../../../sim/random.ts";
import { testSeed, withSeed } from "../../http2/test-seed.ts";

/** A message that holds itself, judged against protobufjs in both directions. */
const { root } = protobuf.parse(`
  syntax = "proto3";
  message Node { int64 number = 1; string text = 2; bytes raw = 3; repeated Node nodes = 4; int32 small = 536870911; }
`);
const nodeType = root.lookupType("Node");

interface Node {
  number: number;
  small: number;
  text: string;
  raw: string;
  nodes: Node[];
}

const lengths = [0, 1, 126, 127, 128, 129, 2_000, 16_383, 16_384, 16_385];
const numbers = [0, 1, 127, 128, 2 ** 28 - 1, 2 ** 28, 2 ** 31 - 1, 2 ** 32, 2 ** 53 - 1, -1, -2, -(2 ** 53) + 1];
const smalls = [0, 1, 2 ** 28, 2 ** 31 - 1, -1, -(2 ** 31)];

function randomNode(rng: Rng, depth = 0): Node {
  const length = rng.chance(0.1) ? rng.pick(lengths) : rng.below(40);
  return {
    number: rng.chance(0.5) ? rng.pick(numbers) : rng.below(2 ** 40),
    small: rng.pick(smalls),
    text: rng.pick(["a", "é", "漢", "\u{1f600}"]).repeat(length),
    raw: Buffer.from(Array.from({ length: rng.below(200) }, () => rng.below(256))).toString("base64"),
    nodes: depth === 4 ? [] : Array.from({ length: rng.below(3) }, () => randomNode(rng, depth + 1)),
  };
}

function writeNode(writer: ProtobufWriter, node: Node): void {
  writer.number(1, node.number);
  writer.text(2, node.text);
  writer.bytes(3, Buffer.from(node.raw, "base64"));
  for (const inner of node.nodes) {
    const at = writer.open(4);
    writeNode(writer, inner);
    writer.close(at);
  }
  writer.number(536_870_911, node.small);
}

/** All but `number`, whose 64 bits the reader leaves to nobody. */
function readNode(reader: ProtobufReader, node: Node, field: number): void {
  if (field === 2) node.text = reader.text();
  else if (field === 3) node.raw = reader.bytes().toString("base64");
  else if (field === 536_870_911) node.small = reader.int32();
  else if (field === 4) {
    const inner: Node = { number: 0, small: 0, text: "", raw: "", nodes: [] };
    node.nodes.push(inner);
    reader.message((number) => readNode(reader, inner, number));
  }
}

function read(bytes: Buffer): Node | undefined {
  const node: Node = { number: 0, small: 0, text: "", raw: "", nodes: [] };
  const reader = new ProtobufReader(bytes);
  reader.fields((field) => readNode(reader, node, field));
  return reader.isBroken ? undefined : node;
}

const withoutNumbers = (node: Node): Node => ({ ...node, number: 0, nodes: node.nodes.map(withoutNumbers) });

describe("random messages", () => {
  test("are read by protobufjs as they were written, behind the bytes that were left free", () => {
    const seed = testSeed();
    withSeed(seed, () => {
      const rng = createRng(seed);
      for (let i = 0; i < 300; i++) {
        const node = randomNode(rng);
        const writer = new ProtobufWriter(5);
        writeNode(writer, node);
        const bytes = writer.finish();
        expect([...bytes.subarray(0, 5)]).toEqual([0, 0, 0, 0, 0]);
        const decoded = nodeType.toObject(nodeType.decode(bytes.subarray(5)), {
          longs: Number,
          bytes: String,
          defaults: true,
        });
        expect(decoded).toEqual(node);
      }
    });
  });

  test("of protobufjs are read as they are, and every one that is cut short or garbled is read or refused", () => {
    const seed = testSeed();
    withSeed(seed, () => {
      const rng = createRng(seed);
      let refused = 0;
      for (let i = 0; i < 300; i++) {
        const node = randomNode(rng);
        const bytes = Buffer.from(nodeType.encode(nodeType.fromObject(node)).finish());
        expect(read(bytes)).toEqual(withoutNumbers(node));
        const cut = Buffer.from(bytes.subarray(0, rng.below(bytes.length)));
        if (read(cut) === undefined) refused++;
        for (let j = 0; j < 5; j++) bytes[rng.below(bytes.length)] = rng.below(256);
        if (read(bytes) === undefined) refused++;
      }
      expect(refused).toBeGreaterThan(200);
    });
  });

  test("of nothing but noise never throw, and never read beyond their end", () => {
    const seed = testSeed();
    withSeed(seed, () => {
      const rng = createRng(seed);
      for (let i = 0; i < 20_000; i++) read(Buffer.from(Array.from({ length: rng.below(24) }, () => rng.below(256))));
    });
  });
});

describe("a reader refuses", () => {
  test.each([
    ["the field number 0", [0x02, 0x01, 0x61]],
    ["a varint of eleven bytes", [0x08, ...Array(10).fill(0x80), 0x01]],
    ["a varint of more than 64 bits", [0x08, ...Array(9).fill(0xff), 0x02]],
    ["a varint without an end", [0x08, 0x80]],
    ["a length beyond the end", [0x12, 0x02, 0x61]],
    ["a length beyond all memory", [0x12, ...Array(9).fill(0xff), 0x01]],
    ["an inner length beyond its message", [0x22, 0x03, 0x12, 0x05, 0x61, 0x61, 0x61, 0x61]],
    ["the beginning of a group", [0x13, 0x14]],
    ["an unknown wire type", [0x16, 0x00]],
    ["text that is no UTF-8", [0x12, 0x02, 0xc3, 0x28]],
    ["a number where text should be", [0x10, 0x01]],
    ["fixed bytes beyond the end", [0x29, 0x01, 0x02]],
  ])("%s", (_, bytes) => {
    expect(read(Buffer.from(bytes))).toBeUndefined();
  });

  test("nothing that it only does not know", () => {
    const unknown = [0x28, 0x05, 0x31, 1, 2, 3, 4, 5, 6, 7, 8, 0x3d, 1, 2, 3, 4, 0x42, 0x01, 0xff];
    expect(read(Buffer.from([...unknown, 0x12, 0x01, 0x61]))?.text).toBe("a");
  });
});
