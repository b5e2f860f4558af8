import type { FieldBlock } from "../message/field-block.ts";

/** How a stream came to an early end. */
export interface StreamReset {
  /** RFC 9113 section 7. */
  readonly code: number;
  /** The peer reset it; we did, since the peer broke a rule; or the connection ended with it. */
  readonly origin: "peer" | "rule" | "connection";
  /** The peer has certainly not acted on the request: it may be sent again elsewhere (section 8.7). */
  readonly isUnprocessed: boolean;
}

/** What happens on one stream. After `onReset`, and after both sides have ended, nothing more comes. */
export interface StreamHandler {
  /**
   * `bytes[start, end)` of the body, valid for as long as what the transport brought (see `ConnectionHandler`). Each byte has to be
   * given back by `consume` once it has been taken, or the peer is stopped when its window is full. `isEnd`: the message is
   * complete, without trailers; the range may then be empty.
   */
  onData(stream: Http2Stream, bytes: Buffer, start: number, end: number, isEnd: boolean): void;
  /** The message is complete, with these trailers. */
  onTrailers(stream: Http2Stream, trailers: FieldBlock): void;
  onReset(stream: Http2Stream, reset: StreamReset): void;
  /** More may be sent after `data` took less than it was given. */
  onWritable(stream: Http2Stream): void;
}

/** One stream of a connection. Its fields belong to the connection; others read them. */
export class Http2Stream<Handler extends StreamHandler = StreamHandler> {
  readonly id: number;
  /** Who gets this stream's events. */
  handler: Handler | undefined;
  /** The peer has sent its END_STREAM. */
  isRemoteClosed = false;
  /** We have sent ours. */
  isLocalClosed = false;
  /** Reset, or closed by both sides: what is still sent on it is dropped. */
  isGone = false;
  /** The peer's final head has come. */
  hasHead = false;
  /** The request was HEAD: a Content-Length in the response announces no body. */
  isHeadRequest = false;
  /** CONNECT: no trailers, no Content-Length. */
  isTunnel = false;
  /** Body bytes that Content-Length still announces, or -1. */
  contentLeft = -1;
  /** What we may send. */
  sendWindow: number;
  /** What the peer may send. */
  receiveWindow: number;
  /** Delivered and not consumed. */
  unread = 0;
  /** Since when bytes have been waiting for the peer, or -1; `sentSinceStall` counts what trickled out since. */
  stalledSinceMs = -1;
  sentSinceStall = 0;
  /** The output that its last DATA frame is in, by the sender's number. */
  lastDataOutput = -1;
  /** Small pieces that came behind that frame and leave in another: `gathered[0, gatheredBytes)`. */
  gathered: Buffer | undefined;
  gatheredBytes = 0;

  constructor(id: number, windows: { readonly send: number; readonly receive: number }) {
    this.id = id;
    this.sendWindow = windows.send;
    this.receiveWindow = windows.receive;
  }
}
