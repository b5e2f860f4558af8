/**
 * The seam between the protocols. A request comes from a {@link Downstream}, an {@link Exchange} carries it, an
 * {@link UpstreamStream} takes it on; the codecs of HTTP/1.1 and HTTP/2 are on either side of it and do not know each other.
 *
 * Bodies are not queued: `data` takes what it can and says how much, whoever gave less away keeps the rest and is called when
 * there is room. `consume` goes the other way and tells a source that its bytes are gone, so that it may read on. So what
 * waits in memory for one slow reader is what its own source had sent before it was stopped.
 */
import type { SubsetSelector } from "../balance/subset.ts";
import type { FieldBlock } from "../message/field-block.ts";
import type { GrpcKind } from "../message/grpc.ts";
import type { RequestHead } from "../message/request-head.ts";
import type { ResponseHead } from "../message/response-head.ts";
import type { DownstreamPeer, HttpVersion } from "./observation.ts";

/** Where the body of a message goes. */
export interface BodySink {
  /**
   * Takes `bytes[start, end)`, `isEnd` with the last of the body. Returns how many bytes were taken; when fewer than given,
   * none of the end; an empty range is always taken. The memory is the sink's from then on.
   */
  data(bytes: Buffer, start: number, end: number, isEnd: boolean): number;
  /** The body is complete and these are its trailers. */
  trailers(block: FieldBlock): void;
}

/** Who sent a request and gets its response. One object may stand for one exchange after another. */
export interface Downstream extends BodySink {
  readonly peer: DownstreamPeer;
  readonly version: HttpVersion;
  /** An interim response (1xx). */
  inform(head: ResponseHead): void;
  /** `isEnd` when the response has no body. */
  respond(head: ResponseHead, isEnd: boolean): void;
  /** So many bytes of the request's body have been taken. */
  consumeRequest(count: number): void;
  /** There will be no response, or no more of it: the client must see that it is incomplete, and why if it can be told. */
  abort(reason: LossReason): void;
}

/** One request on its way to a server. */
export interface UpstreamStream extends BodySink {
  /** So many bytes of the response's body have been taken. */
  consumeResponse(count: number): void;
  /** Nobody wants the response any more. Nothing is called after this. */
  abort(): void;
  /** Nobody wants the response any more, but it is read to its end, so that its connection can be used again. */
  leave?(): void;
}

/** Wants to know how a server answers, or does not. */
export interface AnswerObserver {
  /** A final response has begun, to a request that was sent at `sentMs` on the monotonic clock and is a call of gRPC as `grpc` says. */
  onAnswer(head: ResponseHead, sentMs: number, grpc: GrpcKind): void;
  /** The trailers of a call of gRPC, with its status. */
  onGrpcTrailers(block: FieldBlock): void;
  /** The request, or its response, was lost in a way that the server may have to answer for. */
  onLost(): void;
  /** No response has begun within the time that there was for it. */
  onLate(): void;
  /** A request was to be sent, and there was no connection to be had. */
  onUnreachable(): void;
  /** Nobody waits any more for an answer to what was sent at `sentMs`: that of another server came first. */
  onOutrun?(sentMs: number): void;
}

/** A connection that takes requests. */
export interface UpstreamConnection {
  /** `host:port` of the other side. */
  readonly remoteAddress: string;
  readonly observer?: AnswerObserver | undefined;
  /** Stands for where it leads, in `acquire`; undefined where there is nothing to choose. */
  readonly endpoint?: object | undefined;
  /**
   * Sends a request; `isEnd` when it has no body. What becomes of it is told to `receiver`, never before this returns.
   * Undefined when it takes no more requests, and nothing was sent.
   */
  send(head: RequestHead, isEnd: boolean, receiver: ResponseReceiver): UpstreamStream | undefined;
}

/** What comes back for a request. Nothing is called after the response has ended or `onUpstreamLost`. */
export interface ResponseReceiver {
  onInform(head: ResponseHead): void;
  onResponse(head: ResponseHead, isEnd: boolean): void;
  onResponseData(bytes: Buffer, start: number, end: number, isEnd: boolean): void;
  onResponseTrailers(block: FieldBlock): void;
  onUpstreamLost(loss: UpstreamLoss): void;
  /** `data` takes bytes again. */
  onUpstreamWritable(): void;
}

/** `cancelled`: nobody wants it any more; `overloaded`: the server asks for calm; `failed`: anything else. */
export type LossReason = "cancelled" | "overloaded" | "failed";

export interface UpstreamLoss {
  readonly reason: LossReason;
  /** The server has certainly not acted on the request: it may be sent again, whatever it is. */
  readonly isUnprocessed: boolean;
  /**
   * The connection ended before a byte of the response, and that says nothing about this request: it had carried others
   * before, as one that its server had given up, or carried others beside it.
   */
  readonly wasReused: boolean;
  /** What came is no response, or not a whole one. */
  readonly isMalformed: boolean;
}

/** The accidents of connections. */
export const unprocessedLoss: UpstreamLoss = {
  reason: "failed",
  isUnprocessed: true,
  wasReused: false,
  isMalformed: false,
};
export const reusedLoss: UpstreamLoss = { reason: "failed", isUnprocessed: false, wasReused: true, isMalformed: false };
export const plainLoss: UpstreamLoss = { reason: "failed", isUnprocessed: false, wasReused: false, isMalformed: false };
export const malformedLoss: UpstreamLoss = {
  reason: "failed",
  isUnprocessed: false,
  wasReused: false,
  isMalformed: true,
};

/** Why no connection could be had, with Envoy's response flags: UH, UF, UO and UO. */
export type UpstreamFailure = "no_healthy_upstream" | "connect_failure" | "overflow" | "concurrency_limit";

/** Someone who waits for a connection. */
export interface UpstreamWaiter {
  /** The hash that an endpoint is chosen by, unsigned, 32 bits; absent when any will do. */
  readonly hash?: number;
  /** The endpoints that it may go to; absent for all. */
  readonly subset?: SubsetSelector;
  /** A connection to this endpoint is being opened for it. */
  onOpening?(endpoint: object): void;
  onUpstream(connection: UpstreamConnection): void;
  onNoUpstream(failure: UpstreamFailure): void;
}

/** Where requests can be sent: one endpoint, or a choice among several. */
export interface Upstream {
  /**
   * Calls one of the waiter's methods exactly once, at once or later, unless cancelled. Several may wait for one request. `wantsFresh` asks for a connection
   * that has carried nothing yet, if there may be one, after one that had turned out to be closed. Endpoints in `tried` are
   * passed over while there are others.
   */
  acquire(waiter: UpstreamWaiter, wantsFresh: boolean, tried?: readonly object[]): void;
  cancel(waiter: UpstreamWaiter): void;
  /**
   * Itself, or something that stands for it for this one canonical request of a client at `address`: by what it is, it has its place,
   * among those of `subset` where a route says so.
   */
  forRequest?(head: RequestHead, address: string, subset?: SubsetSelector): Upstream;
}
