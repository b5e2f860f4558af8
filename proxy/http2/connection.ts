import {
  ConnectionCore,
  type ConnectionEvents,
  type ConnectionOptions,
  type Role,
  type SharedMemory,
} from "./connection-core.ts";
import { ErrorCode } from "./error-codes.ts";
import type { FieldBlock } from "../message/field-block.ts";
import { FrameReader } from "./frame-reader.ts";
import { maxStreamId } from "./frame-types.ts";
import { writeGoaway, writePing, writeRstStream } from "./frame-writer.ts";
import { IncomingFrames, pingTag, shutdownPingId } from "./incoming-frames.ts";
import type { PeerSettings } from "./peer-settings.ts";
import type { Http2Stream, StreamHandler } from "./stream.ts";

/** The part of a connection that moves bytes. */
export type Outgoing = Pick<
  Http2Connection<StreamHandler>,
  | "receive"
  | "outputBytes"
  | "takeOutput"
  | "releaseOutput"
  | "pauseOutput"
  | "resumeOutput"
  | "sweep"
  | "close"
  | "isDrained"
>;

/**
 * One HTTP/2 connection without its socket (RFC 9113): bytes in by `receive`, bytes out by `takeOutput`, events to handlers in
 * between. It does no I/O, has no clock and queues no bodies. The roles are in `server-connection.ts` and
 * `client-connection.ts`. A handler may call any method during an event, except `receive`.
 */
export abstract class Http2Connection<Handler extends StreamHandler> implements Role {
  abstract readonly isServer: boolean;
  protected readonly core: ConnectionCore<Handler>;
  readonly #frames: IncomingFrames<Handler>;
  readonly #reader: FrameReader;
  #startedMs = -1;
  /** What has begun and not ended, by the reader's number, and since when. */
  #pendingUnit = 0;
  #pendingSinceMs = 0;
  readonly #memory: SharedMemory | undefined;
  /** What is counted there for this connection. */
  #heldBytes = 0;

  constructor(options: ConnectionOptions, events: ConnectionEvents) {
    this.core = new ConnectionCore<Handler>(options, this, events);
    this.#frames = new IncomingFrames(this.core);
    this.#reader = new FrameReader(this.#frames, options.limits);
    this.#memory = options.memory;
  }

  get openStreams(): number {
    return this.core.streams.open.size;
  }

  /** Who hears of the streams that are open. */
  handlers(): Handler[] {
    return this.core.streams.open.values().flatMap(({ handler }) => handler ?? []);
  }

  /** Broken, or shut down and nothing left to do. */
  get isDrained(): boolean {
    return this.core.hasFailed || (this.core.goawayLimit < maxStreamId && this.openStreams === 0);
  }

  get isShuttingDown(): boolean {
    return this.core.isShuttingDown;
  }

  /** What the peer has announced. */
  get peerSettings(): Readonly<PeerSettings> {
    return this.core.peer;
  }

  /** What may be sent on all streams together before the peer opens the connection's window again. */
  get sendWindow(): number {
    return this.core.sender.window;
  }

  /** Received and not yet consumed, on all streams. */
  get unreadBytes(): number {
    return this.core.receiver.unread;
  }

  /** Written and not taken yet. */
  get outputBytes(): number {
    return this.core.sender.output.waitingBytes;
  }

  /** Bytes from the peer. `nowMs` is any clock that does not go back. */
  receive(bytes: Buffer, nowMs: number): void {
    const { core } = this;
    if (core.hasFailed) return;
    this.#tell(nowMs);
    core.isReceiving = true;
    const start = this.skipPreface(bytes);
    this.#reader.read(bytes, start, core);
    core.isReceiving = false;
    const pending = this.#reader.pendingUnit;
    if (pending !== this.#pendingUnit) {
      this.#pendingUnit = pending;
      this.#pendingSinceMs = nowMs;
    }
    if (pending > 0 || this.#heldBytes > 0) this.#count(core.hasFailed ? 0 : this.#reader.heldBytes);
    core.announceOutput();
  }

  /** Looks after what takes too long. Call it about once a second. */
  sweep(nowMs: number): void {
    const { core } = this;
    if (core.hasFailed) return;
    this.#tell(nowMs);
    if (!core.hasSettingsAck && nowMs - this.#startedMs > core.limits.settingsAckMs) {
      core.fail(ErrorCode.settingsTimeout, "settings_timeout");
    } else if (this.#pendingUnit > 0 && nowMs - this.#pendingSinceMs > core.limits.headerBlockMs) {
      core.fail(ErrorCode.enhanceYourCalm, "header_timeout");
    } else {
      for (const stream of [...core.sender.blocked]) {
        if (nowMs - stream.stalledSinceMs <= core.limits.stalledWindowMs) continue;
        core.streamError(stream.id, ErrorCode.flowControlError, "stalled_window");
      }
    }
    core.receiver.refillConnection();
    core.announceOutput();
  }

  /**
   * What has been written since the last time, or undefined. Ask until it is, unless the transport is full: then say
   * `pauseOutput`, and `resumeOutput` when it has drained.
   */
  takeOutput(): Buffer | undefined {
    return this.core.takeOutput();
  }

  /** The transport has copied what was taken last: its memory can be used again. */
  releaseOutput(): void {
    this.core.sender.output.giveBack();
  }

  /** The transport takes no more for now, so `data` takes nothing either. */
  pauseOutput(): void {
    this.core.sender.isPaused = true;
  }

  resumeOutput(): void {
    this.core.sender.isPaused = false;
    this.core.sender.wake();
    this.core.announceOutput();
  }

  /**
   * Sends a part of the body, `isEnd` with its last byte. Returns how many bytes were taken: when these are fewer than
   * given, keep the rest and send it on `onWritable`. What is sent on a stream that is gone counts as taken. The bytes are
   * copied.
   */
  data(stream: Http2Stream<Handler>, bytes: Buffer, start: number, end: number, isEnd: boolean): number {
    const { core } = this;
    if (stream.isGone || stream.isLocalClosed) return end - start;
    const taken = core.sender.data(stream, bytes, start, end, isEnd);
    if (isEnd && taken === end - start) core.closeLocal(stream);
    core.announceOutput();
    return taken;
  }

  /** Ends our message with trailers, after all data has been taken. */
  trailers(stream: Http2Stream<Handler>, block: FieldBlock): void {
    this.sendHeaders(stream, block, true);
  }

  /** Gives up a stream, and what was received on it and not consumed. Its handler hears nothing more. */
  reset(stream: Http2Stream<Handler>, code: number): void {
    const { core } = this;
    if (core.hasFailed) return;
    if (stream.isGone) {
      // It has ended in order, but its reader stops before the end.
      core.receiver.drop(stream);
      core.receiver.refillConnection();
      core.announceOutput();
      return;
    }
    core.removeStream(stream, "reset-by-us");
    writeRstStream(core.sender.output, stream.id, code);
    core.announceOutput();
  }

  /** So many bytes of a stream's data have been taken by its reader: the peer may send more. */
  consume(stream: Http2Stream<Handler>, count: number): void {
    if (this.core.hasFailed) return;
    this.core.receiver.consume(stream, count);
    this.core.announceOutput();
  }

  /** `id` is below 2^32 - 1. */
  ping(id: number): void {
    const { core } = this;
    if (core.hasFailed) return;
    const payload = Buffer.allocUnsafe(8);
    payload.writeUInt32BE(pingTag, 0);
    payload.writeUInt32BE(id, 4);
    writePing(core.sender.output, payload, 0, false);
    core.announceOutput();
  }

  /**
   * Begins a graceful end (section 6.8): the peer is told to open no more streams; those that crossed with that are still
   * taken, until it has answered a ping. Streams go on to their end; then `isDrained`.
   */
  shutdown(): void {
    const { core } = this;
    if (core.hasFailed || core.isShuttingDown) return;
    core.isShuttingDown = true;
    writeGoaway(core.sender.output, maxStreamId, ErrorCode.noError);
    this.ping(shutdownPingId);
  }

  /** The second step of `shutdown` without waiting any longer for the ping's answer. */
  finishShutdown(): void {
    this.core.isShuttingDown = true;
    this.#frames.finishShutdown();
    this.core.announceOutput();
  }

  /** The transport is gone: every open stream gets its `onReset`. */
  close(): void {
    if (!this.core.hasFailed) this.core.abandonStreams(ErrorCode.internalError);
    this.#count(0);
    this.core.sender.output.drop();
  }

  abstract onHeaders(streamId: number, block: FieldBlock, isEnd: boolean): void;
  abstract onPeerGoaway(lastStreamId: number): void;
  abstract isIdle(streamId: number): boolean;
  abstract lastPeerStreamId(): number;
  /** Where the first frame begins in `bytes`. */
  protected abstract skipPreface(bytes: Buffer): number;

  protected sendHeaders(stream: Http2Stream<Handler>, block: FieldBlock, isEnd: boolean): void {
    if (stream.isGone || stream.isLocalClosed) return;
    this.core.sender.headers(stream, block, isEnd);
    if (isEnd) this.core.closeLocal(stream);
    this.core.announceOutput();
  }

  #count(heldBytes: number): void {
    if (this.#memory !== undefined) this.#memory.heldBytes += heldBytes - this.#heldBytes;
    this.#heldBytes = heldBytes;
  }

  #tell(nowMs: number): void {
    this.core.guard.nowMs = nowMs;
    if (this.#startedMs < 0) this.#startedMs = nowMs;
  }
}
