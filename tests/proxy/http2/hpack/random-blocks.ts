import { encodeHuffman, huffmanLength } from "../../../../proxy/http2/hpack/huffman.ts";
import type { Rng } from "../../../sim/random.ts";

/** Makes header blocks of every instruction that RFC 7541 has, repeats some, and damages some. */
const names = [
  ":path",
  "cookie",
  "x-request-id",
  "user-agent",
  "traceparent",
  "grpc-timeout",
  "a",
  "content-type",
  "Bad",
];
const alphabets = ["abc", "0123456789abcdef-", " ~\t\u007f\u0000\u00ff"].map((characters) => [
  ...Buffer.from(characters, "latin1"),
]);
const lengths = [0, 1, 3, 20, 130];
const patterns = [[0x40, 6] as const, [0, 4] as const, [0x10, 4] as const];
const maxRemembered = 8;

export class BlockMaker {
  readonly #rng: Rng;
  readonly #earlier: Buffer[] = [];

  constructor(rng: Rng) {
    this.#rng = rng;
  }

  /** With `damage`, about one block in 20 has a byte changed, cut or added. */
  next(damage: boolean): Buffer {
    const rng = this.#rng;
    if (this.#earlier.length > 0 && rng.chance(0.5)) return rng.pick(this.#earlier);
    let block = this.#fresh();
    if (damage && rng.chance(0.05)) block = damaged(rng, block);
    this.#earlier.push(block);
    if (this.#earlier.length > maxRemembered) this.#earlier.shift();
    return block;
  }

  #fresh(): Buffer {
    const rng = this.#rng;
    const bytes: number[] = [];
    if (rng.chance(0.05)) putInteger(bytes, 0x20, 5, rng.pick([0, 64, 200, 4096]));
    for (let i = rng.between(1, 8); i > 0; i--) {
      if (rng.chance(0.4)) putInteger(bytes, 0x80, 7, this.#index());
      else this.#putLiteral(bytes);
    }
    return Buffer.from(bytes);
  }

  #putLiteral(bytes: number[]): void {
    const rng = this.#rng;
    const index = rng.chance(0.5) ? this.#index() : 0;
    const [pattern, prefix] = rng.pick(patterns);
    putInteger(bytes, pattern, prefix, index);
    if (index === 0) this.#putText(bytes, rng.pick(names));
    this.#putText(bytes, this.#value());
  }

  /** Mostly of entries that are there. */
  #index(): number {
    const rng = this.#rng;
    return rng.chance(0.7) ? rng.between(1, 61) : rng.chance(0.98) ? rng.between(62, 64) : rng.between(0, 200);
  }

  #value(): string {
    const rng = this.#rng;
    const alphabet = rng.pick(alphabets);
    const codes: number[] = [];
    for (let i = rng.pick(lengths); i > 0; i--) codes.push(rng.pick(alphabet));
    return String.fromCharCode(...codes);
  }

  #putText(bytes: number[], text: string): void {
    if (this.#rng.chance(0.5)) {
      putInteger(bytes, 0, 7, text.length);
      for (let i = 0; i < text.length; i++) bytes.push(text.charCodeAt(i));
      return;
    }
    const coded = Buffer.allocUnsafe(huffmanLength(text));
    encodeHuffman(text, coded, 0);
    putInteger(bytes, 0x80, 7, coded.length);
    for (let i = 0; i < coded.length; i++) bytes.push(coded[i] ?? 0);
  }
}

export function putInteger(bytes: number[], pattern: number, prefixBits: number, value: number): void {
  const limit = (1 << prefixBits) - 1;
  if (value < limit) {
    bytes.push(pattern | value);
    return;
  }
  bytes.push(pattern | limit);
  for (value -= limit; value >= 128; value = Math.floor(value / 128)) bytes.push((value % 128) | 128);
  bytes.push(value);
}

/** One byte of `bytes` changed, removed or added. */
export function damaged(rng: Rng, bytes: Buffer): Buffer {
  const at = rng.below(bytes.length + 1);
  const byte = rng.below(256);
  if (rng.chance(0.6)) {
    const result = Buffer.from(bytes);
    if (result.length > 0) result[Math.min(at, result.length - 1)] = byte;
    return result;
  }
  const isRemoved = rng.chance(0.5);
  return Buffer.concat([
    bytes.subarray(0, at),
    Buffer.from(isRemoved ? [] : [byte]),
    bytes.subarray(isRemoved ? at + 1 : at),
  ]);
}
