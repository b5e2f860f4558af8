import { isForbiddenTrailer } from "../message/trailers.ts";
import { COLON, CR, hexValue, isFieldValue, isToken, LF } from "./characters.ts";

/** Bounds of RFC 9112 section 7.1 parts that carry no data (CVE-2024-22019 was an unbounded extension). */
export interface ChunkLimits {
  readonly maxChunkExtensionBytes: number;
  /** Of all chunks of one body together, beyond as many as there are data bytes. */
  readonly maxBodyExtensionBytes: number;
  readonly maxTrailerBytes: number;
  readonly maxTrailers: number;
}

/** Digits of one size: exact in a double and far beyond any body. */
const maxSizeDigits = 12;

const SEMICOLON = 59;
const EQUALS = 61;
const QUOTE = 34;
const BACKSLASH = 92;

const State = {
  size: 0,
  extensionStart: 1,
  extensionName: 2,
  extensionValueStart: 3,
  extensionValue: 4,
  extensionQuoted: 5,
  extensionEscape: 6,
  extensionQuotedEnd: 7,
  sizeLf: 8,
  data: 9,
  dataCr: 10,
  dataLf: 11,
  trailerStart: 12,
  trailerName: 13,
  trailerValue: 14,
  trailerLf: 15,
  finalLf: 16,
  done: 17,
} as const;

/** Who gets the data of a chunked body. */
export interface ChunkSink {
  onChunkData(bytes: Buffer, start: number, end: number): void;
}

/**
 * Follows a chunked body through arbitrary pieces and checks every byte that is not data: sizes and extensions to the letter
 * of RFC 9112 section 7.1 without the optional blanks, trailers that cannot change what the message means.
 */
export class ChunkedScanner {
  readonly #limits: ChunkLimits;
  #state: number = State.size;
  #size = 0;
  #digits = 0;
  #overhead = 0;
  #extensionBytes = 0;
  /** The trailer section as it came, without the empty line that ends it. */
  #trailers: number[] = [];
  #trailerCount = 0;
  #lineStart = 0;
  /** Data bytes seen so far. */
  dataBytes = 0;

  constructor(limits: ChunkLimits) {
    this.#limits = limits;
  }

  get isDone(): boolean {
    return this.#state === State.done;
  }

  reset(): void {
    this.#state = State.size;
    this.#size = 0;
    this.#digits = 0;
    this.#overhead = 0;
    this.#extensionBytes = 0;
    if (this.#trailers.length > 0) this.#trailers = [];
    this.#trailerCount = 0;
    this.#lineStart = 0;
    this.dataBytes = 0;
  }

  /** Whole lines with their CR LF; empty when there are none. Complete once the body is done. */
  get trailerText(): string {
    return this.#trailers.length === 0 ? "" : Buffer.from(this.#trailers).toString("latin1");
  }

  /**
   * Consumes from `start`; returns one past the last byte that belongs to the body, or -1 for a framing error. `sink` gets
   * the ranges of the data.
   */
  advance(bytes: Buffer, start: number, sink?: ChunkSink): number {
    let at = start;
    const end = bytes.length;
    while (at < end && this.#state !== State.done) {
      if (this.#state === State.data) {
        const taken = Math.min(this.#size, end - at);
        sink?.onChunkData(bytes, at, at + taken);
        at += taken;
        this.#size -= taken;
        this.dataBytes += taken;
        if (this.#size > 0) return at;
        // Nearly always: no extension, and everything up to the next data is here.
        if (at + 1 < end && bytes[at] === CR && bytes[at + 1] === LF) {
          at += 2;
          this.#digits = 0;
          this.#state = State.size;
        } else {
          this.#state = State.dataCr;
        }
      } else if (this.#state === State.size) {
        at = this.#readSize(bytes, at);
        if (at < 0) return -1;
      } else if (!this.#step(bytes[at++] ?? 0)) {
        return -1;
      }
    }
    return at;
  }

  /** As much of a size as there is, with the byte behind it; returns one past what was read, or -1. */
  #readSize(bytes: Buffer, start: number): number {
    const end = bytes.length;
    let at = start;
    let digits = this.#digits;
    let size = digits === 0 ? 0 : this.#size;
    // The bound on digits ends this loop.
    for (; at < end && digits <= maxSizeDigits; at++) {
      const digit = hexValue[bytes[at] ?? 0] ?? 255;
      if (digit === 255) break;
      size = size * 16 + digit;
      digits++;
    }
    this.#size = size;
    this.#digits = digits;
    if (digits > maxSizeDigits) return -1;
    if (at === end) return at;
    if (digits === 0) return -1;
    const byte = bytes[at++];
    this.#overhead = 0;
    if (byte === CR) this.#state = State.sizeLf;
    else if (byte === SEMICOLON) this.#state = State.extensionStart;
    else return -1;
    return at;
  }

  /** One byte of framing; false when it may not stand here. */
  #step(byte: number): boolean {
    switch (this.#state) {
      case State.sizeLf:
        return byte === LF && this.#endSize();
      case State.dataCr:
        return byte === CR && this.#enter(State.dataLf);
      case State.dataLf:
        this.#digits = 0;
        return byte === LF && this.#enter(State.size);
      case State.trailerStart:
      case State.trailerName:
      case State.trailerValue:
      case State.trailerLf:
      case State.finalLf:
        return this.#stepTrailer(byte);
      default:
        return this.#stepExtension(byte);
    }
  }

  #endSize(): boolean {
    this.#overhead = 0;
    return this.#enter(this.#size === 0 ? State.trailerStart : State.data);
  }

  /** `;name`, `;name=token` or `;name="quoted"`, any number of them: what two readers end at the same byte. */
  #stepExtension(byte: number): boolean {
    if (++this.#overhead > this.#limits.maxChunkExtensionBytes) return false;
    if (++this.#extensionBytes > this.#limits.maxBodyExtensionBytes + this.dataBytes) return false;
    switch (this.#state) {
      case State.extensionStart:
        return isToken[byte] === 1 && this.#enter(State.extensionName);
      case State.extensionName:
        if (isToken[byte] === 1) return true;
        return byte === EQUALS ? this.#enter(State.extensionValueStart) : this.#endExtension(byte);
      case State.extensionValueStart:
        if (byte === QUOTE) return this.#enter(State.extensionQuoted);
        return isToken[byte] === 1 && this.#enter(State.extensionValue);
      case State.extensionValue:
        return isToken[byte] === 1 || this.#endExtension(byte);
      case State.extensionQuoted:
        if (byte === QUOTE) return this.#enter(State.extensionQuotedEnd);
        if (byte === BACKSLASH) return this.#enter(State.extensionEscape);
        return isFieldValue[byte] === 1;
      case State.extensionEscape:
        return isFieldValue[byte] === 1 && this.#enter(State.extensionQuoted);
      default:
        return this.#endExtension(byte);
    }
  }

  #endExtension(byte: number): boolean {
    if (byte === CR) return this.#enter(State.sizeLf);
    return byte === SEMICOLON && this.#enter(State.extensionStart);
  }

  #stepTrailer(byte: number): boolean {
    if (++this.#overhead > this.#limits.maxTrailerBytes) return false;
    switch (this.#state) {
      case State.trailerStart:
        if (byte === CR) return this.#enter(State.finalLf);
        this.#lineStart = this.#trailers.length;
        this.#trailers.push(byte);
        return (
          isToken[byte] === 1 && ++this.#trailerCount <= this.#limits.maxTrailers && this.#enter(State.trailerName)
        );
      case State.trailerName:
        this.#trailers.push(byte);
        return isToken[byte] === 1 || (byte === COLON && this.#isGoodTrailer() && this.#enter(State.trailerValue));
      case State.trailerValue:
        this.#trailers.push(byte);
        return isFieldValue[byte] === 1 || (byte === CR && this.#enter(State.trailerLf));
      case State.trailerLf:
        this.#trailers.push(byte);
        return byte === LF && this.#enter(State.trailerStart);
      default:
        return byte === LF && this.#enter(State.done);
    }
  }

  /** The line so far is a name and its colon. */
  #isGoodTrailer(): boolean {
    const name = Buffer.from(this.#trailers.slice(this.#lineStart, -1)).toString("latin1");
    return !isForbiddenTrailer(name.toLowerCase());
  }

  #enter(state: number): boolean {
    this.#state = state;
    return true;
  }
}
