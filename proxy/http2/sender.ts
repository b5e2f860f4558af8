import type { FieldBlock } from "../message/field-block.ts";
import type { FloodGuard } from "./flood-guard.ts";
import { defaultWindowBytes, maxWindowBytes } from "./frame-types.ts";
import { beginHeaders, endHeaders, writeData } from "./frame-writer.ts";
import { GatheredData, maxPieceBytes } from "./gathered-data.ts";
import { HpackEncoder, type HpackEncoderOptions } from "./hpack/encoder.ts";
import type { Http2Limits } from "./limits.ts";
import { type BufferPool, OutputBuffer } from "./output-buffer.ts";
import type { PeerSettings } from "./peer-settings.ts";
import type { Http2Stream, StreamHandler } from "./stream.ts";

/** We send no frames beyond this even to peers that would take them: a frame is what other streams have to wait for. */
const maxSentFrameBytes = 16_384;
/** A stream that got this much out is not stalled, however slowly. */
const stallProgressBytes = 4096;

/**
 * The sending half of a connection: what may leave, in which order. Nothing is queued here: `data` takes what windows and
 * output buffer allow, and streams that had to wait are called in turn, a frame each, when there is room again.
 */
export class Sender<Handler extends StreamHandler> {
  readonly output: OutputBuffer;
  readonly encoder: HpackEncoder;
  /** Frames written only because the peer made us, since the output was last taken. */
  controlBytes = 0;
  isPaused = false;
  readonly #guard: FloodGuard;
  readonly #limits: Http2Limits;
  readonly #peer: PeerSettings;
  readonly #blocked = new Set<Http2Stream<Handler>>();
  readonly #gathered: GatheredData<Handler>;
  /** Counts the times that output was taken. */
  #outputs = 0;
  #window = defaultWindowBytes;
  #initialWindow = defaultWindowBytes;
  #isWaking = false;

  constructor(options: {
    readonly limits: Http2Limits;
    readonly peer: PeerSettings;
    readonly guard: FloodGuard;
    readonly pool: BufferPool;
    readonly hpack: HpackEncoderOptions;
  }) {
    this.#limits = options.limits;
    this.#peer = options.peer;
    this.#guard = options.guard;
    this.output = new OutputBuffer(options.pool);
    this.#gathered = new GatheredData(this.output, options.pool);
    this.encoder = new HpackEncoder(options.hpack);
  }

  get window(): number {
    return this.#window;
  }

  get blocked(): ReadonlySet<Http2Stream<Handler>> {
    return this.#blocked;
  }

  headers(stream: Http2Stream<Handler>, block: FieldBlock, isEnd: boolean): void {
    this.#gathered.write(stream);
    const at = beginHeaders(this.output);
    this.encoder.encode(block, this.output);
    endHeaders(this.output, at, stream.id, isEnd, Math.min(this.#peer.maxFrameBytes, maxSentFrameBytes));
  }

  /** How many bytes were taken; fewer than given: the stream is called once there is room. */
  data(stream: Http2Stream<Handler>, bytes: Buffer, start: number, end: number, isEnd: boolean): number {
    if (!isEnd && this.#isGatherable(stream, end - start)) {
      this.#gathered.add(stream, bytes, start, end);
      this.#count(stream, end - start);
      return end - start;
    }
    this.#gathered.write(stream);
    stream.lastDataOutput = this.#outputs;
    let at = start;
    if (start === end && isEnd) writeData(this.output, stream.id, bytes, start, end, true);
    while (at < end) {
      const room = Math.min(end - at, stream.sendWindow, this.#window, this.#room(), maxSentFrameBytes);
      if (room <= 0 || (this.#isWaking && at > start)) {
        this.#block(stream, at - start);
        return at - start;
      }
      writeData(this.output, stream.id, bytes, at, at + room, isEnd && at + room === end);
      at += room;
      this.#count(stream, room);
    }
    if (stream.stalledSinceMs >= 0) this.forget(stream);
    return end - start;
  }

  /** Nothing is held back any more: what follows belongs to the next output. */
  completeOutput(): void {
    this.#gathered.writeAll();
    this.#outputs++;
  }

  /** Something else follows on the stream, or its end. */
  completeStream(stream: Http2Stream<Handler>): void {
    this.#gathered.write(stream);
  }

  /** The peer has reset the stream: no more frames may come on it (section 5.1). */
  dropStream(stream: Http2Stream<Handler>): void {
    this.#window += this.#gathered.drop(stream);
  }

  forget(stream: Http2Stream<Handler>): void {
    stream.stalledSinceMs = -1;
    this.#blocked.delete(stream);
  }

  /** False when the window would grow beyond what it may (RFC 9113 section 6.9.1). */
  growWindow(increment: number): boolean {
    this.#window += increment;
    if (this.#window > maxWindowBytes) return false;
    this.wake();
    return true;
  }

  growStreamWindow(stream: Http2Stream<Handler>, increment: number): boolean {
    stream.sendWindow += increment;
    if (stream.sendWindow > maxWindowBytes) return false;
    if (this.#blocked.has(stream) && stream.sendWindow > 0) this.wake();
    return true;
  }

  /** SETTINGS_INITIAL_WINDOW_SIZE moves the windows of all open streams, below zero if need be (section 6.9.2). */
  setInitialWindow(streams: Iterable<Http2Stream<Handler>>): boolean {
    const difference = this.#peer.initialWindowBytes - this.#initialWindow;
    this.#initialWindow = this.#peer.initialWindowBytes;
    if (difference === 0) return true;
    for (const stream of streams) {
      stream.sendWindow += difference;
      if (stream.sendWindow > maxWindowBytes) return false;
    }
    if (difference > 0) this.wake();
    return true;
  }

  /** Calls the streams that wait, round and round, a frame each, as long as something can leave. */
  wake(): void {
    if (this.#isWaking || this.#blocked.size === 0) return;
    this.#isWaking = true;
    // A stream that had to stop after a frame is put back at the end of the set and comes again in this very loop.
    for (const stream of this.#blocked) {
      if (this.#window <= 0 || this.#room() <= 0) break;
      if (stream.sendWindow <= 0) continue;
      this.#blocked.delete(stream);
      stream.handler?.onWritable(stream);
    }
    this.#isWaking = false;
  }

  /** A small piece behind a frame of the same stream in the same output. */
  #isGatherable(stream: Http2Stream<Handler>, length: number): boolean {
    return (
      stream.lastDataOutput === this.#outputs &&
      length <= maxPieceBytes &&
      length <= Math.min(stream.sendWindow, this.#window, this.#room()) &&
      stream.stalledSinceMs < 0
    );
  }

  #count(stream: Http2Stream<Handler>, sent: number): void {
    stream.sendWindow -= sent;
    this.#window -= sent;
    this.#guard.allowForDataSent();
  }

  #room(): number {
    return this.isPaused ? 0 : this.#limits.maxOutputBytes - this.output.waitingBytes - this.#gathered.bytes;
  }

  #block(stream: Http2Stream<Handler>, sent: number): void {
    this.#blocked.add(stream);
    stream.sentSinceStall += sent;
    if (stream.stalledSinceMs >= 0 && stream.sentSinceStall < stallProgressBytes) return;
    stream.stalledSinceMs = this.#guard.nowMs;
    stream.sentSinceStall = 0;
  }
}
