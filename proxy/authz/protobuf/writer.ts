/**
 * Writes one message in protobuf's wire format. Only what the messages of an authorizer need: numbers as varints, text, bytes and
 * messages within messages. Fields with the default of proto3 are left out by whoever calls, as that specification allows.
 */
const varint = 0;
const lengthDelimited = 2;
const firstBytes = 1_024;

export class ProtobufWriter {
  #bytes: Buffer;
  #end: number;

  /** `prefixBytes` stay free before the message. */
  constructor(prefixBytes = 0) {
    this.#bytes = Buffer.allocUnsafe(firstBytes);
    this.#bytes.fill(0, 0, prefixBytes);
    this.#end = prefixBytes;
  }

  /** A number of any integer type that is no zigzag: negative ones take ten bytes. An integer of 53 bits at most. */
  number(field: number, value: number): void {
    this.#tag(field, varint);
    if (value >= 0) {
      this.#varint(value);
      return;
    }
    this.#reserve(10);
    let rest = BigInt.asUintN(64, BigInt(value));
    for (; rest > 0x7fn; rest >>= 7n) this.#bytes[this.#end++] = Number(rest & 0x7fn) | 0x80;
    this.#bytes[this.#end++] = Number(rest);
  }

  text(field: number, value: string): void {
    const length = Buffer.byteLength(value, "utf8");
    this.#tag(field, lengthDelimited);
    this.#varint(length);
    this.#reserve(length);
    this.#end += this.#bytes.write(value, this.#end, "utf8");
  }

  bytes(field: number, value: Uint8Array): void {
    this.#tag(field, lengthDelimited);
    this.#varint(value.length);
    this.#reserve(value.length);
    this.#bytes.set(value, this.#end);
    this.#end += value.length;
  }

  /** Begins a message within this one: what is written until `close` is its. Returns what `close` wants. */
  open(field: number): number {
    this.#tag(field, lengthDelimited);
    this.#reserve(1);
    return this.#end++;
  }

  /** One byte was left for the length; a longer length moves what is behind it. */
  close(at: number): void {
    const start = at + 1;
    const length = this.#end - start;
    const more = varintLength(length) - 1;
    if (more > 0) {
      this.#reserve(more);
      this.#bytes.copyWithin(start + more, start, this.#end);
    }
    const end = this.#end + more;
    this.#end = at;
    this.#varint(length);
    this.#end = end;
  }

  /** Everything so far, the prefix included. The memory is the caller's, and nothing may be written any more. */
  finish(): Buffer {
    return this.#bytes.subarray(0, this.#end);
  }

  #tag(field: number, type: number): void {
    this.#varint(field * 8 + type);
  }

  #varint(value: number): void {
    this.#reserve(10);
    let rest = value;
    for (; rest > 0x7f; rest = Math.floor(rest / 128)) this.#bytes[this.#end++] = (rest % 128) | 0x80;
    this.#bytes[this.#end++] = rest;
  }

  #reserve(count: number): void {
    if (this.#end + count <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#end + count));
    larger.set(this.#bytes.subarray(0, this.#end));
    this.#bytes = larger;
  }
}

function varintLength(value: number): number {
  let length = 1;
  for (let rest = value; rest > 0x7f; rest = Math.floor(rest / 128)) length++;
  return length;
}
