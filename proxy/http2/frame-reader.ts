import type { ConnectionProblem } from "./error-codes.ts";
import { ErrorCode } from "./error-codes.ts";
import { Flag, FrameType, frameHeaderBytes } from "./frame-types.ts";
import { HeaderAssembly } from "./header-assembly.ts";
import type { Http2Limits } from "./limits.ts";

/**
 * What a {@link FrameReader} finds, frame by frame in order. Byte ranges are valid during the call. DATA comes in as many
 * pieces as the input does; everything else comes whole.
 */
export interface FrameSink {
  /** A DATA frame begins: `dataBytes` of the `frameBytes` are not padding. Exactly so many follow by {@link onData}. */
  onDataFrame(streamId: number, frameBytes: number, dataBytes: number, isEnd: boolean): void;
  /** At least once per DATA frame; `isLast` with its last byte of data. */
  onData(bytes: Buffer, start: number, end: number, isLast: boolean): void;
  /** HEADERS with its CONTINUATION frames: the header block. `dependsOn` is the deprecated priority's stream, or -1. */
  onHeaderBlock(streamId: number, isEnd: boolean, dependsOn: number, bytes: Buffer, start: number, end: number): void;
  /** One PRIORITY frame; it changes nothing. */
  onPriority(streamId: number, dependsOn: number): void;
  onRstStream(streamId: number, code: number): void;
  /** Six bytes for each setting. */
  onSettings(bytes: Buffer, start: number, end: number): void;
  onSettingsAck(): void;
  onPing(bytes: Buffer, start: number, isAck: boolean): void;
  onGoaway(lastStreamId: number, code: number): void;
  onWindowUpdate(streamId: number, increment: number): void;
  /** An unknown frame type: ignored (section 5.5). */
  onUnknownFrame(): void;
  /** A HEADERS or CONTINUATION frame without a byte of the block and without its end. */
  onEmptyFragment(): void;
  /** One stream broke the rules of a frame, the connection goes on. */
  onStreamFrameError(streamId: number, code: number): void;
  /** The connection cannot be read any further. */
  onFrameError(code: number, problem: ConnectionProblem): void;
}

type Phase = "header" | "padding-length" | "payload" | "data" | "skip" | "stopped";

/**
 * Cuts the bytes of a connection into frames (RFC 9113 sections 4 and 6) and checks all that can be checked without knowing
 * streams. Any split of the input gives the same result. A frame that lies whole in one chunk is not copied; DATA never is.
 */
export class FrameReader {
  readonly #sink: FrameSink;
  readonly #maxFrameBytes: number;
  readonly #assembly: HeaderAssembly;
  #phase: Phase = "header";
  /** The peer's SETTINGS have to come first (section 3.4). */
  #isFirst = true;
  /** A frame header that is not complete yet. */
  #partial: Buffer | undefined;
  #partialLength = 0;
  /** A payload that is not complete yet. */
  #payload: Buffer | undefined;
  #payloadLength = 0;
  #length = 0;
  #type = 0;
  #flags = 0;
  #streamId = 0;
  /** DATA: bytes of data still to come, and of padding behind them. Skipping: bytes to skip. */
  #left = 0;
  #padding = 0;
  /** Frames so far, a header block counted once. */
  #units = 0;

  constructor(sink: FrameSink, limits: Http2Limits) {
    this.#sink = sink;
    this.#maxFrameBytes = limits.maxFrameBytes;
    this.#assembly = new HeaderAssembly(sink, limits);
  }

  /**
   * A number for what has begun and not ended: a header block with all its frames, or any other frame but DATA. The same as long
   * as it is the same one; 0 when there is none.
   */
  get pendingUnit(): number {
    if (this.#assembly.streamId !== 0 || this.#phase === "payload") return this.#units;
    return this.#partialLength > 0 ? this.#units + 1 : 0;
  }

  /** Memory for what is not complete. */
  get heldBytes(): number {
    return (this.#payload?.length ?? 0) + this.#assembly.heldBytes;
  }

  /** Reads `bytes` from `start` on, up to the first connection error of whichever side finds it. */
  read(bytes: Buffer, start: number, connection: { readonly hasFailed: boolean }): void {
    let at = start;
    const end = bytes.length;
    while (at < end && !connection.hasFailed) {
      switch (this.#phase) {
        case "header":
          at = this.#readHeader(bytes, at, end);
          break;
        case "padding-length":
          this.#beginData(bytes[at++] ?? 0, 1, bytes, at);
          break;
        case "data":
          at = this.#readData(bytes, at, end);
          break;
        case "payload":
          at = this.#fillPayload(bytes, at, end);
          break;
        case "skip": {
          const skipped = Math.min(this.#left, end - at);
          at += skipped;
          this.#left -= skipped;
          if (this.#left === 0) this.#phase = "header";
          break;
        }
        default:
          return;
      }
    }
  }

  #readHeader(bytes: Buffer, at: number, end: number): number {
    if (this.#partialLength === 0 && end - at >= frameHeaderBytes) {
      this.#onHeader(bytes, at);
      return this.#phase === "payload" ? this.#readWhole(bytes, at + frameHeaderBytes, end) : at + frameHeaderBytes;
    }
    this.#partial ??= Buffer.allocUnsafeSlow(frameHeaderBytes);
    const taken = Math.min(frameHeaderBytes - this.#partialLength, end - at);
    bytes.copy(this.#partial, this.#partialLength, at, at + taken);
    this.#partialLength += taken;
    if (this.#partialLength === frameHeaderBytes) {
      this.#partialLength = 0;
      this.#onHeader(this.#partial, 0);
      if (this.#phase === "payload") return this.#readWhole(bytes, at + taken, end);
    }
    return at + taken;
  }

  /** Nine bytes at `at`. Decides what the payload is, before any of it is kept. */
  #onHeader(bytes: Buffer, at: number): void {
    const length = ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
    const type = bytes[at + 3] ?? 0;
    const flags = bytes[at + 4] ?? 0;
    const streamId = readUint31(bytes, at + 5);
    if (this.#assembly.streamId === 0) this.#units++;
    this.#length = length;
    this.#type = type;
    this.#flags = flags;
    this.#streamId = streamId;
    if (this.#isFirst) {
      this.#isFirst = false;
      if (type !== FrameType.settings || (flags & Flag.ack) !== 0) {
        this.#fail(ErrorCode.protocolError, "bad_preface");
        return;
      }
    }
    if (length > this.#maxFrameBytes) {
      this.#fail(ErrorCode.frameSizeError, "frame_size");
      return;
    }
    if (this.#assembly.streamId !== 0 && (type !== FrameType.continuation || streamId !== this.#assembly.streamId)) {
      this.#fail(ErrorCode.protocolError, "unexpected_frame");
      return;
    }
    if (type === FrameType.data) {
      this.#onDataHeader(bytes, at + frameHeaderBytes);
      return;
    }
    if (type > FrameType.continuation) {
      this.#skip(length);
      this.#sink.onUnknownFrame();
      return;
    }
    this.#phase = "payload";
    this.#payloadLength = 0;
    this.#checkHeader(type, length, flags, streamId);
  }

  #onDataHeader(bytes: Buffer, next: number): void {
    if (this.#streamId === 0) {
      this.#fail(ErrorCode.protocolError, "bad_stream_id");
      return;
    }
    if ((this.#flags & Flag.padded) === 0) {
      this.#beginData(0, 0, bytes, next);
      return;
    }
    if (this.#length === 0) {
      this.#fail(ErrorCode.frameSizeError, "frame_size");
      return;
    }
    this.#phase = "padding-length";
  }

  #beginData(padding: number, overhead: number, bytes: Buffer, next: number): void {
    const dataBytes = this.#length - overhead - padding;
    if (dataBytes < 0) {
      this.#fail(ErrorCode.protocolError, "bad_padding");
      return;
    }
    this.#left = dataBytes;
    this.#padding = padding;
    this.#phase = "data";
    this.#sink.onDataFrame(this.#streamId, this.#length, dataBytes, (this.#flags & Flag.endStream) !== 0);
    if (dataBytes > 0) return;
    this.#skip(padding);
    this.#sink.onData(bytes, next, next, true);
  }

  #readData(bytes: Buffer, at: number, end: number): number {
    const until = Math.min(at + this.#left, end);
    this.#left -= until - at;
    const isLast = this.#left === 0;
    if (isLast) this.#skip(this.#padding);
    this.#sink.onData(bytes, at, until, isLast);
    return until;
  }

  /** Sizes and stream ids that are wrong whatever the payload says. */
  #checkHeader(type: number, length: number, flags: number, streamId: number): void {
    const isForConnection = type === FrameType.settings || type === FrameType.ping || type === FrameType.goaway;
    if (type !== FrameType.windowUpdate && (streamId === 0) !== isForConnection) {
      this.#fail(ErrorCode.protocolError, "bad_stream_id");
      return;
    }
    switch (type) {
      case FrameType.priority:
        if (length === 5) return;
        this.#skip(length);
        this.#sink.onStreamFrameError(streamId, ErrorCode.frameSizeError);
        return;
      case FrameType.rstStream:
      case FrameType.windowUpdate:
        if (length !== 4) this.#fail(ErrorCode.frameSizeError, "frame_size");
        return;
      case FrameType.settings:
        if (length % 6 !== 0 || ((flags & Flag.ack) !== 0 && length > 0)) {
          this.#fail(ErrorCode.frameSizeError, "frame_size");
        }
        return;
      case FrameType.ping:
        if (length !== 8) this.#fail(ErrorCode.frameSizeError, "frame_size");
        return;
      case FrameType.goaway:
        if (length < 8) this.#fail(ErrorCode.frameSizeError, "frame_size");
        return;
      case FrameType.pushPromise:
        // We never allow it, and a client may not send it at all (section 8.4).
        this.#fail(ErrorCode.protocolError, "push_refused");
        return;
      case FrameType.continuation:
        if (this.#assembly.streamId === 0) this.#fail(ErrorCode.protocolError, "unexpected_continuation");
        return;
      default:
        return;
    }
  }

  /** Dispatches a payload that lies whole in the chunk, or begins to collect it. */
  #readWhole(bytes: Buffer, at: number, end: number): number {
    if (end - at < this.#length) return at;
    this.#phase = "header";
    this.#onPayload(bytes, at, at + this.#length);
    return at + this.#length;
  }

  #fillPayload(bytes: Buffer, at: number, end: number): number {
    this.#payload ??= Buffer.allocUnsafeSlow(this.#length);
    const taken = Math.min(this.#length - this.#payloadLength, end - at);
    bytes.copy(this.#payload, this.#payloadLength, at, at + taken);
    this.#payloadLength += taken;
    if (this.#payloadLength === this.#length) {
      const payload = this.#payload;
      this.#payload = undefined;
      this.#phase = "header";
      this.#onPayload(payload, 0, payload.length);
    }
    return at + taken;
  }

  #onPayload(bytes: Buffer, start: number, end: number): void {
    const sink = this.#sink;
    switch (this.#type) {
      case FrameType.headers:
      case FrameType.continuation:
        this.#assembly.add(this.#type, this.#flags, this.#streamId, bytes, start, end);
        return;
      case FrameType.priority:
        sink.onPriority(this.#streamId, readUint31(bytes, start));
        return;
      case FrameType.rstStream:
        sink.onRstStream(this.#streamId, readUint32(bytes, start));
        return;
      case FrameType.settings:
        if ((this.#flags & Flag.ack) !== 0) {
          sink.onSettingsAck();
          return;
        }
        sink.onSettings(bytes, start, end);
        return;
      case FrameType.ping:
        sink.onPing(bytes, start, (this.#flags & Flag.ack) !== 0);
        return;
      case FrameType.goaway:
        sink.onGoaway(readUint31(bytes, start), readUint32(bytes, start + 4));
        return;
      default:
        sink.onWindowUpdate(this.#streamId, readUint31(bytes, start));
        return;
    }
  }

  #skip(length: number): void {
    this.#left = length;
    this.#phase = length > 0 ? "skip" : "header";
  }

  #fail(code: number, problem: ConnectionProblem): void {
    this.#phase = "stopped";
    this.#sink.onFrameError(code, problem);
  }
}

/** Without the reserved bit, which is ignored (section 4.1). */
function readUint31(bytes: Buffer, at: number): number {
  return readUint32(bytes, at) & 0x7fff_ffff;
}

function readUint32(bytes: Buffer, at: number): number {
  return (
    (((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)) >>> 0
  );
}
