import type {
  AnswerObserver,
  ResponseReceiver,
  Upstream,
  UpstreamConnection,
  UpstreamFailure,
  UpstreamLoss,
  UpstreamStream,
  UpstreamWaiter,
} from "../exchange/ends.ts";
import type { FieldBlock } from "../message/field-block.ts";
import type { RequestHead } from "../message/request-head.ts";
import type { ResponseHead } from "../message/response-head.ts";
import { Base64Stream } from "./base64-stream.ts";
import { grpcRequest, malformedText, trailersFrame, wantsText, webResponse } from "./heads.ts";

/**
 * Stands between one exchange of gRPC-Web and a server of gRPC, for the exchange's whole life, and is every end that it sees.
 * Requests and responses change their content type, trailers become the last frame of the body, and texts in base64 are
 * decoded and encoded piece by piece as they come. What it holds is one piece that the server had no room for.
 */
export class GrpcWebUpstream implements Upstream, UpstreamWaiter, UpstreamConnection, UpstreamStream, ResponseReceiver {
  readonly #upstream: Upstream;
  #waiter: UpstreamWaiter | undefined;
  #connection: UpstreamConnection | undefined;
  #stream: UpstreamStream | undefined;
  #receiver: ResponseReceiver | undefined;
  /** Of a request in base64. */
  #decoder: Base64Stream | undefined;
  #held: Buffer | undefined;
  #holdsEnd = false;
  /** Of the request, behind what is held. */
  #heldTrailers: FieldBlock | undefined;
  #isText = false;
  /** The response is one of gRPC. */
  #translates = false;
  /** Bytes of the response that the client has not taken: as it gets them, and as the server sent them. */
  #waitingOut = 0;
  #waitingIn = 0;

  constructor(upstream: Upstream) {
    this.#upstream = upstream;
  }

  get remoteAddress(): string {
    return this.#connection?.remoteAddress ?? "";
  }

  get observer(): AnswerObserver | undefined {
    return this.#connection?.observer;
  }

  get endpoint(): object | undefined {
    return this.#connection?.endpoint;
  }

  acquire(waiter: UpstreamWaiter, wantsFresh: boolean, tried?: readonly object[]): void {
    this.#waiter = waiter;
    this.#upstream.acquire(this, wantsFresh, tried);
  }

  cancel(): void {
    this.#upstream.cancel(this);
  }

  onUpstream(connection: UpstreamConnection): void {
    this.#connection = connection;
    this.#waiter?.onUpstream(this);
  }

  onNoUpstream(failure: UpstreamFailure): void {
    this.#waiter?.onNoUpstream(failure);
  }

  send(head: RequestHead, isEnd: boolean, receiver: ResponseReceiver): UpstreamStream | undefined {
    this.#receiver = receiver;
    // What is left of a try before this one is of no use.
    this.#held = undefined;
    this.#holdsEnd = false;
    this.#heldTrailers = undefined;
    this.#waitingOut = 0;
    this.#waitingIn = 0;
    this.#decoder = head.grpc === "grpc-web-text" ? new Base64Stream() : undefined;
    this.#isText = wantsText(head);
    this.#stream = this.#connection?.send(grpcRequest(head), isEnd, this);
    return this.#stream === undefined ? undefined : this;
  }

  data(bytes: Buffer, start: number, end: number, isEnd: boolean): number {
    const stream = this.#stream;
    if (stream === undefined) return 0;
    if (this.#held !== undefined && end > start) return 0;
    if (this.#decoder === undefined) return stream.data(bytes, start, end, isEnd);
    const decoded = this.#decoder.decode(bytes, start, end);
    if (decoded === undefined || (isEnd && this.#decoder.isOpen)) {
      this.#refuse();
      return end - start;
    }
    if (this.#held !== undefined) this.#holdsEnd = isEnd;
    else if (decoded.length > 0 || isEnd) {
      const taken = stream.data(decoded, 0, decoded.length, isEnd);
      if (taken < decoded.length) {
        this.#held = decoded.subarray(taken);
        this.#holdsEnd = isEnd;
      }
    }
    return end - start;
  }

  trailers(block: FieldBlock): void {
    if (this.#decoder?.isOpen === true) this.#refuse();
    else if (this.#held === undefined) this.#stream?.trailers(block);
    else this.#heldTrailers = block;
  }

  consumeResponse(count: number): void {
    this.#waitingOut = Math.max(0, this.#waitingOut - count);
    const share = this.#isText ? Math.floor((count * 3) / 4) : count;
    const taken = this.#waitingOut === 0 ? this.#waitingIn : Math.min(share, this.#waitingIn);
    this.#waitingIn -= taken;
    if (taken > 0) this.#stream?.consumeResponse(taken);
  }

  abort(): void {
    this.#receiver = undefined;
    this.#stream?.abort();
    this.#stream = undefined;
  }

  onInform(head: ResponseHead): void {
    this.#receiver?.onInform(head);
  }

  onResponse(head: ResponseHead, isEnd: boolean): void {
    const translated = webResponse(head, this.#isText);
    this.#translates = translated !== undefined;
    this.#isText &&= this.#translates;
    this.#receiver?.onResponse(translated ?? head, isEnd);
    if (isEnd) this.#dropHeld();
  }

  onResponseData(bytes: Buffer, start: number, end: number, isEnd: boolean): void {
    this.#waitingIn += end - start;
    if (this.#isText) this.#deliver(base64(bytes.subarray(start, end)), isEnd);
    else {
      this.#waitingOut += end - start;
      this.#receiver?.onResponseData(bytes, start, end, isEnd);
      if (isEnd) this.#dropHeld();
    }
  }

  onResponseTrailers(block: FieldBlock): void {
    if (!this.#translates) {
      this.#receiver?.onResponseTrailers(block);
      this.#dropHeld();
    } else {
      const frame = trailersFrame(block);
      this.#deliver(this.#isText ? base64(frame) : frame, true);
    }
  }

  onUpstreamLost(loss: UpstreamLoss): void {
    this.#stream = undefined;
    this.#receiver?.onUpstreamLost(loss);
  }

  onUpstreamWritable(): void {
    const held = this.#held;
    if (held !== undefined) {
      const taken = this.#stream?.data(held, 0, held.length, this.#holdsEnd) ?? 0;
      this.#held = taken < held.length ? held.subarray(taken) : undefined;
      if (this.#held !== undefined || this.#holdsEnd) return;
      if (this.#heldTrailers !== undefined) {
        this.#stream?.trailers(this.#heldTrailers);
        return;
      }
    }
    this.#receiver?.onUpstreamWritable();
  }

  #deliver(bytes: Buffer, isEnd: boolean): void {
    this.#waitingOut += bytes.length;
    this.#receiver?.onResponseData(bytes, 0, bytes.length, isEnd);
    if (isEnd) this.#dropHeld();
  }

  /** The exchange thinks that the server has what waits here: a server that has answered without it would keep the stream. */
  #dropHeld(): void {
    if (this.#held !== undefined) this.abort();
  }

  /** What the server has had of the request is not all of it, and nobody could tell what the rest means. */
  #refuse(): void {
    const receiver = this.#receiver;
    this.abort();
    receiver?.onResponse(malformedText, true);
  }
}

function base64(bytes: Buffer): Buffer {
  return Buffer.from(bytes.toString("base64"), "latin1");
}
