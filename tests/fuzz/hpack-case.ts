import { FieldBlock } from "../../proxy/message/field-block.ts";
import { HpackDecoder } from "../../proxy/http2/hpack/decoder.ts";
import { NaiveDecoder } from "../proxy/http2/hpack/naive-decoder.ts";
import { BlockMaker, damaged } from "../proxy/http2/hpack/random-blocks.ts";
import type { Rng } from "../sim/random.ts";

const maxTableBytes = 4096;

/** One fuzz case for HPACK: the fast decoder reads what the naive one reads, and refuses what that refuses. */
export function fuzzHpack(rng: Rng): string | undefined {
  const fast = new HpackDecoder({ tableBytes: maxTableBytes, maxListBytes: 1e9, maxFields: 1e6 });
  const naive = new NaiveDecoder(maxTableBytes);
  const blocks = new BlockMaker(rng);
  const damage = rng.chance(0.7);
  for (let i = rng.between(1, 10); i > 0; i--) {
    let block = rng.chance(0.03) ? noise(rng) : blocks.next(damage);
    if (damage && rng.chance(0.1)) block = damaged(rng, block);
    const expected = naive.decode(block);
    const result = fast.decode(block, 0, block.length);
    const got = result instanceof FieldBlock ? result.fields : undefined;
    if (!isSame(got, expected)) {
      return `${block.toString("hex")}: ${JSON.stringify(got ?? result)} instead of ${JSON.stringify(expected)}`;
    }
    if (fast.tableBytes > maxTableBytes) return `the table holds ${fast.tableBytes} bytes`;
    if (expected === undefined) return undefined;
  }
  return undefined;
}

function isSame(a: readonly string[] | undefined, b: readonly string[] | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.length === b.length && a.every((text, i) => text === b[i]);
}

function noise(rng: Rng): Buffer {
  return Buffer.from(Array.from({ length: rng.below(30) }, () => rng.below(256)));
}
