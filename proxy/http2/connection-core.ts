import { type ConnectionProblem, ErrorCode, type StreamProblem } from "./error-codes.ts";
import type { FieldBlock } from "../message/field-block.ts";
import { FloodGuard } from "./flood-guard.ts";
import { maxStreamId } from "./frame-types.ts";
import { writeGoaway, writeRstStream } from "./frame-writer.ts";
import type { HpackEncoderOptions } from "./hpack/encoder.ts";
import type { Http2Limits } from "./limits.ts";
import type { BufferPool } from "./output-buffer.ts";
import { PeerSettings } from "./peer-settings.ts";
import { Receiver } from "./receiver.ts";
import { Sender } from "./sender.ts";
import { Http2Stream, type StreamHandler } from "./stream.ts";
import { type Closing, StreamTable } from "./stream-table.ts";

export interface ConnectionEvents {
  /** Something waits to be written: call `takeOutput` at the end of this turn. Said once until it is taken. */
  onOutput(): void;
  /** The connection has broken: write what is left, then close. All streams have had their `onReset`. */
  onFailed(code: number, problem: ConnectionProblem): void;
  /** The peer opens no more streams, or accepts none beyond `lastStreamId`; those have had their `onReset`. */
  onGoaway(lastStreamId: number, code: number): void;
  /** The answer to `ping(id)`. */
  onPingAnswer(id: number): void;
  /** We reset a stream, or did not open it, since the peer broke a rule: for counters and logs. */
  onStreamProblem(streamId: number, problem: StreamProblem): void;
}

/** What all connections hold together. */
export interface SharedMemory {
  heldBytes: number;
  readonly isOverloaded: boolean;
}

export interface ConnectionOptions {
  readonly limits: Http2Limits;
  readonly pool: BufferPool;
  /** How header blocks are sent. */
  readonly hpack: HpackEncoderOptions;
  /**
   * Frames and header blocks that are not complete are counted there. While it is overloaded the connection's window is not opened
   * again; `sweep` makes up for it.
   */
  readonly memory?: SharedMemory;
}

/** What only a server or only a client does. */
export interface Role {
  readonly isServer: boolean;
  /** A header block on a stream that is idle, open or closed. */
  onHeaders(streamId: number, block: FieldBlock, isEnd: boolean): void;
  onPeerGoaway(lastStreamId: number): void;
  /** Never opened by either side. */
  isIdle(streamId: number): boolean;
  /** The highest stream of the peer that we have taken. */
  lastPeerStreamId(): number;
}

/** What the halves of a connection share: its streams and how they, and it, come to an end. */
export class ConnectionCore<Handler extends StreamHandler> {
  readonly limits: Http2Limits;
  readonly role: Role;
  readonly events: ConnectionEvents;
  readonly streams = new StreamTable<Handler>();
  readonly peer = new PeerSettings();
  readonly guard: FloodGuard;
  readonly sender: Sender<Handler>;
  readonly receiver: Receiver<Handler>;
  /** Streams of the peer beyond this are not taken any more. */
  goawayLimit = maxStreamId;
  isShuttingDown = false;
  hasFailed = false;
  hasSettingsAck = false;
  /** Set while frames are read: output is announced once at the end. */
  isReceiving = false;
  #isOutputAnnounced = false;

  constructor(options: ConnectionOptions, role: Role, events: ConnectionEvents) {
    this.limits = options.limits;
    this.role = role;
    this.events = events;
    this.guard = new FloodGuard(options.limits);
    this.sender = new Sender({ ...options, peer: this.peer, guard: this.guard });
    this.receiver = new Receiver(options.limits, this.sender.output, options.memory);
  }

  announceOutput(): void {
    if (this.isReceiving || this.#isOutputAnnounced || this.sender.output.waitingBytes === 0) return;
    this.#isOutputAnnounced = true;
    this.events.onOutput();
  }

  takeOutput(): Buffer | undefined {
    const { output } = this.sender;
    if (output.waitingBytes === 0) return undefined;
    this.sender.completeOutput();
    const taken = output.take();
    this.sender.controlBytes = 0;
    // Who is woken here writes into what is taken next: the caller asks until there is nothing.
    this.#isOutputAnnounced = true;
    this.sender.wake();
    this.#isOutputAnnounced = false;
    return taken;
  }

  openStream(id: number): Http2Stream<Handler> {
    const stream = new Http2Stream<Handler>(id, {
      send: this.peer.initialWindowBytes,
      receive: this.receiver.initialStreamWindow,
    });
    this.streams.open.add(stream);
    this.guard.allowForStream();
    return stream;
  }

  closeLocal(stream: Http2Stream<Handler>): void {
    stream.isLocalClosed = true;
    if (stream.isRemoteClosed) this.removeStream(stream, "ended");
  }

  closeRemote(stream: Http2Stream<Handler>): void {
    stream.isRemoteClosed = true;
    if (stream.isLocalClosed) this.removeStream(stream, "ended");
  }

  removeStream(stream: Http2Stream<Handler>, closing: Closing): void {
    this.streams.remove(stream, closing);
    if (stream.stalledSinceMs >= 0) this.sender.forget(stream);
    if (closing === "reset-by-peer") this.sender.dropStream(stream);
    else this.sender.completeStream(stream);
    // After an orderly end its reader may still be at it.
    if (closing === "ended") return;
    this.receiver.drop(stream);
    this.receiver.refillConnection();
  }

  /** The peer broke a rule on one stream, which may be none of those open (RFC 9113 section 5.4.2). */
  streamError(streamId: number, code: number, problem: StreamProblem): void {
    if (this.hasFailed) return;
    const stream = this.streams.open.get(streamId);
    if (stream === undefined) this.streams.remember(streamId, "reset-by-us");
    else this.removeStream(stream, "reset-by-us");
    writeRstStream(this.sender.output, streamId, code);
    this.events.onStreamProblem(streamId, problem);
    stream?.handler?.onReset(stream, { code, origin: "rule", isUnprocessed: false });
    if (this.check(this.guard.onProvokedReset())) this.countControl(13);
  }

  /** Ends the connection if there is a problem; false then. */
  check(problem: ConnectionProblem | undefined): boolean {
    if (problem === undefined) return true;
    this.fail(ErrorCode.enhanceYourCalm, problem);
    return false;
  }

  /** The peer made us write so much: bounded while it does not read (CVE-2019-9512, CVE-2019-9515). */
  countControl(bytes: number): void {
    this.sender.controlBytes += bytes;
    if (this.sender.controlBytes > this.limits.maxWaitingControlBytes) {
      this.fail(ErrorCode.enhanceYourCalm, "output_overflow");
    }
  }

  /** A connection error (RFC 9113 section 5.4.1). */
  fail(code: number, problem: ConnectionProblem): void {
    if (this.hasFailed) return;
    this.hasFailed = true;
    this.sender.completeOutput();
    writeGoaway(this.sender.output, this.role.lastPeerStreamId(), code);
    this.abandonStreams(code);
    this.events.onFailed(code, problem);
  }

  abandonStreams(code: number): void {
    this.hasFailed = true;
    for (const stream of this.streams.open.values()) {
      this.removeStream(stream, "reset-by-us");
      stream.handler?.onReset(stream, { code, origin: "connection", isUnprocessed: false });
    }
  }
}
