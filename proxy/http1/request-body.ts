import { ChunkedScanner } from "./chunked.ts";
import type { MessageHead } from "./head.ts";

/** Follows the body of one request through arbitrary pieces; reused from request to request. */
export class RequestBody {
  #left = 0;
  #isChunked = false;
  readonly #chunks = new ChunkedScanner();

  get isDone(): boolean {
    return this.#isChunked ? this.#chunks.isDone : this.#left === 0;
  }

  /** Starts behind `head`; returns one past the last byte of `bytes` that belongs to the message, or -1 when broken. */
  begin(head: MessageHead, bytes: Buffer): number {
    this.#isChunked = head.isChunked;
    if (head.isChunked) {
      this.#chunks.reset();
      return this.#chunks.advance(bytes, head.end);
    }
    this.#left = Math.max(head.contentLength, 0);
    return head.end + this.#take(bytes.length - head.end);
  }

  /** Takes more of the body; returns one past its last byte in `chunk`, or -1 when broken. */
  advance(chunk: Buffer): number {
    return this.#isChunked ? this.#chunks.advance(chunk, 0) : this.#take(chunk.length);
  }

  #take(available: number): number {
    const taken = Math.min(this.#left, available);
    this.#left -= taken;
    return taken;
  }
}
