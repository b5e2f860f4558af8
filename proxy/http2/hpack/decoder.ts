import { FieldBlock } from "../../message/field-block.ts";
import { isFieldContent, isFieldName } from "../../message/field-characters.ts";
import { BlockCache } from "./block-cache.ts";
import { DynamicTable, entryOverheadBytes, type TableEntry } from "./dynamic-table.ts";
import { FieldCache } from "./field-cache.ts";
import { decodeHuffman } from "./huffman.ts";
import { staticCount, staticNames, staticValues } from "./static-table.ts";

/** Why the rest of a connection cannot be read any more (RFC 7541): always a connection error COMPRESSION_ERROR. */
export type HpackProblem =
  | "bad_integer"
  | "bad_index"
  | "bad_huffman"
  | "truncated"
  | "bad_table_size_update"
  | "missing_table_size_update";

export interface HpackDecoderOptions {
  /** What SETTINGS_HEADER_TABLE_SIZE says, once the peer has acknowledged it. */
  readonly tableBytes: number;
  /** RFC 9113 section 6.5.2: names, values and 32 bytes a field. */
  readonly maxListBytes: number;
  readonly maxFields: number;
}

const defaultTableBytes = 4096;
/** An integer beyond this is no index and no length of ours; it also keeps the arithmetic exact. */
const maxInteger = 1 << 28;
const maxIntegerBytes = 5;
/** Room for a Huffman string; grows to the longest seen, which the frame layer bounds. */
let scratch = Buffer.allocUnsafe(4096);

/** Reads header blocks (RFC 7541 section 3). Blocks that repeat come from the {@link BlockCache}, fields from the other. */
export class HpackDecoder {
  readonly #options: HpackDecoderOptions;
  readonly #table: DynamicTable<TableEntry>;
  readonly #cache = new BlockCache();
  #fieldCache: FieldCache | undefined;
  #tableLimit: number;
  #mustShrink = false;

  // The state of the block at hand.
  #bytes: Buffer = scratch;
  #at = 0;
  #end = 0;
  #fields: string[] = [];
  #neverIndexed: number[] | undefined;
  #listBytes = 0;
  #isMalformed = false;
  #isTooLarge = false;
  #readsTable = false;
  #isStringValid = true;
  #problem: HpackProblem | undefined;

  constructor(options: HpackDecoderOptions) {
    this.#options = options;
    this.#tableLimit = Math.max(options.tableBytes, defaultTableBytes);
    this.#table = new DynamicTable(defaultTableBytes);
  }

  get tableBytes(): number {
    return this.#table.bytes;
  }

  /** The peer has acknowledged our settings: a larger table than announced must now be given up (RFC 7541 section 4.2). */
  onSettingsAcknowledged(): void {
    this.#tableLimit = this.#options.tableBytes;
    this.#mustShrink = this.#table.maxBytes > this.#tableLimit;
  }

  /** The block in `bytes[start, end)`. A problem leaves the decoder unusable. */
  decode(bytes: Buffer, start: number, end: number): FieldBlock | HpackProblem {
    const known = this.#mustShrink ? undefined : this.#cache.find(bytes, start, end, this.#table.generation);
    if (known !== undefined) return known;
    this.#begin(bytes, start, end);
    const generation = this.#table.generation;
    while (this.#at < this.#end && this.#problem === undefined) this.#readInstruction(bytes[this.#at] ?? 0);
    const problem = this.#problem ?? (this.#mustShrink ? "missing_table_size_update" : undefined);
    const block = new FieldBlock(this.#fields, this.#neverIndexed, this.#fieldProblem());
    this.#release();
    if (problem !== undefined) return problem;
    if (this.#table.generation === generation) {
      this.#cache.store(bytes, start, end, block, this.#readsTable ? generation : undefined);
    }
    return block;
  }

  #begin(bytes: Buffer, start: number, end: number): void {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
    this.#fields = [];
    this.#neverIndexed = undefined;
    this.#listBytes = 0;
    this.#isMalformed = false;
    this.#isTooLarge = false;
    this.#readsTable = false;
    this.#problem = undefined;
  }

  /** The decoder keeps nothing of a block alive. */
  #release(): void {
    this.#bytes = scratch;
    this.#fields = [];
    this.#neverIndexed = undefined;
  }

  #fieldProblem(): "malformed_field" | "header_list_too_large" | undefined {
    if (this.#isTooLarge) return "header_list_too_large";
    return this.#isMalformed ? "malformed_field" : undefined;
  }

  /** RFC 7541 section 6: the first bits tell what the instruction is. */
  #readInstruction(first: number): void {
    if (first >= 0x80) this.#readIndexed(this.#readInteger(0x7f));
    else if (first >= 0x40) this.#readLiteral(this.#readInteger(0x3f), true, false);
    else if (first >= 0x20) this.#readSizeUpdate(this.#readInteger(0x1f));
    else this.#readUnindexed(first >= 0x10);
  }

  /** A literal that leaves the table alone: known, if its bytes have come before. */
  #readUnindexed(isNeverIndexed: boolean): void {
    const start = this.#at;
    const nameIndex = this.#readInteger(0x0f);
    const end = nameIndex <= staticCount ? this.#shortLiteralEnd(nameIndex) : -1;
    if (end < 0) {
      this.#readLiteral(nameIndex, false, isNeverIndexed);
      return;
    }
    this.#fieldCache ??= new FieldCache();
    const known = this.#fieldCache.find(this.#bytes, start, end);
    if (known !== undefined) {
      this.#at = end;
      if (isNeverIndexed) this.#markNeverIndexed();
      this.#push(known.name, known.value, known.isValid);
      return;
    }
    const name = nameIndex === 0 ? this.#readString(isFieldName) : (staticNames[nameIndex] ?? "");
    const isValidName = nameIndex > 0 || this.#isStringValid;
    const value = this.#readString(isFieldContent);
    if (this.#problem !== undefined) return;
    const isValid = isValidName && this.#isStringValid;
    this.#fieldCache.store(this.#bytes, start, end, { name, value, isValid });
    if (isNeverIndexed) this.#markNeverIndexed();
    this.#push(name, value, isValid);
  }

  /** Where the literal whose strings begin here ends, when both are under 127 bytes and inside the block; else -1. */
  #shortLiteralEnd(nameIndex: number): number {
    let at = this.#at;
    for (let strings = nameIndex === 0 ? 2 : 1; strings > 0; strings--) {
      if (at >= this.#end) return -1;
      const length = (this.#bytes[at] ?? 0) & 0x7f;
      if (length === 0x7f) return -1;
      at += 1 + length;
    }
    return at <= this.#end ? at : -1;
  }

  #readIndexed(index: number): void {
    if (index > 0 && index <= staticCount) {
      this.#push(staticNames[index] ?? "", staticValues[index] ?? "", true);
      return;
    }
    const entry = this.#entryAt(index);
    if (entry !== undefined) this.#push(entry.name, entry.value, entry.isValidName && entry.isValidValue);
  }

  #readLiteral(nameIndex: number, isInserted: boolean, isNeverIndexed: boolean): void {
    if (this.#problem !== undefined) return;
    let name: string;
    let isValidName = true;
    if (nameIndex === 0) {
      name = this.#readString(isFieldName);
      isValidName = this.#isStringValid;
    } else if (nameIndex <= staticCount) {
      name = staticNames[nameIndex] ?? "";
    } else {
      const entry = this.#entryAt(nameIndex);
      if (entry === undefined) return;
      name = entry.name;
      isValidName = entry.isValidName;
    }
    if (this.#problem !== undefined) return;
    const value = this.#readString(isFieldContent);
    if (this.#problem !== undefined) return;
    const isValidValue = this.#isStringValid;
    if (isInserted) this.#table.insert({ name, value, isValidName, isValidValue });
    if (isNeverIndexed) this.#markNeverIndexed();
    this.#push(name, value, isValidName && isValidValue);
  }

  #markNeverIndexed(): void {
    this.#neverIndexed ??= [];
    if (!this.#isTooLarge) this.#neverIndexed.push(this.#fields.length);
  }

  /** Only before the first field of a block (RFC 7541 section 4.2). */
  #readSizeUpdate(bytes: number): void {
    if (this.#problem !== undefined) return;
    if (bytes > this.#tableLimit || this.#listBytes > 0) {
      this.#problem = "bad_table_size_update";
      return;
    }
    this.#mustShrink = false;
    this.#table.resize(bytes);
  }

  #entryAt(index: number): TableEntry | undefined {
    if (this.#problem !== undefined) return undefined;
    this.#readsTable = true;
    const entry = index === 0 ? undefined : this.#table.at(index - staticCount - 1);
    if (entry === undefined) this.#problem = "bad_index";
    return entry;
  }

  /** A list beyond its limits is still read to its end, for the table's sake, but no longer kept (CVE-2016-6581). */
  #push(name: string, value: string, isValid: boolean): void {
    this.#listBytes += name.length + value.length + entryOverheadBytes;
    if (!isValid) this.#isMalformed = true;
    if (this.#listBytes > this.#options.maxListBytes || this.#fields.length >= this.#options.maxFields * 2) {
      this.#isTooLarge = true;
      return;
    }
    this.#fields.push(name, value);
  }

  /** RFC 7541 section 5.1; the prefix is in the byte at hand. */
  #readInteger(mask: number): number {
    const bytes = this.#bytes;
    let value = (bytes[this.#at++] ?? 0) & mask;
    if (value < mask) return value;
    let shift = 0;
    for (let i = 0; i < maxIntegerBytes; i++) {
      if (this.#at >= this.#end) return this.#fail("truncated");
      const byte = bytes[this.#at++] ?? 0;
      value += (byte & 0x7f) * 2 ** shift;
      if (value > maxInteger) return this.#fail("bad_integer");
      if (byte < 0x80) return value;
      shift += 7;
    }
    return this.#fail("bad_integer");
  }

  /** RFC 7541 section 5.2. */
  #readString(isValid: (bytes: Uint8Array, start: number, end: number) => boolean): string {
    if (this.#at >= this.#end) {
      this.#fail("truncated");
      return "";
    }
    const isHuffman = (this.#bytes[this.#at] ?? 0) >= 0x80;
    const length = this.#readInteger(0x7f);
    const start = this.#at;
    const end = start + length;
    if (this.#problem !== undefined || end > this.#end) {
      this.#problem ??= "truncated";
      return "";
    }
    this.#at = end;
    if (isHuffman) return this.#readHuffman(start, end, isValid);
    this.#isStringValid = isValid(this.#bytes, start, end);
    return this.#bytes.toString("latin1", start, end);
  }

  #readHuffman(
    start: number,
    end: number,
    isValid: (bytes: Uint8Array, start: number, end: number) => boolean,
  ): string {
    const room = ((end - start) * 8) / 5 + 1;
    if (scratch.length < room) scratch = Buffer.allocUnsafe(room * 2);
    const length = decodeHuffman(this.#bytes, start, end, scratch);
    if (length < 0) {
      this.#fail("bad_huffman");
      return "";
    }
    this.#isStringValid = isValid(scratch, 0, length);
    return scratch.toString("latin1", 0, length);
  }

  #fail(problem: HpackProblem): number {
    this.#problem ??= problem;
    return 0;
  }
}
