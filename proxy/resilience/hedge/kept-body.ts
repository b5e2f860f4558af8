import type { HeldBytes } from "../../buffered-memory.ts";
import { maxReplayBytes } from "../../exchange/body-pipe.ts";
import { ByteQueue, type Piece } from "../../exchange/byte-queue.ts";
import type { FieldBlock } from "../../message/field-block.ts";

/** The body of a request, for whoever else has to send it: as much as is kept for retries, and only once it is whole. */
export class KeptBody {
  trailers: FieldBlock | undefined;
  /** There is none. */
  readonly isAbsent: boolean;
  readonly #queue: ByteQueue;
  #isKept = true;
  #hasEnded: boolean;

  constructor(memory: HeldBytes, isAbsent: boolean) {
    this.#queue = new ByteQueue(memory);
    this.isAbsent = isAbsent;
    this.#hasEnded = isAbsent;
  }

  get pieces(): readonly Piece[] {
    return this.#queue.pieces;
  }

  /** It can be sent from its first byte to its last. */
  get isWhole(): boolean {
    return this.#hasEnded && this.#isKept;
  }

  add(bytes: Buffer, start: number, end: number): void {
    if (!this.#isKept) return;
    if (this.#queue.sizeBytes + end - start > maxReplayBytes) this.forget();
    else this.#queue.append(bytes, start, end);
  }

  end(trailers?: FieldBlock): void {
    this.#hasEnded = true;
    this.trailers = trailers;
  }

  forget(): void {
    this.#isKept = false;
    this.#queue.clear();
  }
}
