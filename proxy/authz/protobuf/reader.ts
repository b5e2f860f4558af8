import { isUtf8 } from "node:buffer";

/**
 * Reads one message in protobuf's wire format, strictly: an overlong varint, a length beyond the end, a group, a field of another type
 * than expected, text that is no UTF-8 or the field number 0 break the whole message. A broken one reads as if it ended there;
 * `isBroken` is to be asked in the end. Depth is the caller's: fields that nobody reads are skipped by their length.
 */
const varint = 0;
const fixed64 = 1;
const lengthDelimited = 2;
const fixed32 = 5;
const maxVarintBytes = 10;
const maxFieldNumber = 536_870_911;
const empty = Buffer.alloc(0);

export class ProtobufReader {
  readonly #bytes: Buffer;
  #at: number;
  #end: number;
  #isBroken = false;
  #type = -1;
  /** Of the varint that was read last. */
  #low32 = 0;

  constructor(bytes: Buffer, start = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  get isBroken(): boolean {
    return this.#isBroken;
  }

  /** Calls `onField` with the number of each field, in order, which reads its value or leaves it. */
  fields(onField: (field: number) => void): void {
    while (!this.#isBroken && this.#at < this.#end) {
      const tag = this.#varint();
      const field = Math.floor(tag / 8);
      if (field < 1 || field > maxFieldNumber) this.#break();
      if (this.#isBroken) return;
      this.#type = tag % 8;
      onField(field);
      if (this.#type >= 0) this.#skip();
    }
  }

  /** Of `int32`, `uint32`, `bool` and enumerations: the low 32 bits, with a sign. */
  int32(): number {
    if (!this.#takes(varint)) return 0;
    this.#varint();
    return this.#low32;
  }

  text(): string {
    const bytes = this.bytes();
    if (!isUtf8(bytes)) this.#break();
    return this.#isBroken ? "" : bytes.toString("utf8");
  }

  /** A view of the memory that is read. */
  bytes(): Buffer {
    const end = this.#takes(lengthDelimited) ? this.#length() : -1;
    if (end < 0) return empty;
    const bytes = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return bytes;
  }

  /** A message within this one, as `fields`. */
  message(onField: (field: number) => void): void {
    const end = this.#takes(lengthDelimited) ? this.#length() : -1;
    if (end < 0) return;
    const outer = this.#end;
    this.#end = end;
    this.fields(onField);
    this.#end = outer;
    this.#type = -1;
  }

  #takes(type: number): boolean {
    if (this.#type !== type) this.#break();
    this.#type = -1;
    return !this.#isBroken;
  }

  #skip(): void {
    const type = this.#type;
    this.#type = -1;
    if (type === varint) this.#varint();
    else if (type === fixed64) this.#advance(8);
    else if (type === fixed32) this.#advance(4);
    else if (type === lengthDelimited) this.#at = Math.max(this.#at, this.#length());
    else this.#break();
  }

  #advance(count: number): void {
    if (count > this.#end - this.#at) this.#break();
    else this.#at += count;
  }

  /** Where the value ends whose length comes now; -1 when that is beyond the message. */
  #length(): number {
    const length = this.#varint();
    if (length > this.#end - this.#at) this.#break();
    return this.#isBroken ? -1 : this.#at + length;
  }

  /** Exact up to 53 bits; of larger ones, which negative numbers are, only `#low32` is. */
  #varint(): number {
    let low = 0;
    let high = 0;
    for (let i = 0; i < maxVarintBytes && this.#at < this.#end; i++) {
      const byte = this.#bytes[this.#at++] ?? 0;
      const bits = byte & 0x7f;
      if (i < 4) low += bits * 2 ** (7 * i);
      else high += bits * 2 ** (7 * (i - 4));
      if (byte < 0x80) {
        // The tenth byte has one bit left (64 = 9 * 7 + 1).
        if (i === maxVarintBytes - 1 && byte > 1) break;
        this.#low32 = low | ((high % 16) << 28);
        return low + high * 2 ** 28;
      }
    }
    this.#break();
    return 0;
  }

  #break(): void {
    this.#isBroken = true;
    this.#at = this.#end;
  }
}
