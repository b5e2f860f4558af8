import type { Upstream, UpstreamFailure, UpstreamLoss, UpstreamWaiter } from "../exchange/ends.ts";
import { PassThrough } from "../exchange/stage.ts";
import type { FieldBlock } from "../message/field-block.ts";
import type { ResponseHead } from "../message/response-head.ts";

/** How many requests of a cluster are under way, where there is a limit. */
export class RequestLimit {
  readonly #max: () => number;
  /** Requests that were refused for it. */
  overflows = 0;
  #underWay = 0;

  /** `max` as it is now; 0 is no limit. */
  constructor(max: () => number) {
    this.#max = max;
  }

  get isOn(): boolean {
    return this.#max() > 0;
  }

  get underWay(): number {
    return this.#underWay;
  }

  /** Whether one more may be: then `leave` is called when it is over. */
  tryEnter(): boolean {
    if (this.#underWay < this.#max()) {
      this.#underWay++;
      return true;
    }
    this.overflows++;
    return false;
  }

  leave(): void {
    this.#underWay--;
  }
}

/** Stands between one request and its cluster, so that each of its tries counts for as long as it is under way, its wait for a connection included. */
export class LimitedRequest implements Upstream {
  readonly #upstream: Upstream;
  readonly #limit: RequestLimit;
  #attempt: LimitedTry | undefined;

  constructor(upstream: Upstream, limit: RequestLimit) {
    this.#upstream = upstream;
    this.#limit = limit;
  }

  acquire(waiter: UpstreamWaiter, wantsFresh: boolean, tried?: readonly object[]): void {
    if (this.#limit.isOn && !this.#limit.tryEnter()) {
      this.#attempt = undefined;
      waiter.onNoUpstream("overflow");
      return;
    }
    // A try whose response is still read to its end goes on as it is.
    this.#attempt = new LimitedTry(this.#upstream, this.#limit);
    this.#attempt.acquire(waiter, wantsFresh, tried);
  }

  cancel(waiter: UpstreamWaiter): void {
    this.#attempt?.cancel(waiter);
  }
}

class LimitedTry extends PassThrough {
  readonly #limit: RequestLimit;
  #isUnderWay: boolean;

  constructor(upstream: Upstream, limit: RequestLimit) {
    super(upstream);
    this.#limit = limit;
    this.#isUnderWay = limit.isOn;
  }

  override cancel(waiter: UpstreamWaiter): void {
    if (this.stream === undefined) this.#leave();
    super.cancel(waiter);
  }

  override onNoUpstream(failure: UpstreamFailure): void {
    this.#leave();
    super.onNoUpstream(failure);
  }

  override send(...args: Parameters<PassThrough["send"]>): ReturnType<PassThrough["send"]> {
    const stream = super.send(...args);
    // The next thing is another `acquire`.
    if (stream === undefined) this.#leave();
    return stream;
  }

  override abort(): void {
    this.#leave();
    super.abort();
  }

  /** What is read for nobody takes no place. */
  override leave(): void {
    super.leave();
    this.#leave();
  }

  override onResponse(head: ResponseHead, isEnd: boolean): void {
    if (isEnd) this.#leave();
    super.onResponse(head, isEnd);
  }

  override onResponseData(bytes: Buffer, start: number, end: number, isEnd: boolean): void {
    if (isEnd) this.#leave();
    super.onResponseData(bytes, start, end, isEnd);
  }

  override onResponseTrailers(block: FieldBlock): void {
    this.#leave();
    super.onResponseTrailers(block);
  }

  override onUpstreamLost(loss: UpstreamLoss): void {
    this.#leave();
    super.onUpstreamLost(loss);
  }

  #leave(): void {
    if (!this.#isUnderWay) return;
    this.#isUnderWay = false;
    this.#limit.leave();
  }
}
