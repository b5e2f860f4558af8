import type { FieldBlock } from "../message/field-block.ts";
import type { HeldBytes } from "../buffered-memory.ts";
import { ByteQueue } from "./byte-queue.ts";
import type { BodySink } from "./ends.ts";

const nothing = Buffer.alloc(0);
/** So much of a body is kept to send it again, until the response begins. Longer ones are sent once. */
export const maxReplayBytes = 64 * 1024;

/**
 * One direction of an exchange: passes on what the sink takes and keeps the rest, in order, until there is a sink with
 * room. What is kept is bounded by the source, which is not told to go on before its bytes are gone.
 */
export class BodyPipe {
  /** The message is complete as far as its source goes. */
  hasEnded = false;
  readonly #memory: HeldBytes;
  #held: ByteQueue | undefined;
  #trailers: FieldBlock | undefined;
  /** The end has been passed on too. */
  #isDone = false;
  /** What has been passed on, while all of it is still here. */
  #sent: ByteQueue | undefined;
  #canRewind: boolean;
  /** Of what is held, bytes that were passed on before: their source has been told already. */
  #again = 0;

  /** With `isReplayable` what was passed on is kept, up to `maxReplayBytes`, for another sink. */
  constructor(memory: HeldBytes, isReplayable: boolean) {
    this.#memory = memory;
    this.#canRewind = isReplayable;
  }

  /** Nothing waits, and the end has been passed on if it has come. */
  get isDone(): boolean {
    return this.#isDone;
  }

  /** Bytes wait for a sink with room. */
  get isHeldUp(): boolean {
    return this.#held !== undefined && !this.#held.isEmpty;
  }

  get heldBytes(): number {
    return this.#held?.sizeBytes ?? 0;
  }

  /** Everything from the first byte on can still be passed on. */
  get canRewind(): boolean {
    return this.#canRewind;
  }

  /** Passes a part on; returns how many bytes of it the sink took. */
  data(sink: BodySink | undefined, bytes: Buffer, start: number, end: number, isEnd: boolean): number {
    if (isEnd) this.hasEnded = true;
    let taken = 0;
    if (sink !== undefined && !this.isHeldUp) {
      taken = sink.data(bytes, start, end, isEnd);
      if (this.#canRewind) this.#remember(bytes, start, start + taken);
      if (start + taken === end) {
        this.#isDone = isEnd;
        return taken;
      }
    }
    this.#held ??= new ByteQueue(this.#memory);
    this.#held.append(bytes, start + taken, end);
    return taken;
  }

  trailers(sink: BodySink | undefined, block: FieldBlock): void {
    this.hasEnded = true;
    this.#trailers = block;
    if (sink === undefined || this.isHeldUp) return;
    this.#isDone = true;
    sink.trailers(block);
  }

  /** Passes on what was kept, to a sink that has room; returns how many bytes it took of those never passed on before. */
  resume(sink: BodySink): number {
    const held = this.#held;
    let total = 0;
    for (let piece = held?.first; held !== undefined && piece !== undefined; piece = held.first) {
      const { bytes, start, end } = piece;
      const isEnd = held.hasOnePiece && this.hasEnded && this.#trailers === undefined;
      const taken = sink.data(bytes, start, end, isEnd);
      if (this.#canRewind) this.#remember(bytes, start, start + taken);
      held.advance(taken);
      total += this.#countNew(taken);
      if (start + taken < end) return total;
      if (isEnd) this.#isDone = true;
    }
    if (this.hasEnded && !this.#isDone) {
      this.#isDone = true;
      if (this.#trailers === undefined) sink.data(nothing, 0, 0, true);
      else sink.trailers(this.#trailers);
    }
    return total;
  }

  /** What was passed on is to be passed on once more, to another sink. */
  rewind(): void {
    this.#isDone = false;
    if (this.#sent === undefined) return;
    this.#again += this.#sent.sizeBytes;
    this.#held ??= new ByteQueue(this.#memory);
    this.#held.prepend(this.#sent);
  }

  /** There will be no other sink. */
  forget(): void {
    this.#canRewind = false;
    this.#sent?.clear();
    this.#sent = undefined;
  }

  /** Nobody wants any of it any more. */
  drop(): void {
    this.forget();
    this.#held?.clear();
  }

  #remember(bytes: Buffer, start: number, end: number): void {
    if (end === start) return;
    this.#sent ??= new ByteQueue(this.#memory);
    if (this.#sent.sizeBytes + end - start > maxReplayBytes) this.forget();
    else this.#sent.append(bytes, start, end);
  }

  #countNew(taken: number): number {
    const old = Math.min(taken, this.#again);
    this.#again -= old;
    return taken - old;
  }
}
