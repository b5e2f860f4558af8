import type { ResponseReceiver, UpstreamConnection, UpstreamStream } from "../exchange/ends.ts";
import type { WriteTurn } from "../transport/outbox.ts";
import type { Connection } from "../transport/transport.ts";
import { Http2ClientConnection, type ResponseHandler } from "./client-connection.ts";
import type { ConnectionEvents } from "./connection-core.ts";
import { ErrorCode } from "./error-codes.ts";
import type { FieldBlock } from "../message/field-block.ts";
import type { HpackEncoderOptions } from "./hpack/encoder.ts";
import type { Http2Limits } from "./limits.ts";
import type { BufferPool } from "./output-buffer.ts";
import type { RequestHead } from "../message/request-head.ts";
import type { ResponseHead } from "../message/response-head.ts";
import { SocketGlue } from "./socket-glue.ts";
import type { Http2Stream, StreamReset } from "./stream.ts";

export interface ClientSessionOptions {
  readonly connection: Connection;
  readonly turn: WriteTurn;
  readonly buffers: BufferPool;
  readonly monotonicMs: () => number;
  readonly limits: Http2Limits;
  readonly hpack: HpackEncoderOptions;
  /** Takes no more requests: the server leaves, or the connection is gone. Called once. */
  readonly onGone: (session: ClientSession) => void;
  /** The connection is gone. Called once, after `onGone`. */
  readonly onClosed: (session: ClientSession) => void;
}

/** The client side of one HTTP/2 connection: many requests at once. */
export class ClientSession implements UpstreamConnection, ConnectionEvents {
  readonly #options: ClientSessionOptions;
  readonly #glue: SocketGlue;
  readonly #http2: Http2ClientConnection;
  #isGone = false;

  constructor(options: ClientSessionOptions) {
    this.#options = options;
    const { connection, turn, monotonicMs, buffers, limits, hpack } = options;
    this.#glue = new SocketGlue({
      connection,
      turn,
      monotonicMs,
      limits,
      onStalled: () => undefined,
      onClosed: () => {
        this.#leave();
        options.onClosed(this);
      },
      onBytes: () => undefined,
    });
    this.#http2 = new Http2ClientConnection({ limits, pool: buffers, hpack }, this);
    this.#glue.attach(this.#http2);
    this.#http2.start();
  }

  get openStreams(): number {
    return this.#http2.openStreams;
  }

  get freeStreams(): number {
    return this.#isGone ? 0 : this.#http2.freeStreams;
  }

  /** More would be sent if the peer, or the network, took it. */
  get isCongested(): boolean {
    return this.#glue.connection.isBlocked || this.#http2.sendWindow <= 0;
  }

  get lastActivityMs(): number {
    return this.#glue.connection.lastActivityMs;
  }

  send(head: RequestHead, isEnd: boolean, receiver: ResponseReceiver): UpstreamStream | undefined {
    if (this.freeStreams === 0) return undefined;
    const stream = new ClientStream(this.#http2, receiver);
    return stream.open(head.block, isEnd) ? stream : undefined;
  }

  /** Ends it when the requests under way are done. */
  close(): void {
    this.#leave();
    this.#http2.finishShutdown();
    this.#glue.announce();
  }

  destroy(): void {
    this.#glue.connection.destroy();
  }

  sweep(nowMs: number): void {
    this.#glue.sweep(nowMs);
  }

  onOutput(): void {
    this.#glue.announce();
  }

  onFailed(): void {
    this.#leave();
    this.#glue.end();
  }

  onGoaway(): void {
    this.#leave();
    this.#glue.announce();
  }

  onPingAnswer(): void {
    // We send no pings of our own.
  }

  onStreamProblem(): void {
    // Its exchange is told by the reset.
  }

  #leave(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#options.onGone(this);
  }
}

/** One request. */
class ClientStream implements UpstreamStream, ResponseHandler {
  readonly #http2: Http2ClientConnection;
  readonly #receiver: ResponseReceiver;
  #stream: Http2Stream<ResponseHandler> | undefined;

  constructor(http2: Http2ClientConnection, receiver: ResponseReceiver) {
    this.#http2 = http2;
    this.#receiver = receiver;
  }

  open(block: FieldBlock, isEnd: boolean): boolean {
    this.#stream = this.#http2.request(block, isEnd, this);
    return this.#stream !== undefined;
  }

  data(bytes: Buffer, start: number, end: number, isEnd: boolean): number {
    return this.#stream === undefined ? end - start : this.#http2.data(this.#stream, bytes, start, end, isEnd);
  }

  trailers(block: FieldBlock): void {
    if (this.#stream !== undefined) this.#http2.trailers(this.#stream, block);
  }

  consumeResponse(count: number): void {
    if (this.#stream !== undefined) this.#http2.consume(this.#stream, count);
  }

  abort(): void {
    if (this.#stream !== undefined) this.#http2.reset(this.#stream, ErrorCode.cancel);
  }

  onInformational(_stream: Http2Stream<ResponseHandler>, head: ResponseHead): void {
    this.#receiver.onInform(head);
  }

  onResponse(_stream: Http2Stream<ResponseHandler>, head: ResponseHead, isEnd: boolean): void {
    this.#receiver.onResponse(head, isEnd);
  }

  onData(_stream: Http2Stream, bytes: Buffer, start: number, end: number, isEnd: boolean): void {
    this.#receiver.onResponseData(bytes, start, end, isEnd);
  }

  onTrailers(_stream: Http2Stream, trailers: FieldBlock): void {
    this.#receiver.onResponseTrailers(trailers);
  }

  onReset(_stream: Http2Stream, reset: StreamReset): void {
    // A server that has answered and asks for no more of the request has not failed (RFC 9113 section 8.1).
    this.#receiver.onUpstreamLost({ isUnprocessed: reset.isUnprocessed, wasReused: false });
  }

  onWritable(): void {
    this.#receiver.onUpstreamWritable();
  }
}
