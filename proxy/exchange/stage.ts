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
import type { Observation } from "./observation.ts";
import type { ForwardPolicy } from "./policy.ts";

/** What one request is given in the place of `upstream`. */
export function throughStages(
  upstream: Upstream,
  policy: ForwardPolicy | undefined,
  head: RequestHead,
  observed: Observation | undefined,
): Upstream {
  const stages = policy?.stages;
  if (stages === undefined) return upstream;
  let staged = upstream;
  for (const stage of stages) staged = stage.before(staged, head, observed);
  return staged;
}

/**
 * Stands between one request and its upstream and passes everything on, in both directions; who extends it changes what it is
 * about. The request sees an upstream, then a connection; the upstream sees a waiter: all of them are this object. It carries one try
 * at a time. When the request acquires again, the try of before is over, aborted, or read to its end by somebody who wants nothing of
 * it but its connection: what is still said of that one passes by this object.
 */
export class PassThrough implements Upstream, UpstreamWaiter, UpstreamConnection, UpstreamStream, ResponseReceiver {
  readonly hash?: number;
  protected readonly upstream: Upstream;
  protected waiter: UpstreamWaiter | undefined;
  protected connection: UpstreamConnection | undefined;
  /** Of the try under way, as are the receiver and the connection. */
  protected stream: UpstreamStream | undefined;
  protected receiver: ResponseReceiver | undefined;
  #passage: Passage | undefined;

  constructor(upstream: Upstream) {
    this.upstream = upstream;
  }

  acquire(waiter: UpstreamWaiter, wantsFresh: boolean, tried?: readonly object[]): void {
    this.forget();
    this.waiter = waiter;
    this.upstream.acquire(this, wantsFresh, tried);
  }

  cancel(_waiter: UpstreamWaiter): void {
    this.upstream.cancel(this);
  }

  onOpening(endpoint: object): void {
    this.waiter?.onOpening?.(endpoint);
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
    const passage = new Passage(this, receiver);
    const stream = this.connection?.send(head, isEnd, passage);
    if (stream === undefined) return undefined;
    passage.stream = stream;
    this.#passage = passage;
    this.stream = stream;
    this.receiver = receiver;
    return passage;
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

  /** Of the try under way, or of the one before: see `UpstreamStream`. */
  leave(): void {
    this.forget();
  }

  /** The try is not this object's any more: another begins, or nobody wants its response. Who keeps something of it forgets that here. */
  protected forget(): void {
    this.#passage?.bypass();
    this.#passage = undefined;
    this.stream = undefined;
    this.receiver = undefined;
  }
}

/** One try: through the stage while it is the one under way, past it afterwards. */
class Passage implements UpstreamStream, ResponseReceiver {
  stream: UpstreamStream | undefined;
  readonly #receiver: ResponseReceiver;
  #stage: PassThrough | undefined;

  constructor(stage: PassThrough, receiver: ResponseReceiver) {
    this.#stage = stage;
    this.#receiver = receiver;
  }

  bypass(): void {
    this.#stage = undefined;
  }

  data(bytes: Buffer, start: number, end: number, isEnd: boolean): number {
    return (this.#stage ?? this.stream)?.data(bytes, start, end, isEnd) ?? 0;
  }

  trailers(block: FieldBlock): void {
    (this.#stage ?? this.stream)?.trailers(block);
  }

  consumeResponse(count: number): void {
    (this.#stage ?? this.stream)?.consumeResponse(count);
  }

  abort(): void {
    (this.#stage ?? this.stream)?.abort();
  }

  leave(): void {
    this.#stage?.leave();
    this.stream?.leave?.();
  }

  onInform(head: ResponseHead): void {
    (this.#stage ?? this.#receiver).onInform(head);
  }

  onResponse(head: ResponseHead, isEnd: boolean): void {
    (this.#stage ?? this.#receiver).onResponse(head, isEnd);
  }

  onResponseData(bytes: Buffer, start: number, end: number, isEnd: boolean): void {
    (this.#stage ?? this.#receiver).onResponseData(bytes, start, end, isEnd);
  }

  onResponseTrailers(block: FieldBlock): void {
    (this.#stage ?? this.#receiver).onResponseTrailers(block);
  }

  onUpstreamLost(loss: UpstreamLoss): void {
    (this.#stage ?? this.#receiver).onUpstreamLost(loss);
  }

  onUpstreamWritable(): void {
    (this.#stage ?? this.#receiver).onUpstreamWritable();
  }
}
