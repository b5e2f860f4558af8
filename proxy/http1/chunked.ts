import { COLON, CR, hexValue, isFieldValue, isToken, LF } from "./characters.ts";

/** Bounds of RFC 9112 section 7.1 parts that carry no data (CVE-2024-22019 was an unbounded extension). */
export const maxChunkExtensionBytes = 1024;
export const maxTrailerBytes = 16 * 1024;

const State = {
  size: 0,
  extension: 1,
  sizeLf: 2,
  data: 3,
  dataCr: 4,
  dataLf: 5,
  trailerStart: 6,
  trailerName: 7,
  trailerValue: 8,
  trailerLf: 9,
  finalLf: 10,
  done: 11,
} as const;

/** Who gets the data of a chunked body. */
export interface ChunkSink {
  onChunkData(bytes: Buffer, start: number, end: number): void;
}

/**
 * Follows a chunked body through arbitrary pieces and checks every byte that is not data. The bytes are forwarded as they
 * came, so what the next hop reads is what was checked here.
 */
export class ChunkedScanner {
  #state: number = State.size;
  #size = 0;
  #digits = 0;
  #overhead = 0;
  /** Data bytes seen so far. */
  dataBytes = 0;
  /** The trailer section as it came, without the empty line that ends it. */
  #trailers: number[] = [];

  get isDone(): boolean {
    return this.#state === State.done;
  }

  reset(): void {
    this.#state = State.size;
    this.#size = 0;
    this.#digits = 0;
    this.#overhead = 0;
    this.dataBytes = 0;
    this.#trailers = [];
  }

  /** Whole lines with their CR LF; empty when there are none, or before the body is done. */
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
        if (this.#size === 0) this.#state = State.dataCr;
        continue;
      }
      if (!this.#step(bytes[at++] ?? 0)) return -1;
    }
    return at;
  }

  /** One byte of framing; false when it may not stand here. */
  #step(byte: number): boolean {
    switch (this.#state) {
      case State.size:
        return this.#stepSize(byte);
      case State.extension:
        if (byte === CR) return this.#enter(State.sizeLf);
        return isFieldValue[byte] === 1 && ++this.#overhead <= maxChunkExtensionBytes;
      case State.sizeLf:
        return byte === LF && this.#enter(this.#size === 0 ? State.trailerStart : State.data);
      case State.dataCr:
        return byte === CR && this.#enter(State.dataLf);
      case State.dataLf:
        this.#digits = 0;
        this.#overhead = 0;
        return byte === LF && this.#enter(State.size);
      default:
        return this.#stepTrailer(byte);
    }
  }

  #stepSize(byte: number): boolean {
    const digit = hexValue[byte] ?? 255;
    if (digit !== 255) {
      this.#size = this.#digits === 0 ? digit : this.#size * 16 + digit;
      // 12 hexadecimal digits stay exact in a double and are far beyond any body.
      return ++this.#digits <= 12;
    }
    if (this.#digits === 0) return false;
    if (byte === CR) return this.#enter(State.sizeLf);
    return byte === 59 && this.#enter(State.extension);
  }

  #stepTrailer(byte: number): boolean {
    if (++this.#overhead > maxTrailerBytes) return false;
    const isFinal = this.#state === State.finalLf || (this.#state === State.trailerStart && byte === CR);
    if (!isFinal) this.#trailers.push(byte);
    switch (this.#state) {
      case State.trailerStart:
        if (byte === CR) return this.#enter(State.finalLf);
        return isToken[byte] === 1 && this.#enter(State.trailerName);
      case State.trailerName:
        return isToken[byte] === 1 || (byte === COLON && this.#enter(State.trailerValue));
      case State.trailerValue:
        return isFieldValue[byte] === 1 || (byte === CR && this.#enter(State.trailerLf));
      case State.trailerLf:
        return byte === LF && this.#enter(State.trailerStart);
      default:
        return byte === LF && this.#enter(State.done);
    }
  }

  #enter(state: number): boolean {
    this.#state = state;
    return true;
  }
}
