import {
  type AnswerObserver,
  type LossReason,
  malformedLoss,
  plainLoss,
  type ResponseReceiver,
  reusedLoss,
  type UpstreamConnection,
  type UpstreamLoss,
  type UpstreamStream,
  unprocessedLoss,
} from "../exchange/ends.ts";
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

/** A silent connection is asked for a sign of life after this; without one it is dead after so many sweeps more. */
const pingAfterMs = 10_000;
const deadAfterSweeps = 10;
/** By then it is not trusted with anything new. */
const doubtfulAfterSweeps = 2;
const keepAlivePingId = 1;

export interface ClientSessionOptions {
  /** Whose connection it is. */
  readonly endpoint?: object;
  readonly connection: Connection;
  readonly turn: WriteTurn;
  readonly buffers: BufferPool;
  readonly monotonicMs: () => number;
  readonly limits: Http2Limits;
  readonly hpack: HpackEncoderOptions;
  /**
   * Asks a silent server for signs of life. Not for applications: they are on this host, where a connection does not die
   * unseen, and gRPC servers count pings as abuse.
   */
  readonly isKeptAlive: boolean;
  readonly observer?: AnswerObserver | undefined;
  /** It may take more requests than a moment ago. */
  readonly onRoom: () => void;
  /** Takes no more requests: the server leaves, or the connection is gone. Called once. */
  readonly onGone: (session: ClientSession) => void;
  /** The connection is gone. Called once, after `onGone`. */
  readonly onClosed: (session: ClientSession) => void;
}

/** The client side of one HTTP/2 connection: many requests at once. */
export class ClientSession implements UpstreamConnection, ConnectionEvents {
  readonly observer: AnswerObserver | undefined;
  readonly #options: ClientSessionOptions;
  readonly #glue: SocketGlue;
  readonly #http2: Http2ClientConnection;
  #isGone = false;
  #pingSentMs = 0;
  /** Sweeps since a ping that nothing has answered; 0 for none. */
  #unansweredSweeps = 0;
  #hasSent = true;
  #lastUsedMs: number;

  constructor(options: ClientSessionOptions) {
    this.#options = options;
    this.observer = options.observer;
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
      onReceived: options.onRoom,
    });
    this.#lastUsedMs = monotonicMs();
    this.#http2 = new Http2ClientConnection({ limits, pool: buffers, hpack }, this);
    this.#glue.attach(this.#http2);
    this.#http2.start();
  }

  get remoteAddress(): string {
    return this.#glue.connection.remoteAddress;
  }

  get endpoint(): object | undefined {
    return this.#options.endpoint;
  }

  get openStreams(): number {
    return this.#http2.openStreams;
  }

  get freeStreams(): number {
    return this.#isGone ? 0 : this.#http2.freeStreams;
  }

  /** The server's SETTINGS have come. */
  get isGreeted(): boolean {
    return this.#http2.hasPeerSettings;
  }

  /** More would be sent if the peer, or the network, took it. */
  get isCongested(): boolean {
    return this.#glue.connection.isBlocked || this.#http2.sendWindow <= 0;
  }

  /** Another connection would help: it can take no more requests for now, or it may be dead. */
  get isSaturated(): boolean {
    const { hasPeerSettings, peerSettings } = this.#http2;
    return this.isDoubtful || (hasPeerSettings && peerSettings.maxConcurrentStreams > 0 && this.freeStreams === 0);
  }

  /** It has not answered for a while. */
  get isDoubtful(): boolean {
    return this.#unansweredSweeps >= doubtfulAfterSweeps;
  }

  /** When it carried a request last, as far as sweeps have seen. */
  get lastUsedMs(): number {
    return this.#lastUsedMs;
  }

  send(head: RequestHead, isEnd: boolean, receiver: ResponseReceiver): UpstreamStream | undefined {
    if (this.freeStreams === 0) return undefined;
    this.#hasSent = true;
    const stream = new ClientStream(this.#http2, receiver, this.#options.onRoom);
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

  /** Called about once a second. */
  sweep(nowMs: number): void {
    if (this.#hasSent || this.openStreams > 0) this.#lastUsedMs = nowMs;
    this.#hasSent = false;
    if (this.#options.isKeptAlive) this.#keepAlive(nowMs);
    this.#glue.sweep(nowMs);
  }

  /** Sweeps are counted, not milliseconds: after a pause of this whole process the answer may still wait to be read. */
  #keepAlive(nowMs: number): void {
    const { lastReceivedMs, connection } = this.#glue;
    // A peer that takes bytes of a full socket is alive, whatever it says.
    const isTaking = connection.isBlocked && nowMs - connection.lastActivityMs < pingAfterMs;
    if (this.#unansweredSweeps > 0) {
      if (lastReceivedMs >= this.#pingSentMs || isTaking) this.#unansweredSweeps = 0;
      else if (this.#unansweredSweeps++ >= deadAfterSweeps) this.destroy();
    } else if (nowMs - lastReceivedMs >= pingAfterMs && !isTaking) {
      this.#pingSentMs = nowMs;
      this.#unansweredSweeps = 1;
      this.#http2.ping(keepAlivePingId);
    }
  }

  onOutput(): void {
    this.#glue.announce();
  }

  onFailed(): void {
    this.#leave();
    this.#glue.end();
  }

  /** The server leaves: so do we, once the requests that it still answers are done. */
  onGoaway(): void {
    this.#leave();
    this.#http2.finishShutdown();
    this.#glue.announce();
  }

  onPingAnswer(): void {
    // That something has come is noted with its bytes.
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

const reasons: ReadonlyMap<number, LossReason> = new Map([
  [ErrorCode.cancel, "cancelled"],
  [ErrorCode.enhanceYourCalm, "overloaded"],
]);

/** One request. */
class ClientStream implements UpstreamStream, ResponseHandler {
  readonly #http2: Http2ClientConnection;
  readonly #receiver: ResponseReceiver;
  readonly #onRoom: () => void;
  #stream: Http2Stream<ResponseHandler> | undefined;

  constructor(http2: Http2ClientConnection, receiver: ResponseReceiver, onRoom: () => void) {
    this.#http2 = http2;
    this.#receiver = receiver;
    this.#onRoom = onRoom;
  }

  open(block: FieldBlock, isEnd: boolean): boolean {
    this.#stream = this.#http2.request(block, isEnd, this);
    return this.#stream !== undefined;
  }

  data(bytes: Buffer, start: number, end: number, isEnd: boolean): number {
    if (this.#stream === undefined) return end - start;
    const taken = this.#http2.data(this.#stream, bytes, start, end, isEnd);
    if (isEnd && this.#stream.isGone) this.#onRoom();
    return taken;
  }

  trailers(block: FieldBlock): void {
    if (this.#stream === undefined) return;
    this.#http2.trailers(this.#stream, block);
    if (this.#stream.isGone) this.#onRoom();
  }

  consumeResponse(count: number): void {
    if (this.#stream !== undefined) this.#http2.consume(this.#stream, count);
  }

  abort(): void {
    if (this.#stream === undefined) return;
    this.#http2.reset(this.#stream, ErrorCode.cancel);
    this.#onRoom();
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
    this.#receiver.onUpstreamLost(this.#lossOf(reset));
  }

  #lossOf({ isUnprocessed, origin, code }: StreamReset): UpstreamLoss {
    if (isUnprocessed) return unprocessedLoss;
    if (origin === "peer") return { ...plainLoss, reason: reasons.get(code) ?? "failed" };
    if (code === ErrorCode.settingsTimeout) return plainLoss;
    if (origin === "rule" || code !== ErrorCode.internalError) return malformedLoss;
    return this.#http2.hasCarriedOthers ? reusedLoss : plainLoss;
  }

  onWritable(): void {
    this.#receiver.onUpstreamWritable();
  }
}
