import type { FieldBlock } from "../message/field-block.ts";
import type { RequestHead } from "../message/request-head.ts";
import type { ResponseHead } from "../message/response-head.ts";
import type {
  AnswerObserver,
  ResponseReceiver,
  Upstream,
  UpstreamConnection,
  UpstreamFailure,
  UpstreamLoss,
  UpstreamStream,
  UpstreamWaiter,
} from "./ends.ts";
import type { ForwardPolicy } from "./policy.ts";

/** What one request is given in the place of `upstream`. */
export function throughStages(upstream: Upstream, policy: ForwardPolicy | undefined, head: RequestHead): Upstream {
  let staged = upstream;
  for (const stage of policy?.stages ?? []) staged = stage.before(staged, head);
  return staged;
}

/**
 * Stands between one request and its upstream and passes everything on, in both directions; who extends it changes what it is
 * about. The request sees an upstream, then a connection, then a stream; the upstream sees a waiter, then a receiver: all of them
 * are this object, which therefore carries one try at a time. A next try of the same request comes through `acquire` again, when the
 * stream of the one before is over or aborted: behind a stage no unwanted response is read to its end beside the next try.
 */
export class PassThrough implements Upstream, UpstreamWaiter, UpstreamConnection, UpstreamStream, ResponseReceiver {
  readonly hash?: number;
  protected readonly upstream: Upstream;
  protected waiter: UpstreamWaiter | undefined;
  protected connection: UpstreamConnection | undefined;
  protected stream: UpstreamStream | undefined;
  protected receiver: ResponseReceiver | undefined;

  constructor(upstream: Upstream) {
    this.upstream = upstream;
  }

  acquire(waiter: UpstreamWaiter, wantsFresh: boolean, tried?: readonly object[]): void {
    this.waiter = waiter;
    this.upstream.acquire(this, wantsFresh, tried);
  }

  cancel(_waiter: UpstreamWaiter): void {
    this.upstream.cancel(this);
  }

  onUpstream(connection: UpstreamConnection): void {
    this.connection = connection;
    this.waiter?.onUpstream(this);
  }

  onNoUpstream(failure: UpstreamFailure): void {
    this.waiter?.onNoUpstream(failure);
  }

  get remoteAddress(): string {
    return this.connection?.remoteAddress ?? "";
  }

  get observer(): AnswerObserver | undefined {
    return this.connection?.observer;
  }

  get endpoint(): object | undefined {
    return this.connection?.endpoint;
  }

  send(head: RequestHead, isEnd: boolean, receiver: ResponseReceiver): UpstreamStream | undefined {
    this.receiver = receiver;
    this.stream = this.connection?.send(head, isEnd, this);
    return this.stream === undefined ? undefined : this;
  }

  data(bytes: Buffer, start: number, end: number, isEnd: boolean): number {
    return this.stream?.data(bytes, start, end, isEnd) ?? 0;
  }

  trailers(block: FieldBlock): void {
    this.stream?.trailers(block);
  }

  consumeResponse(count: number): void {
    this.stream?.consumeResponse(count);
  }

  abort(): void {
    this.stream?.abort();
  }

  onInform(head: ResponseHead): void {
    this.receiver?.onInform(head);
  }

  onResponse(head: ResponseHead, isEnd: boolean): void {
    this.receiver?.onResponse(head, isEnd);
  }

  onResponseData(bytes: Buffer, start: number, end: number, isEnd: boolean): void {
    this.receiver?.onResponseData(bytes, start, end, isEnd);
  }

  onResponseTrailers(block: FieldBlock): void {
    this.receiver?.onResponseTrailers(block);
  }

  onUpstreamLost(loss: UpstreamLoss): void {
    this.receiver?.onUpstreamLost(loss);
  }

  onUpstreamWritable(): void {
    this.receiver?.onUpstreamWritable();
  }
}
