import type { FieldBlock } from "../message/field-block.ts";
import type { HeldBytes } from "../buffered-memory.ts";
import type { BodySink } from "./ends.ts";

const none: readonly Buffer[] = [];

/**
 * One direction of an exchange: passes on what the sink takes and keeps the rest, in order, until there is a sink with
 * room. What is kept is bounded by the source, which is not told to go on before its bytes are gone.
 */
export class BodyPipe {
  /** The message is complete as far as its source goes. */
  hasEnded = false;
  readonly #memory: HeldBytes;
  #held: readonly Buffer[] = none;
  #trailers: FieldBlock | undefined;
  /** The end has been passed on too. */
  #isDone = false;

  constructor(memory: HeldBytes) {
    this.#memory = memory;
  }

  /** Nothing waits, and the end has been passed on if it has come. */
  get isDone(): boolean {
    return this.#isDone;
  }

  /** Passes a part on; returns how many bytes of it the sink took. */
  data(sink: BodySink | undefined, bytes: Buffer, start: number, end: number, isEnd: boolean): number {
    if (isEnd) this.hasEnded = true;
    let taken = 0;
    if (sink !== undefined && this.#held.length === 0) {
      taken = sink.data(bytes, start, end, isEnd);
      if (start + taken === end) {
        this.#isDone = isEnd;
        return taken;
      }
    }
    this.#memory.heldBytes += end - start - taken;
    this.#held = [...this.#held, bytes.subarray(start + taken, end)];
    return taken;
  }

  trailers(sink: BodySink | undefined, block: FieldBlock): void {
    this.hasEnded = true;
    if (sink !== undefined && this.#held.length === 0) {
      sink.trailers(block);
      this.#isDone = true;
    } else {
      this.#trailers = block;
    }
  }

  /** Passes on what was kept, to a sink that has room; returns how many bytes it took. */
  resume(sink: BodySink): number {
    let total = 0;
    while (this.#held.length > 0) {
      const [bytes = Buffer.alloc(0), ...rest] = this.#held;
      const isEnd = rest.length === 0 && this.hasEnded && this.#trailers === undefined;
      const taken = sink.data(bytes, 0, bytes.length, isEnd);
      total += taken;
      this.#memory.heldBytes -= taken;
      if (taken < bytes.length) {
        this.#held = [bytes.subarray(taken), ...rest];
        return total;
      }
      this.#held = rest;
      if (isEnd) this.#isDone = true;
    }
    if (this.#trailers !== undefined && !this.#isDone) {
      sink.trailers(this.#trailers);
      this.#isDone = true;
    }
    return total;
  }

  /** Nobody wants it any more. */
  drop(): void {
    for (const bytes of this.#held) this.#memory.heldBytes -= bytes.length;
    this.#held = none;
  }
}
