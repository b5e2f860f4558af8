import { codeLengths, codes } from "../../../../proxy/http2/hpack/huffman-codes.ts";
import { staticCount, staticNames, staticValues } from "../../../../proxy/http2/hpack/static-table.ts";

/**
 * RFC 7541 as it reads: bit by bit, one array as the table, nothing remembered. Slow and plain, to compare the fast one
 * with. Undefined for a block that cannot be read, and for all after it.
 */
export class NaiveDecoder {
  readonly #limit: number;
  #size: number;
  #table: (readonly [string, string])[] = [];
  #isBroken = false;

  constructor(limit: number) {
    this.#limit = limit;
    this.#size = limit;
  }

  decode(block: Uint8Array): string[] | undefined {
    if (this.#isBroken) return undefined;
    try {
      return this.#read({ bytes: block, at: 0 });
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.#isBroken = true;
      return undefined;
    }
  }

  #read(block: Reader): string[] {
    const fields: string[] = [];
    while (block.at < block.bytes.length) {
      const first = peek(block);
      if (first >= 0x80) {
        const [name, value] = this.#entry(integer(block, 7));
        fields.push(name, value);
      } else if (first >= 0x40) {
        const field = this.#literal(block, 6);
        this.#table.unshift(field);
        this.#evict();
        fields.push(field[0], field[1]);
      } else if (first >= 0x20) {
        if (fields.length > 0) throw new RangeError("size update after a field");
        const size = integer(block, 5);
        if (size > this.#limit) throw new RangeError("size update beyond the limit");
        this.#size = size;
        this.#evict();
      } else {
        const [name, value] = this.#literal(block, 4);
        fields.push(name, value);
      }
    }
    return fields;
  }

  #literal(block: Reader, prefixBits: number): readonly [string, string] {
    const index = integer(block, prefixBits);
    const name = index === 0 ? text(block) : this.#entry(index)[0];
    return [name, text(block)];
  }

  #entry(index: number): readonly [string, string] {
    const entry =
      index <= staticCount
        ? ([staticNames[index] ?? "", staticValues[index] ?? ""] as const)
        : this.#table[index - staticCount - 1];
    if (index === 0 || entry === undefined) throw new RangeError("no such entry");
    return entry;
  }

  #evict(): void {
    while (this.#bytes() > this.#size) this.#table.pop();
  }

  #bytes(): number {
    let sum = 0;
    for (const [name, value] of this.#table) sum += name.length + value.length + 32;
    return sum;
  }
}

interface Reader {
  readonly bytes: Uint8Array;
  at: number;
}

function peek({ bytes, at }: Reader): number {
  const byte = bytes[at];
  if (byte === undefined) throw new RangeError("truncated");
  return byte;
}

function take(block: Reader): number {
  const byte = peek(block);
  block.at++;
  return byte;
}

function integer(block: Reader, prefixBits: number): number {
  const mask = (1 << prefixBits) - 1;
  let value = take(block) & mask;
  if (value < mask) return value;
  for (let power = 0; power < 5; power++) {
    const byte = take(block);
    value += (byte & 0x7f) * 128 ** power;
    if (value > 2 ** 28) break;
    if (byte < 128) return value;
  }
  throw new RangeError("integer too large");
}

function text(block: Reader): string {
  const isHuffman = peek(block) >= 0x80;
  const end = integer(block, 7) + block.at;
  if (end > block.bytes.length) throw new RangeError("truncated");
  return String.fromCharCode(...(isHuffman ? huffman(block, end) : raw(block, end)));
}

function raw(block: Reader, end: number): number[] {
  const result: number[] = [];
  while (block.at < end) result.push(take(block));
  return result;
}

/** The code as a tree: `tree[2 * node + bit]` is the node that the bit leads to, or `leaf` and a symbol. The root is 0. */
const tree = [0, 0];
const leaf = 1 << 16;
for (const [symbol, code] of codes.entries()) {
  let node = 0;
  for (let left = (codeLengths[symbol] ?? 0) - 1; left >= 0; left--) {
    const branch = 2 * node + ((code >>> left) & 1);
    if (left === 0) tree[branch] = leaf + symbol;
    else if (tree[branch] === 0) tree[branch] = tree.push(0, 0) / 2 - 1;
    node = tree[branch] ?? 0;
  }
}

function huffman(block: Reader, end: number): number[] {
  const result: number[] = [];
  let node = 0;
  let depth = 0;
  let isPadding = true;
  while (block.at < end) {
    const byte = take(block);
    for (let left = 7; left >= 0; left--) {
      const bit = (byte >>> left) & 1;
      node = tree[2 * node + bit] ?? 0;
      depth++;
      isPadding &&= bit === 1;
      if (node < leaf) continue;
      if (node === leaf + 256) throw new RangeError("end of string");
      result.push(node - leaf);
      node = 0;
      depth = 0;
      isPadding = true;
    }
  }
  if (depth > 7 || !isPadding) throw new RangeError("padding");
  return result;
}
