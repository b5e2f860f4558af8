import type { SharedMemory } from "./connection-core.ts";
import { defaultWindowBytes } from "./frame-types.ts";
import { writeWindowUpdate } from "./frame-writer.ts";
import type { Http2Limits } from "./limits.ts";
import type { OutputBuffer } from "./output-buffer.ts";
import type { Http2Stream, StreamHandler } from "./stream.ts";

/**
 * Flow control of what we receive (RFC 9113 section 5.2). A stream's window opens as its reader consumes. The
 * connection's opens as soon as bytes arrive, up to `maxUnreadBytes` that no reader has taken: so a slow reader stops its own
 * stream and no other. A window is announced anew once half of it is used, so that updates are few.
 */
export class Receiver<Handler extends StreamHandler> {
  /** The stream of the DATA frame at hand, if it is one that takes data. */
  stream: Http2Stream<Handler> | undefined;
  isEndOfStream = false;
  readonly #limits: Http2Limits;
  readonly #output: OutputBuffer;
  readonly #memory: SharedMemory | undefined;
  #window = defaultWindowBytes;
  #unread = 0;
  /** Until our SETTINGS are acknowledged the peer may still act on the default window. */
  #streamWindow: number;

  constructor(limits: Http2Limits, output: OutputBuffer, memory?: SharedMemory) {
    this.#limits = limits;
    this.#output = output;
    this.#memory = memory;
    this.#streamWindow = Math.max(limits.streamWindowBytes, defaultWindowBytes);
  }

  get initialStreamWindow(): number {
    return this.#streamWindow;
  }

  get unread(): number {
    return this.#unread;
  }

  /** The connection's window is 65,535 bytes until it is raised (section 6.9.2). */
  openConnectionWindow(): void {
    const increment = this.#limits.connectionWindowBytes - this.#window;
    if (increment <= 0) return;
    this.#window += increment;
    writeWindowUpdate(this.#output, 0, increment);
  }

  onSettingsAcknowledged(streams: Iterable<Http2Stream<Handler>>): void {
    const difference = this.#limits.streamWindowBytes - this.#streamWindow;
    this.#streamWindow = this.#limits.streamWindowBytes;
    for (const stream of streams) {
      stream.receiveWindow += difference;
      // With everything consumed there would be no other occasion.
      if (!stream.isRemoteClosed) this.refill(stream);
    }
  }

  /** A whole DATA frame, padding included, counts. False when the peer may not send so much. */
  takeConnection(frameBytes: number): boolean {
    this.#window -= frameBytes;
    return this.#window >= 0;
  }

  takeStream(stream: Http2Stream<Handler>, frameBytes: number): boolean {
    stream.receiveWindow -= frameBytes;
    return stream.receiveWindow >= 0;
  }

  begin(stream: Http2Stream<Handler> | undefined, isEnd: boolean): void {
    this.stream = stream;
    this.isEndOfStream = isEnd;
  }

  /** Bytes go to the stream's reader. */
  deliver(stream: Http2Stream<Handler>, count: number): void {
    stream.unread += count;
    this.#unread += count;
    this.refillConnection();
  }

  consume(stream: Http2Stream<Handler>, count: number): void {
    const taken = Math.min(count, stream.unread);
    stream.unread -= taken;
    this.#unread -= taken;
    if (!stream.isGone && !stream.isRemoteClosed) this.refill(stream);
    this.refillConnection();
  }

  /** What the stream held will not be read any more. */
  drop(stream: Http2Stream<Handler>): void {
    this.#unread -= stream.unread;
    stream.unread = 0;
  }

  refill(stream: Http2Stream<Handler>): void {
    const size = this.#limits.streamWindowBytes;
    const due = size - stream.unread - stream.receiveWindow;
    if (due * 2 < size || due <= 0) return;
    stream.receiveWindow += due;
    writeWindowUpdate(this.#output, stream.id, due);
  }

  refillConnection(): void {
    const size = Math.max(this.#limits.connectionWindowBytes, defaultWindowBytes);
    const due = Math.min(size, this.#limits.maxUnreadBytes - this.#unread) - this.#window;
    if (due * 2 < size || due <= 0 || this.#memory?.isOverloaded === true) return;
    this.#window += due;
    writeWindowUpdate(this.#output, 0, due);
  }
}
