import type { FieldBlock } from "../../message/field-block.ts";
import type { OutputBuffer } from "../output-buffer.ts";
import { encodeHuffman, huffmanLength } from "./huffman.ts";
import { IndexPlan } from "./index-plan.ts";
import { staticByName } from "./static-table.ts";

export interface HpackEncoderOptions {
  /** How much of the peer's dynamic table to use at most; 0: no indexing, which is cheapest and what the mesh hop does. */
  readonly tableBytes: number;
  readonly usesHuffman: boolean;
}

const defaultTableBytes = 4096;
/** Bytes of a field beyond its strings: an instruction and two lengths of five bytes each. */
const fieldOverheadBytes = 16;

const literal = 0x00;
const neverIndexedLiteral = 0x10;
const indexedLiteral = 0x40;
const indexed = 0x80;
const sizeUpdate = 0x20;
const huffman = 0x80;

/** Encoders without a table and without Huffman all write the same bytes for the same block. */
const plainEncoding = {};

/**
 * Writes header blocks. Plain: indexes and names of the static table, all else as literals. With a table, repeated fields
 * are indexed (see {@link IndexPlan}). What could be guessed byte by byte from compressed sizes is never indexed (RFC 7541
 * section 7.1.3), nor is what a previous hop sent so.
 */
export class HpackEncoder {
  readonly #usesHuffman: boolean;
  readonly #tableBytes: number;
  readonly #plan: IndexPlan | undefined;
  readonly #identity: object;
  /** The size that the peer's decoder has now, and the smallest and last one it must be told (section 4.2). */
  #peerTableBytes = defaultTableBytes;
  #smallestUpdate = -1;
  #lastUpdate = -1;

  constructor(options: HpackEncoderOptions) {
    this.#usesHuffman = options.usesHuffman;
    this.#tableBytes = options.tableBytes;
    this.#plan = options.tableBytes > 0 ? new IndexPlan(Math.min(options.tableBytes, defaultTableBytes)) : undefined;
    this.#identity = this.#plan === undefined && !options.usesHuffman ? plainEncoding : this;
    if (this.#plan !== undefined && options.tableBytes < defaultTableBytes) this.#changeTableSize(options.tableBytes);
  }

  /** The peer's SETTINGS_HEADER_TABLE_SIZE. */
  onPeerTableBytes(bytes: number): void {
    const wanted = this.#plan === undefined ? Math.min(bytes, this.#peerTableBytes) : Math.min(bytes, this.#tableBytes);
    if (wanted !== this.#peerTableBytes) this.#changeTableSize(wanted);
  }

  #changeTableSize(bytes: number): void {
    this.#peerTableBytes = bytes;
    this.#smallestUpdate = this.#smallestUpdate < 0 ? bytes : Math.min(this.#smallestUpdate, bytes);
    this.#lastUpdate = bytes;
    this.#plan?.table.resize(bytes);
  }

  /** Appends the encoded block to `out`. */
  encode(block: FieldBlock, out: OutputBuffer): void {
    if (this.#lastUpdate >= 0) this.#writeSizeUpdates(out);
    const generation = this.#plan?.table.generation ?? 0;
    if (block.encodedBy === this.#identity && block.encodedGeneration === generation && block.encoded !== undefined) {
      out.append(block.encoded);
      return;
    }
    const start = out.length;
    if (this.#plan === undefined) this.#encodePlain(block, out);
    else this.#encodeIndexed(block, out, this.#plan);
    if (!block.isShared || (this.#plan?.table.generation ?? 0) !== generation) return;
    block.encoded = Uint8Array.prototype.slice.call(out.bytes, start, out.length);
    block.encodedBy = this.#identity;
    block.encodedGeneration = generation;
  }

  #writeSizeUpdates(out: OutputBuffer): void {
    out.reserve(fieldOverheadBytes);
    if (this.#smallestUpdate < this.#lastUpdate) writeInteger(out, sizeUpdate, 5, this.#smallestUpdate);
    writeInteger(out, sizeUpdate, 5, this.#lastUpdate);
    this.#smallestUpdate = -1;
    this.#lastUpdate = -1;
  }

  #encodePlain(block: FieldBlock, out: OutputBuffer): void {
    const { fields, neverIndexed } = block;
    for (let i = 0; i < fields.length; i += 2) {
      const name = fields[i] ?? "";
      const value = fields[i + 1] ?? "";
      const known = staticByName.get(name);
      const whole = known?.values?.get(value);
      const isNever = neverIndexed.length > 0 && neverIndexed.includes(i);
      out.reserve(name.length + value.length + fieldOverheadBytes);
      if (whole !== undefined && !isNever) writeInteger(out, indexed, 7, whole);
      else this.#writeLiteral(out, isNever ? neverIndexedLiteral : literal, 4, known?.index ?? 0, name, value);
    }
  }

  #encodeIndexed(block: FieldBlock, out: OutputBuffer, plan: IndexPlan): void {
    const { fields, neverIndexed } = block;
    for (let i = 0; i < fields.length; i += 2) {
      const name = fields[i] ?? "";
      const value = fields[i + 1] ?? "";
      const known = staticByName.get(name);
      const isNever = (neverIndexed.length > 0 && neverIndexed.includes(i)) || isSensitive(name, value);
      out.reserve(name.length + value.length + fieldOverheadBytes);
      if (isNever) {
        this.#writeLiteral(out, neverIndexedLiteral, 4, known?.index ?? 0, name, value);
        continue;
      }
      const whole = known?.values?.get(value) ?? plan.indexOf(name, value);
      if (whole > 0) {
        writeInteger(out, indexed, 7, whole);
        continue;
      }
      const isInserted = plan.isWorthIndexing(name, value);
      const nameIndex = known?.index ?? plan.indexOfName(name);
      if (isInserted) this.#writeLiteral(out, indexedLiteral, 6, nameIndex, name, value);
      else this.#writeLiteral(out, literal, 4, nameIndex, name, value);
      if (isInserted) plan.insert(name, value);
    }
  }

  #writeLiteral(
    out: OutputBuffer,
    pattern: number,
    prefixBits: number,
    nameIndex: number,
    name: string,
    value: string,
  ): void {
    writeInteger(out, pattern, prefixBits, nameIndex);
    if (nameIndex === 0) this.#writeString(out, name);
    this.#writeString(out, value);
  }

  /** Room for the string as it is has been reserved; Huffman is used only where it is shorter. */
  #writeString(out: OutputBuffer, text: string): void {
    const length = text.length;
    if (this.#usesHuffman) {
      const coded = huffmanLength(text);
      if (coded < length) {
        writeInteger(out, huffman, 7, coded);
        out.length = encodeHuffman(text, out.bytes, out.length);
        return;
      }
    }
    writeInteger(out, 0, 7, length);
    out.length += out.bytes.write(text, out.length, length, "latin1");
  }
}

/** A cookie of under 20 characters can be guessed; longer ones are not worth an attacker's while (as in nghttp2). */
function isSensitive(name: string, value: string): boolean {
  if (name.length === 6) return name === "cookie" && value.length < 20;
  if (name.length === 10) return name === "set-cookie";
  return (name.length === 13 && name === "authorization") || (name.length === 19 && name === "proxy-authorization");
}

/** RFC 7541 section 5.1. */
function writeInteger(out: OutputBuffer, pattern: number, prefixBits: number, value: number): void {
  const limit = (1 << prefixBits) - 1;
  const { bytes } = out;
  if (value < limit) {
    bytes[out.length++] = pattern | value;
    return;
  }
  bytes[out.length++] = pattern | limit;
  value -= limit;
  while (value >= 0x80) {
    bytes[out.length++] = (value & 0x7f) | 0x80;
    value >>>= 7;
  }
  bytes[out.length++] = value;
}
