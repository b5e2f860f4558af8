import { FieldBlock } from "../message/field-block.ts";
import { trailersProblem } from "../message/field-rules.ts";
import { ChunkedScanner, type ChunkLimits, type ChunkSink } from "./chunked.ts";

/** Who gets the body of a message, without its framing. */
export interface BodyReceiver {
  onBody(bytes: Buffer, start: number, end: number, isEnd: boolean): void;
  onBodyTrailers(block: FieldBlock): void;
}

/**
 * Reads the body of one message out of arbitrary pieces: nothing, a number of bytes, chunks, or everything up to the end of
 * the connection. Reused from message to message.
 */
export class BodyReader implements ChunkSink {
  readonly #receiver: BodyReceiver;
  readonly #limits: ChunkLimits;
  /** Most messages come without chunks, so an idle connection has none of this. */
  #chunks: ChunkedScanner | undefined;
  #kind: "none" | "length" | "chunked" | "until-end" = "none";
  #left = 0;

  constructor(receiver: BodyReceiver, limits: ChunkLimits) {
    this.#receiver = receiver;
    this.#limits = limits;
  }

  get isDone(): boolean {
    return this.#kind === "none";
  }

  get isUntilEnd(): boolean {
    return this.#kind === "until-end";
  }

  /** `bytes` is the length, 0 for no body. */
  beginLength(bytes: number): void {
    this.#kind = bytes === 0 ? "none" : "length";
    this.#left = bytes;
  }

  beginChunked(): void {
    this.#kind = "chunked";
    if (this.#chunks === undefined) this.#chunks = new ChunkedScanner(this.#limits);
    else this.#chunks.reset();
  }

  /** Everything that comes belongs to it; `end` is said when the connection ends. */
  beginUntilEnd(): void {
    this.#kind = "until-end";
  }

  /** Nothing more of this message is read, whatever comes. */
  abandon(): void {
    this.#kind = "none";
  }

  /**
   * Takes the body's bytes from `start` on and passes them on. Returns one past the last that belongs to it, or -1 when it
   * is malformed.
   */
  read(bytes: Buffer, start: number): number {
    switch (this.#kind) {
      case "none":
        return start;
      case "until-end":
        if (bytes.length > start) this.#receiver.onBody(bytes, start, bytes.length, false);
        return bytes.length;
      case "length": {
        const end = start + Math.min(this.#left, bytes.length - start);
        this.#left -= end - start;
        const isEnd = this.#left === 0;
        if (isEnd) this.#kind = "none";
        if (end > start) this.#receiver.onBody(bytes, start, end, isEnd);
        return end;
      }
      case "chunked":
        return this.#readChunks(bytes, start);
    }
  }

  /** The connection has ended: false when that cuts the message short. */
  end(): boolean {
    if (this.#kind === "none") return true;
    if (this.#kind !== "until-end") return false;
    this.#kind = "none";
    this.#receiver.onBody(nothing, 0, 0, true);
    return true;
  }

  onChunkData(bytes: Buffer, start: number, end: number): void {
    this.#receiver.onBody(bytes, start, end, false);
  }

  #readChunks(bytes: Buffer, start: number): number {
    const chunks = this.#chunks;
    if (chunks === undefined) return -1;
    const end = chunks.advance(bytes, start, this);
    if (end < 0 || !chunks.isDone) return end;
    // Who was given the data may have given up the message.
    if (this.#kind !== "chunked") return end;
    const text = chunks.trailerText;
    if (text === "") {
      this.#kind = "none";
      this.#receiver.onBody(nothing, 0, 0, true);
      return end;
    }
    const trailers = parseTrailers(text);
    if (trailers === undefined) return -1;
    this.#kind = "none";
    this.#receiver.onBodyTrailers(trailers);
    return end;
  }
}

const nothing = Buffer.alloc(0);

/** Lines that the scanner has found well-formed. What frames or routes a message may not come behind it (RFC 9110 6.5.1). */
function parseTrailers(text: string): FieldBlock | undefined {
  const fields: string[] = [];
  for (const line of text.split("\r\n")) {
    const colonAt = line.indexOf(":");
    if (colonAt < 0) continue;
    fields.push(line.slice(0, colonAt).toLowerCase(), line.slice(colonAt + 1).replace(/^[ \t]+|[ \t]+$/g, ""));
  }
  return trailersProblem(fields) === undefined ? new FieldBlock(fields) : undefined;
}
