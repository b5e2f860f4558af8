import { keep } from "../../../lib/base/received-memory.ts";

/**
 * A framing of our own, as lean as two ends of one program could make it, to hold HTTP/2 against: eight bytes of frame header, a
 * head that has been sent before is a number, credit per stream and nothing else. It trusts its peer.
 *
 *     length (24 bits), type (8 bits), stream (32 bits), payload
 */
export const FrameType = { head: 0, headAgain: 1, data: 2, credit: 3, reset: 4 } as const;
/** Added to the type of a stream's last frame. */
export const endFlag = 0x80;
export const frameHeaderBytes = 8;
/** What may be on the way on one stream: that of our HTTP/2 streams. */
export const streamWindowBytes = 256 * 1024;
const chunkBytes = 64 * 1024;

/** Frames of one turn of the loop, one after the other. */
export class FrameWriter {
  #buffer = Buffer.allocUnsafeSlow(chunkBytes);
  #length = 0;
  readonly #numbers = new Map<readonly string[], number>();

  get length(): number {
    return this.#length;
  }

  /** The bytes written since the last time; valid until the next write. */
  take(): Buffer {
    const taken = this.#buffer.subarray(0, this.#length);
    this.#length = 0;
    return taken;
  }

  /** `fields` that repeat are the same array. */
  head(stream: number, fields: readonly string[], isEnd: boolean): void {
    const flag = isEnd ? endFlag : 0;
    const known = this.#numbers.get(fields);
    if (known !== undefined) {
      this.#frame(2, FrameType.headAgain | flag, stream);
      this.#length = this.#buffer.writeUInt16BE(known, this.#length);
      return;
    }
    const text = fields.join("\0");
    this.#numbers.set(fields, this.#numbers.size);
    this.#frame(text.length, FrameType.head | flag, stream);
    this.#length += this.#buffer.write(text, this.#length, "latin1");
  }

  data(stream: number, bytes: Buffer, start: number, end: number, isEnd: boolean): void {
    this.#frame(end - start, FrameType.data | (isEnd ? endFlag : 0), stream);
    bytes.copy(this.#buffer, this.#length, start, end);
    this.#length += end - start;
  }

  credit(stream: number, bytes: number): void {
    this.#frame(4, FrameType.credit, stream);
    this.#length = this.#buffer.writeUInt32BE(bytes, this.#length);
  }

  reset(stream: number): void {
    this.#frame(0, FrameType.reset, stream);
  }

  #frame(length: number, type: number, stream: number): void {
    const needed = this.#length + frameHeaderBytes + length;
    if (needed > this.#buffer.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#buffer.length * 2));
      this.#buffer.copy(grown, 0, 0, this.#length);
      this.#buffer = grown;
    }
    this.#buffer.writeUInt32BE(((length << 8) | type) >>> 0, this.#length);
    this.#length = this.#buffer.writeUInt32BE(stream, this.#length + 4);
  }
}

export interface FrameReceiver {
  /** `fields` are the same array for a head that repeats. */
  onHead(stream: number, fields: readonly string[], isEnd: boolean): void;
  onData(stream: number, bytes: Buffer, start: number, end: number, isEnd: boolean): void;
  onCredit(stream: number, bytes: number): void;
  onReset(stream: number): void;
}

/** Takes frames apart, wherever the bytes were cut; data is passed on as it comes. */
export class FrameReader {
  readonly #receiver: FrameReceiver;
  readonly #heads: (readonly string[])[] = [];
  #rest: Buffer | undefined;
  #dataLeft = 0;
  #dataStream = 0;
  #dataIsEnd = false;

  constructor(receiver: FrameReceiver) {
    this.#receiver = receiver;
  }

  read(chunk: Buffer): void {
    const bytes = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#rest = undefined;
    let at = this.#dataLeft > 0 ? this.#passData(bytes, 0) : 0;
    while (at < bytes.length) {
      if (bytes.length - at < frameHeaderBytes) break;
      const word = bytes.readUInt32BE(at);
      const length = word >>> 8;
      const type = word & 0x7f;
      const isEnd = (word & endFlag) !== 0;
      const stream = bytes.readUInt32BE(at + 4);
      const start = at + frameHeaderBytes;
      if (type === FrameType.data) {
        this.#dataLeft = length;
        this.#dataStream = stream;
        this.#dataIsEnd = isEnd;
        at = this.#passData(bytes, start);
        continue;
      }
      if (bytes.length - start < length) break;
      at = start + length;
      this.#control(type, stream, bytes, start, at, isEnd);
    }
    if (at === bytes.length) return;
    keep(bytes);
    this.#rest = bytes.subarray(at);
  }

  #passData(bytes: Buffer, start: number): number {
    const end = start + Math.min(this.#dataLeft, bytes.length - start);
    this.#dataLeft -= end - start;
    this.#receiver.onData(this.#dataStream, bytes, start, end, this.#dataIsEnd && this.#dataLeft === 0);
    return end;
  }

  #control(type: number, stream: number, bytes: Buffer, start: number, end: number, isEnd: boolean): void {
    if (type === FrameType.head) {
      const fields = bytes.toString("latin1", start, end).split("\0");
      this.#heads.push(fields);
      this.#receiver.onHead(stream, fields, isEnd);
    } else if (type === FrameType.headAgain) {
      this.#receiver.onHead(stream, this.#heads[bytes.readUInt16BE(start)] ?? [], isEnd);
    } else if (type === FrameType.credit) {
      this.#receiver.onCredit(stream, bytes.readUInt32BE(start));
    } else if (type === FrameType.reset) {
      this.#receiver.onReset(stream);
    } else {
      throw new Error(`frame of unknown type ${type}`);
    }
  }
}
