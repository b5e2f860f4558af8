import { Http2Connection } from "./connection.ts";
import type { ConnectionEvents, ConnectionOptions } from "./connection-core.ts";
import { ErrorCode, type StreamProblem } from "./error-codes.ts";
import { FieldBlock } from "../message/field-block.ts";
import { trailersProblem } from "../message/field-rules.ts";
import { clientPreface } from "./frame-types.ts";
import { writeRstStream, writeSettings } from "./frame-writer.ts";
import { localSettings } from "./local-settings.ts";
import { checkRequest, type RequestHead } from "../message/request-head.ts";
import type { Http2Stream, StreamHandler } from "./stream.ts";

export interface ServerEvents extends ConnectionEvents {
  /** A request; `isEnd` when it has no body. Returns who hears of what follows on the stream. */
  onRequest(stream: Http2Stream, head: RequestHead, isEnd: boolean): StreamHandler;
}

const tooLarge = new FieldBlock([":status", "431"]);

/** The server's side: requests in, responses out. */
export class Http2ServerConnection extends Http2Connection<StreamHandler> {
  readonly isServer = true;
  readonly #events: ServerEvents;
  #prefaceLeft = clientPreface.length;

  constructor(options: ConnectionOptions, events: ServerEvents) {
    super(options, events);
    this.#events = events;
  }

  /** Says the server's side of the preface (RFC 9113 section 3.4). Call it once, first. */
  start(): void {
    writeSettings(this.core.sender.output, localSettings(this.core.limits, "server"));
    this.core.receiver.openConnectionWindow();
    this.core.announceOutput();
  }

  /** An interim response (1xx, but not 101). */
  inform(stream: Http2Stream, block: FieldBlock): void {
    this.sendHeaders(stream, block, false);
  }

  respond(stream: Http2Stream, block: FieldBlock, isEnd: boolean): void {
    this.sendHeaders(stream, block, isEnd);
  }

  onHeaders(streamId: number, block: FieldBlock, isEnd: boolean): void {
    const { core } = this;
    if (streamId % 2 === 0) {
      core.fail(ErrorCode.protocolError, "bad_stream_id");
      return;
    }
    const stream = core.streams.open.get(streamId);
    if (stream !== undefined) {
      this.#onTrailers(stream, block, isEnd);
      return;
    }
    if (streamId <= core.streams.lastId) {
      this.#onLateHeaders(streamId);
      return;
    }
    core.streams.lastId = streamId;
    if (streamId > core.goawayLimit) {
      // It crossed with our GOAWAY, which has told the client to send it elsewhere.
      core.streams.remember(streamId, "reset-by-us");
      return;
    }
    if (this.openStreams >= core.limits.maxConcurrentStreams) {
      core.streamError(streamId, ErrorCode.refusedStream, "refused_stream");
      return;
    }
    const head = checkRequest(block);
    if (head === "header_list_too_large") {
      this.#refuseTooLarge(streamId, isEnd);
      return;
    }
    if (typeof head === "string") {
      core.streamError(streamId, ErrorCode.protocolError, head);
      return;
    }
    if (isEnd && head.contentLength > 0) {
      core.streamError(streamId, ErrorCode.protocolError, "content_length_mismatch");
      return;
    }
    this.#open(streamId, head, isEnd);
  }

  onPeerGoaway(): void {
    // A client that leaves opens no more streams; those open go on.
  }

  isIdle(streamId: number): boolean {
    return streamId % 2 === 0 || streamId > this.core.streams.lastId;
  }

  lastPeerStreamId(): number {
    return Math.min(this.core.streams.lastId, this.core.goawayLimit);
  }

  protected skipPreface(bytes: Buffer): number {
    if (this.#prefaceLeft === 0) return 0;
    const begin = clientPreface.length - this.#prefaceLeft;
    const length = Math.min(this.#prefaceLeft, bytes.length);
    if (clientPreface.compare(bytes, 0, length, begin, begin + length) !== 0) {
      this.core.fail(ErrorCode.protocolError, "bad_preface");
      return bytes.length;
    }
    this.#prefaceLeft -= length;
    return length;
  }

  #open(streamId: number, head: RequestHead, isEnd: boolean): void {
    const stream = this.core.openStream(streamId);
    stream.hasHead = true;
    stream.isHeadRequest = head.method === "HEAD";
    stream.isTunnel = head.isConnect;
    stream.contentLeft = head.isConnect ? -1 : head.contentLength;
    stream.isRemoteClosed = isEnd;
    stream.handler = this.#events.onRequest(stream, head, isEnd);
  }

  #onTrailers(stream: Http2Stream, block: FieldBlock, isEnd: boolean): void {
    const { core } = this;
    if (stream.isRemoteClosed) {
      core.streamError(stream.id, ErrorCode.streamClosed, "stream_closed");
      return;
    }
    const problem = trailerBlockProblem(stream, block, isEnd);
    if (problem !== undefined) {
      core.streamError(stream.id, ErrorCode.protocolError, problem);
      return;
    }
    core.closeRemote(stream);
    stream.handler?.onTrailers(stream, block);
  }

  /** On a stream that was opened before, or skipped (RFC 9113 sections 5.1 and 5.1.1). */
  #onLateHeaders(streamId: number): void {
    const { core } = this;
    switch (core.streams.howClosed(streamId)) {
      case "reset-by-us":
        core.check(core.guard.onControlFrame());
        return;
      case "reset-by-peer":
        core.streamError(streamId, ErrorCode.streamClosed, "stream_closed");
        return;
      case "ended":
        core.fail(ErrorCode.streamClosed, "closed_stream");
        return;
      default:
        core.fail(ErrorCode.protocolError, "bad_stream_id");
        return;
    }
  }

  /** 431 tells the client more than a reset would (RFC 9113 section 10.5.1). */
  #refuseTooLarge(streamId: number, isEnd: boolean): void {
    const { core } = this;
    const stream = core.openStream(streamId);
    stream.isRemoteClosed = isEnd;
    this.sendHeaders(stream, tooLarge, true);
    if (!isEnd) {
      core.removeStream(stream, "reset-by-us");
      writeRstStream(core.sender.output, streamId, ErrorCode.noError);
    }
    this.#events.onStreamProblem(streamId, "header_list_too_large");
    core.check(core.guard.onProvokedReset());
  }
}

/** What is wrong with a second header block on a stream; both roles ask. */
export function trailerBlockProblem(stream: Http2Stream, block: FieldBlock, isEnd: boolean): StreamProblem | undefined {
  if (!isEnd || stream.isTunnel) return "bad_trailers";
  if (block.problem !== undefined) return block.problem;
  if (stream.contentLeft > 0) return "content_length_mismatch";
  return trailersProblem(block.fields);
}
