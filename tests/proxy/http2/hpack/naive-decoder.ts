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
      return this.#read([...block]);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.#isBroken = true;
      return undefined;
    }
  }

  #read(bytes: number[]): string[] {
    const fields: string[] = [];
    while (bytes.length > 0) {
      const first = bytes[0] ?? 0;
      if (first >= 0x80) {
        fields.push(...this.#entry(integer(bytes, 7)));
      } else if (first >= 0x40) {
        const field = this.#literal(bytes, 6);
        this.#table.unshift(field);
        this.#evict();
        fields.push(...field);
      } else if (first >= 0x20) {
        if (fields.length > 0) throw new RangeError("size update after a field");
        const size = integer(bytes, 5);
        if (size > this.#limit) throw new RangeError("size update beyond the limit");
        this.#size = size;
        this.#evict();
      } else {
        fields.push(...this.#literal(bytes, 4));
      }
    }
    return fields;
  }

  #literal(bytes: number[], prefixBits: number): readonly [string, string] {
    const index = integer(bytes, prefixBits);
    const name = index === 0 ? text(bytes) : this.#entry(index)[0];
    return [name, text(bytes)];
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
    const bytes = (): number => this.#table.reduce((sum, [name, value]) => sum + name.length + value.length + 32, 0);
    while (bytes() > this.#size) this.#table.pop();
  }
}

function take(bytes: number[]): number {
  const byte = bytes.shift();
  if (byte === undefined) throw new RangeError("truncated");
  return byte;
}

function integer(bytes: number[], prefixBits: number): number {
  const mask = (1 << prefixBits) - 1;
  let value = take(bytes) & mask;
  if (value < mask) return value;
  for (let power = 0; power < 5; power++) {
    const byte = take(bytes);
    value += (byte & 0x7f) * 128 ** power;
    if (value > 2 ** 28) break;
    if (byte < 128) return value;
  }
  throw new RangeError("integer too large");
}

function text(bytes: number[]): string {
  const isHuffman = (bytes[0] ?? 0) >= 0x80;
  const length = integer(bytes, 7);
  if (length > bytes.length) throw new RangeError("truncated");
  const raw = bytes.splice(0, length);
  return isHuffman ? huffman(raw) : String.fromCharCode(...raw);
}

const symbols = new Map(
  Array.from(codes, (code, symbol) => [code.toString(2).padStart(codeLengths[symbol] ?? 0, "0"), symbol]),
);

function huffman(raw: readonly number[]): string {
  let bits = "";
  let result = "";
  for (const bit of raw.map((byte) => byte.toString(2).padStart(8, "0")).join("")) {
    bits += bit;
    const symbol = symbols.get(bits);
    if (symbol === undefined) continue;
    if (symbol === 256) throw new RangeError("end of string");
    result += String.fromCharCode(symbol);
    bits = "";
  }
  if (bits.length > 7 || bits.includes("0")) throw new RangeError("padding");
  return result;
}
