import { writeData } from "./frame-writer.ts";
import type { BufferPool, OutputBuffer } from "./output-buffer.ts";
import type { Http2Stream, StreamHandler } from "./stream.ts";

/** Longer pieces are worth a frame of their own. */
export const maxPieceBytes = 1024;

/**
 * Small pieces of bodies that one turn brings, put together stream by stream: with a frame for each, whoever reads them or passes them
 * on does more for the frame than for what is in it. They leave with all else that the turn writes, behind what came before on
 * their stream and in front of what comes after.
 */
export class GatheredData<Handler extends StreamHandler> {
  /** Of all streams. */
  bytes = 0;
  readonly #output: OutputBuffer;
  readonly #pool: BufferPool;
  readonly #streams: Http2Stream<Handler>[] = [];

  constructor(output: OutputBuffer, pool: BufferPool) {
    this.#output = output;
    this.#pool = pool;
  }

  /** At most `maxPieceBytes`. */
  add(stream: Http2Stream<Handler>, bytes: Buffer, start: number, end: number): void {
    const length = end - start;
    let { gathered } = stream;
    if (gathered !== undefined && stream.gatheredBytes + length > gathered.length) {
      this.write(stream);
      gathered = undefined;
    }
    if (gathered === undefined) {
      gathered = this.#pool.takeSmall();
      stream.gathered = gathered;
      this.#streams.push(stream);
    }
    bytes.copy(gathered, stream.gatheredBytes, start, end);
    stream.gatheredBytes += length;
    this.bytes += length;
  }

  /** Something else follows on the stream. */
  write(stream: Http2Stream<Handler>): void {
    const { gathered, gatheredBytes } = stream;
    if (gathered === undefined) return;
    writeData(this.#output, stream.id, gathered, 0, gatheredBytes, false);
    this.drop(stream);
  }

  writeAll(): void {
    if (this.#streams.length === 0) return;
    for (const stream of this.#streams) this.write(stream);
    this.#streams.length = 0;
  }

  /** Nobody will read it any more. Returns how many bytes it was. */
  drop(stream: Http2Stream<Handler>): number {
    const { gathered, gatheredBytes } = stream;
    if (gathered === undefined) return 0;
    this.#pool.giveBackSmall(gathered);
    this.bytes -= gatheredBytes;
    stream.gathered = undefined;
    stream.gatheredBytes = 0;
    return gatheredBytes;
  }
}
