import type { HeldBytes } from "../buffered-memory.ts";
import { keep } from "../../lib/base/received-memory.ts";

/** Pieces kept as they came; beyond, small ones are copied together: a peer may send a byte at a time. */
const maxLoosePieces = 4;
const blockBytes = 4096;

/** A range of bytes in a larger buffer. `isOwn`: the buffer was made here, so what is behind `end` may be filled. */
export interface Piece {
  readonly bytes: Buffer;
  start: number;
  end: number;
  readonly isOwn: boolean;
}

/**
 * Bytes in order. A slice keeps the whole chunk in memory that it was cut from, so one that is small in a large chunk is
 * copied out of it; and many tiny slices become few blocks, so that a byte costs about a byte.
 */
export class ByteQueue {
  readonly #memory: HeldBytes;
  #pieces: Piece[] = [];
  #sizeBytes = 0;

  constructor(memory: HeldBytes) {
    this.#memory = memory;
  }

  get isEmpty(): boolean {
    return this.#pieces.length === 0;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  get first(): Piece | undefined {
    return this.#pieces[0];
  }

  /** For who reads and takes nothing away. */
  get pieces(): readonly Piece[] {
    return this.#pieces;
  }

  /** Whether the first piece is the last one too. */
  get hasOnePiece(): boolean {
    return this.#pieces.length === 1;
  }

  /** Keeps `bytes[start, end)`, which nobody changes afterwards. */
  append(bytes: Buffer, start: number, end: number): void {
    const size = end - start;
    if (size === 0) return;
    this.#count(size);
    const last = this.#pieces.at(-1);
    if (last?.isOwn === true && last.bytes.length - last.end >= size) {
      bytes.copy(last.bytes, last.end, start, end);
      last.end += size;
    } else if (
      size >= blockBytes ? size * 2 >= bytes.length : this.#pieces.length < maxLoosePieces && bytes.length <= blockBytes
    ) {
      this.#pieces.push({ bytes: keep(bytes), start, end, isOwn: false });
    } else {
      const own = Buffer.allocUnsafeSlow(Math.max(size, blockBytes));
      bytes.copy(own, 0, start, end);
      this.#pieces.push({ bytes: own, start: 0, end: size, isOwn: true });
    }
  }

  /** So many bytes of the first piece are done with. */
  advance(count: number): void {
    const first = this.#pieces[0];
    if (first === undefined) return;
    first.start += count;
    this.#count(-count);
    if (first.start === first.end) this.#pieces.shift();
  }

  /** Puts everything of `other`, which is empty afterwards, in front of what is here. */
  prepend(other: ByteQueue): void {
    this.#pieces = [...other.#pieces, ...this.#pieces];
    this.#count(other.#sizeBytes);
    other.clear();
  }

  clear(): void {
    this.#pieces = [];
    this.#count(-this.#sizeBytes);
  }

  #count(bytes: number): void {
    this.#sizeBytes += bytes;
    this.#memory.heldBytes += bytes;
  }
}
