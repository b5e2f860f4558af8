import { Http2Connection } from "./connection.ts";
import type { ConnectionEvents, ConnectionOptions } from "./connection-core.ts";
import { ErrorCode } from "./error-codes.ts";
import type { FieldBlock } from "../message/field-block.ts";
import { clientPreface, maxStreamId } from "./frame-types.ts";
import { writeSettings } from "./frame-writer.ts";
import { localSettings } from "./local-settings.ts";
import { checkResponse, type ResponseHead } from "../message/response-head.ts";
import { trailerBlockProblem } from "./server-connection.ts";
import type { Http2Stream, StreamHandler } from "./stream.ts";

/** What happens to a request that a client sent. */
export interface ResponseHandler extends StreamHandler {
  /** A 1xx; any number of them may come before the response. */
  onInformational(stream: Http2Stream<ResponseHandler>, head: ResponseHead): void;
  /** `isEnd` when it has no body. It may come before the request has been sent completely. */
  onResponse(stream: Http2Stream<ResponseHandler>, head: ResponseHead, isEnd: boolean): void;
}

/** What a peer is taken to allow until it says: no peer should allow fewer (RFC 9113 section 6.5.2). */
const streamsBeforeSettings = 100;

/** The client's side: requests out, responses in. */
export class Http2ClientConnection extends Http2Connection<ResponseHandler> {
  readonly isServer = false;
  #nextId = 1;
  #peerGoawayLimit = maxStreamId;

  constructor(options: ConnectionOptions, events: ConnectionEvents) {
    super(options, events);
  }

  /** Says the client's side of the preface (RFC 9113 section 3.4). Requests may follow at once. Call it once, first. */
  start(): void {
    const { output } = this.core.sender;
    output.append(clientPreface);
    writeSettings(output, localSettings(this.core.limits, "client"));
    this.core.receiver.openConnectionWindow();
    this.core.announceOutput();
  }

  /** How many more requests the peer would take now; 0 for ever once it, or we, have said GOAWAY. */
  get freeStreams(): number {
    const { core } = this;
    if (core.hasFailed || core.isShuttingDown || this.#peerGoawayLimit < maxStreamId || this.#nextId > maxStreamId)
      return 0;
    const allowed = core.peer.hasSettings ? core.peer.maxConcurrentStreams : streamsBeforeSettings;
    return Math.max(0, allowed - this.openStreams);
  }

  /** The peer has said what it allows. */
  get hasPeerSettings(): boolean {
    return this.core.peer.hasSettings;
  }

  /** More than one request has been sent. */
  get hasCarriedOthers(): boolean {
    return this.#nextId > 3;
  }

  /** Sends a request head; `isEnd` when it has no body. Undefined, and nothing sent, when `freeStreams` is 0. */
  request(block: FieldBlock, isEnd: boolean, handler: ResponseHandler): Http2Stream<ResponseHandler> | undefined {
    if (this.freeStreams === 0) return undefined;
    const stream = this.core.openStream(this.#nextId);
    this.#nextId += 2;
    this.core.streams.lastId = stream.id;
    stream.handler = handler;
    const method = block.get(":method");
    stream.isHeadRequest = method === "HEAD";
    stream.isTunnel = method === "CONNECT";
    this.sendHeaders(stream, block, isEnd);
    return stream;
  }

  onHeaders(streamId: number, block: FieldBlock, isEnd: boolean): void {
    const { core } = this;
    const stream = core.streams.open.get(streamId);
    if (stream === undefined) {
      this.#onLateHeaders(streamId);
      return;
    }
    if (stream.isRemoteClosed) {
      core.streamError(streamId, ErrorCode.streamClosed, "stream_closed");
      return;
    }
    if (stream.hasHead) {
      this.#onTrailers(stream, block, isEnd);
      return;
    }
    const head = checkResponse(block);
    if (typeof head === "string") {
      core.streamError(streamId, ErrorCode.protocolError, head);
      return;
    }
    if (head.isInformational) {
      if (isEnd) {
        core.streamError(streamId, ErrorCode.protocolError, "bad_status");
        return;
      }
      // Interim responses cost the peer a few bytes and us an event each.
      if (!core.check(core.guard.onControlFrame())) return;
      stream.handler?.onInformational(stream, head);
      return;
    }
    this.#onFinal(stream, head, isEnd);
  }

  onPeerGoaway(lastStreamId: number): void {
    const { core } = this;
    this.#peerGoawayLimit = Math.min(this.#peerGoawayLimit, lastStreamId, maxStreamId - 1);
    for (const stream of core.streams.open.values()) {
      if (stream.id <= lastStreamId) continue;
      core.removeStream(stream, "reset-by-us");
      stream.handler?.onReset(stream, { code: ErrorCode.refusedStream, origin: "connection", isUnprocessed: true });
    }
  }

  isIdle(streamId: number): boolean {
    return streamId % 2 === 0 || streamId >= this.#nextId;
  }

  /** A server opens none. */
  lastPeerStreamId(): number {
    return 0;
  }

  protected skipPreface(): number {
    return 0;
  }

  #onFinal(stream: Http2Stream<ResponseHandler>, head: ResponseHead, isEnd: boolean): void {
    const { core } = this;
    stream.hasHead = true;
    const isTunnel = stream.isTunnel && head.status < 300;
    stream.isTunnel = isTunnel;
    if (stream.isHeadRequest || head.status === 204 || head.status === 304) {
      // The length is that of the body the peer does not send (RFC 9110 section 8.6).
      stream.contentLeft = 0;
    } else {
      stream.contentLeft = isTunnel ? -1 : head.contentLength;
      if (isEnd && stream.contentLeft > 0) {
        core.streamError(stream.id, ErrorCode.protocolError, "content_length_mismatch");
        return;
      }
    }
    if (isEnd) core.closeRemote(stream);
    stream.handler?.onResponse(stream, head, isEnd);
  }

  #onTrailers(stream: Http2Stream<ResponseHandler>, block: FieldBlock, isEnd: boolean): void {
    const problem = trailerBlockProblem(stream, block, isEnd);
    if (problem !== undefined) {
      this.core.streamError(stream.id, ErrorCode.protocolError, problem);
      return;
    }
    this.core.closeRemote(stream);
    stream.handler?.onTrailers(stream, block);
  }

  #onLateHeaders(streamId: number): void {
    const { core } = this;
    if (this.isIdle(streamId)) {
      core.fail(ErrorCode.protocolError, "bad_stream_id");
      return;
    }
    if (core.streams.howClosed(streamId) === "ended") {
      core.fail(ErrorCode.streamClosed, "closed_stream");
      return;
    }
    core.check(core.guard.onControlFrame());
  }
}
