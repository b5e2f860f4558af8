import type { Downstream, LossReason } from "../exchange/ends.ts";
import { Exchange } from "../exchange/exchange.ts";
import { type DownstreamPeer, observeRefusal } from "../exchange/observation.ts";
import type { ServerConnectionOptions } from "../exchange/server-context.ts";
import type { Member, SweepLimits } from "../connection-set.ts";
import { type ConnectionProblem, ErrorCode, type StreamProblem } from "./error-codes.ts";
import type { FieldBlock } from "../message/field-block.ts";
import type { HpackEncoderOptions } from "./hpack/encoder.ts";
import type { Http2Limits } from "./limits.ts";
import type { RequestHead } from "../message/request-head.ts";
import type { ResponseHead } from "../message/response-head.ts";
import { Http2ServerConnection, type ServerEvents } from "./server-connection.ts";
import { SocketGlue } from "./socket-glue.ts";
import type { Http2Stream, StreamHandler } from "./stream.ts";

export interface ServerSessionOptions extends ServerConnectionOptions {
  readonly limits: Http2Limits;
  readonly hpack: HpackEncoderOptions;
}

/** The server side of one HTTP/2 connection: an exchange for every stream. */
export class ServerSession implements Member, ServerEvents {
  readonly #options: ServerSessionOptions;
  readonly #glue: SocketGlue;
  readonly #http2: Http2ServerConnection;
  readonly #maxRequests: number;
  #requests = 0;

  constructor(options: ServerSessionOptions) {
    this.#options = options;
    const { connection, context } = options;
    this.#maxRequests = context.limits().connections.maxRequests;
    this.#glue = new SocketGlue({
      connection,
      turn: context.turn,
      monotonicMs: context.monotonicMs,
      limits: options.limits,
      onStalled: () => context.connections.closures.stalled_reader++,
      onClosed: () => options.seat.leave(),
      onBytes: (read, written) => {
        context.connections.readBytes += read;
        context.connections.writeBytes += written;
      },
      onReceived: () => undefined,
    });
    this.#http2 = new Http2ServerConnection(
      { limits: options.limits, pool: context.buffers, hpack: options.hpack, memory: context.memory },
      this,
    );
    this.#glue.attach(this.#http2);
    this.#http2.start();
  }

  /** Bytes that came before it was known that the client speaks HTTP/2. */
  receive(bytes: Buffer): void {
    this.#glue.onData(bytes);
  }

  drain(): void {
    this.#http2.shutdown();
  }

  destroy(): void {
    this.#glue.connection.destroy();
  }

  recheck(): void {
    for (const exchange of this.#http2.handlers()) if (exchange instanceof StreamExchange) exchange.recheck();
  }

  sweep({ nowMs, idleTimeoutMs, streamIdleTimeoutMs }: SweepLimits): void {
    if (nowMs - this.#glue.connection.lastActivityMs > idleTimeoutMs) {
      this.#options.context.connections.closures.idle++;
      this.destroy();
      return;
    }
    for (const exchange of this.#http2.handlers()) {
      if (exchange instanceof StreamExchange) exchange.sweep(nowMs, streamIdleTimeoutMs);
    }
    this.#glue.sweep(nowMs);
  }

  onRequest(stream: Http2Stream, head: RequestHead, isEnd: boolean): StreamHandler {
    if (++this.#requests === this.#maxRequests) {
      this.#options.context.connections.closures.max_requests++;
      this.#http2.shutdown();
    } else if (this.#options.context.isDraining()) {
      // It came from the listener's queue after the others had been told.
      this.#http2.shutdown();
    }
    const exchange = new StreamExchange(this.#http2, stream, this.#options);
    exchange.start(head, isEnd);
    return exchange;
  }

  onOutput(): void {
    this.#glue.announce();
  }

  onFailed(_code: number, problem: ConnectionProblem): void {
    this.#options.context.counters.protocolErrors[problem]++;
    this.#glue.end();
  }

  onGoaway(): void {
    this.#http2.finishShutdown();
  }

  onPingAnswer(): void {
    // We send no pings of our own.
  }

  onStreamProblem(_streamId: number, problem: StreamProblem): void {
    const { context, connection } = this.#options;
    context.counters.refusals[problem]++;
    observeRefusal(context.observer, connection, { version: "HTTP/2", refusal: problem, status: 0 });
  }
}

const codes = {
  cancelled: ErrorCode.cancel,
  overloaded: ErrorCode.enhanceYourCalm,
  failed: ErrorCode.internalError,
} as const;

/** One stream and its exchange. */
class StreamExchange implements Downstream, StreamHandler {
  readonly #http2: Http2ServerConnection;
  readonly #stream: Http2Stream;
  readonly #exchange: Exchange;
  readonly #options: ServerSessionOptions;
  #isRequestOpen = true;
  #isTunnel = false;

  constructor(http2: Http2ServerConnection, stream: Http2Stream, options: ServerSessionOptions) {
    this.#http2 = http2;
    this.#stream = stream;
    this.#options = options;
    this.#exchange = new Exchange(this, options.context);
  }

  get peer(): DownstreamPeer {
    return this.#options.connection;
  }

  get version(): "HTTP/2" {
    return "HTTP/2";
  }

  start(head: RequestHead, isEnd: boolean): void {
    this.#isRequestOpen = !isEnd;
    this.#exchange.start(head, isEnd, this.#options.policy);
  }

  recheck(): void {
    this.#exchange.recheck();
  }

  sweep(nowMs: number, idleTimeoutMs: number): void {
    this.#exchange.sweep(nowMs, idleTimeoutMs);
  }

  onData(_stream: Http2Stream, bytes: Buffer, start: number, end: number, isEnd: boolean): void {
    if (isEnd) this.#isRequestOpen = false;
    this.#exchange.onRequestData(bytes, start, end, isEnd);
  }

  onTrailers(_stream: Http2Stream, trailers: FieldBlock): void {
    this.#isRequestOpen = false;
    this.#exchange.onRequestTrailers(trailers);
  }

  onReset(): void {
    this.#exchange.onDownstreamLost();
  }

  onWritable(): void {
    this.#exchange.onDownstreamWritable();
  }

  inform(head: ResponseHead): void {
    this.#http2.inform(this.#stream, head.block);
  }

  respond(head: ResponseHead, isEnd: boolean): void {
    this.#isTunnel = this.#stream.isTunnel && head.status < 300;
    this.#http2.respond(this.#stream, head.block, isEnd);
    if (isEnd) this.#closeRequest();
  }

  data(bytes: Buffer, start: number, end: number, isEnd: boolean): number {
    const taken = this.#http2.data(this.#stream, bytes, start, end, isEnd);
    if (isEnd && taken === end - start) this.#closeRequest();
    return taken;
  }

  trailers(block: FieldBlock): void {
    this.#http2.trailers(this.#stream, block);
    this.#closeRequest();
  }

  consumeRequest(count: number): void {
    this.#http2.consume(this.#stream, count);
  }

  abort(reason: LossReason): void {
    this.#http2.reset(this.#stream, codes[reason]);
  }

  /** A complete response to an incomplete request: the client may stop sending it (RFC 9113 section 8.1). */
  #closeRequest(): void {
    if (this.#isRequestOpen && !this.#isTunnel) this.#http2.reset(this.#stream, ErrorCode.noError);
  }
}
