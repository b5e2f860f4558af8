import type { ConnectionCore } from "./connection-core.ts";
import { type ConnectionProblem, ErrorCode } from "./error-codes.ts";
import type { FrameSink } from "./frame-reader.ts";
import { maxStreamId } from "./frame-types.ts";
import { writeGoaway, writePing, writeSettingsAck } from "./frame-writer.ts";
import { HpackDecoder } from "./hpack/decoder.ts";
import type { StreamHandler } from "./stream.ts";

/** The opaque bytes of our own pings: this, then an id. */
export const pingTag = 0x41746f6c;
/** The ping whose answer tells that the peer has seen the first GOAWAY of a shutdown. */
export const shutdownPingId = 0xffff_ffff;

/** Acts on the peer's frames: the receiving half of a connection (RFC 9113 sections 5 and 6). */
export class IncomingFrames<Handler extends StreamHandler> implements FrameSink {
  readonly #core: ConnectionCore<Handler>;
  readonly #decoder: HpackDecoder;

  constructor(core: ConnectionCore<Handler>) {
    this.#core = core;
    this.#decoder = new HpackDecoder({
      tableBytes: core.limits.headerTableBytes,
      maxListBytes: core.limits.maxHeaderListBytes,
      maxFields: core.limits.maxFields,
    });
  }

  onDataFrame(streamId: number, frameBytes: number, dataBytes: number, isEnd: boolean): void {
    const core = this.#core;
    const { receiver } = core;
    receiver.begin(undefined, isEnd);
    if (!receiver.takeConnection(frameBytes)) {
      core.fail(ErrorCode.flowControlError, "flow_control");
      return;
    }
    // The padding at least is never read by anybody; the data is taken back when it is delivered.
    receiver.refillConnection();
    if (dataBytes === 0 && !isEnd && !core.check(core.guard.onEmptyFrame())) return;
    const stream = core.streams.open.get(streamId);
    if (stream === undefined) {
      this.#onDataWithoutStream(streamId);
      return;
    }
    if (stream.isRemoteClosed) {
      core.streamError(streamId, ErrorCode.streamClosed, "stream_closed");
      return;
    }
    if (!receiver.takeStream(stream, frameBytes)) {
      core.streamError(streamId, ErrorCode.flowControlError, "stream_flow_control");
      return;
    }
    if (!stream.hasHead) {
      core.streamError(streamId, ErrorCode.protocolError, "unexpected_data");
      return;
    }
    if (stream.contentLeft >= 0) {
      stream.contentLeft -= dataBytes;
      if (stream.contentLeft < 0 || (isEnd && stream.contentLeft > 0)) {
        core.streamError(streamId, ErrorCode.protocolError, "content_length_mismatch");
        return;
      }
    }
    receiver.begin(stream, isEnd);
    core.guard.allowForDataReceived();
  }

  onData(bytes: Buffer, start: number, end: number, isLast: boolean): void {
    const { receiver } = this.#core;
    const { stream } = receiver;
    if (stream === undefined || stream.isGone) return;
    const isEnd = isLast && receiver.isEndOfStream;
    receiver.deliver(stream, end - start);
    if (isEnd) this.#core.closeRemote(stream);
    // What was padding is the peer's again at once.
    else if (isLast) receiver.refill(stream);
    if (start < end || isEnd) stream.handler?.onData(stream, bytes, start, end, isEnd);
  }

  onHeaderBlock(streamId: number, isEnd: boolean, dependsOn: number, bytes: Buffer, start: number, end: number): void {
    const block = this.#decoder.decode(bytes, start, end);
    if (typeof block === "string") {
      this.#core.fail(ErrorCode.compressionError, "hpack");
      return;
    }
    if (dependsOn === streamId) {
      this.onPriority(streamId, dependsOn);
      return;
    }
    this.#core.role.onHeaders(streamId, block, isEnd);
  }

  /** Priorities are ignored; one that makes a stream wait for itself has always been an error (RFC 7540 section 5.3.1). */
  onPriority(streamId: number, dependsOn: number): void {
    const core = this.#core;
    if (!core.check(core.guard.onPriority())) return;
    if (dependsOn !== streamId) return;
    if (core.streams.open.has(streamId)) core.streamError(streamId, ErrorCode.protocolError, "stream_frame");
    else core.fail(ErrorCode.protocolError, "unexpected_frame");
  }

  onRstStream(streamId: number, code: number): void {
    const core = this.#core;
    const stream = core.streams.open.get(streamId);
    if (stream === undefined) {
      if (core.role.isIdle(streamId)) {
        core.fail(ErrorCode.protocolError, "unexpected_frame");
        return;
      }
      // The resets crossed; what it sends for the stream from here on is not late, it is wrong.
      if (core.streams.howClosed(streamId) === "reset-by-us") core.streams.remember(streamId, "reset-by-peer");
      core.check(core.guard.onControlFrame());
      return;
    }
    core.removeStream(stream, "reset-by-peer");
    const isUnprocessed = !core.role.isServer && code === ErrorCode.refusedStream;
    stream.handler?.onReset(stream, { code, origin: "peer", isUnprocessed });
    // A client chose the server it talks to; only a server has to fear requests that are made to be reset.
    if (core.role.isServer) core.check(core.guard.onReset());
  }

  onSettings(bytes: Buffer, start: number, end: number): void {
    const core = this.#core;
    if (!core.check(core.guard.onControlFrame())) return;
    const code = core.peer.apply(bytes, start, end, !core.role.isServer);
    if (code !== ErrorCode.noError) {
      core.fail(code, "bad_settings");
      return;
    }
    core.sender.encoder.onPeerTableBytes(core.peer.headerTableBytes);
    writeSettingsAck(core.sender.output);
    core.countControl(9);
    if (!core.sender.setInitialWindow(core.streams.open.values())) {
      core.fail(ErrorCode.flowControlError, "bad_settings");
    }
  }

  onSettingsAck(): void {
    const core = this.#core;
    if (core.hasSettingsAck) {
      core.check(core.guard.onControlFrame());
      return;
    }
    core.hasSettingsAck = true;
    core.receiver.onSettingsAcknowledged(core.streams.open.values());
    this.#decoder.onSettingsAcknowledged();
  }

  onPing(bytes: Buffer, start: number, isAck: boolean): void {
    const core = this.#core;
    if (isAck && bytes.readUInt32BE(start) === pingTag) {
      const id = bytes.readUInt32BE(start + 4);
      if (id === shutdownPingId) this.finishShutdown();
      else core.events.onPingAnswer(id);
      return;
    }
    if (!core.check(core.guard.onControlFrame()) || isAck) return;
    writePing(core.sender.output, bytes, start, true);
    core.countControl(17);
  }

  /** The second GOAWAY of a shutdown: what the peer opened until now is served, nothing after it. */
  finishShutdown(): void {
    const core = this.#core;
    if (core.hasFailed || !core.isShuttingDown || core.goawayLimit < maxStreamId) return;
    core.goawayLimit = core.role.lastPeerStreamId();
    writeGoaway(core.sender.output, core.goawayLimit, ErrorCode.noError);
  }

  onGoaway(lastStreamId: number, code: number): void {
    const core = this.#core;
    if (!core.check(core.guard.onControlFrame())) return;
    core.role.onPeerGoaway(lastStreamId);
    core.events.onGoaway(lastStreamId, code);
  }

  onWindowUpdate(streamId: number, increment: number): void {
    const core = this.#core;
    if (!core.check(core.guard.onWindowUpdate())) return;
    if (streamId === 0) {
      if (increment === 0) {
        core.fail(ErrorCode.protocolError, "bad_window_update");
        return;
      }
      if (!core.sender.growWindow(increment)) core.fail(ErrorCode.flowControlError, "bad_window_update");
      return;
    }
    const stream = core.streams.open.get(streamId);
    if (stream === undefined) {
      if (core.role.isIdle(streamId)) core.fail(ErrorCode.protocolError, "unexpected_frame");
    } else if (increment === 0) {
      core.streamError(streamId, ErrorCode.protocolError, "stream_frame");
    } else if (!core.sender.growStreamWindow(stream, increment)) {
      core.streamError(streamId, ErrorCode.flowControlError, "stream_flow_control");
    }
  }

  onUnknownFrame(): void {
    this.#core.check(this.#core.guard.onControlFrame());
  }

  onEmptyFragment(): void {
    this.#core.check(this.#core.guard.onEmptyFrame());
  }

  onStreamFrameError(streamId: number, code: number): void {
    this.#core.streamError(streamId, code, "stream_frame");
  }

  onFrameError(code: number, problem: ConnectionProblem): void {
    this.#core.fail(code, problem);
  }

  /** Late DATA for a stream that we reset is part of the race; for all others it is an error (section 5.1). */
  #onDataWithoutStream(streamId: number): void {
    const core = this.#core;
    if (core.role.isIdle(streamId)) {
      core.fail(ErrorCode.protocolError, "unexpected_frame");
      return;
    }
    if (core.streams.howClosed(streamId) === "reset-by-us") {
      core.check(core.guard.onControlFrame());
      return;
    }
    core.streamError(streamId, ErrorCode.streamClosed, "stream_closed");
  }
}
