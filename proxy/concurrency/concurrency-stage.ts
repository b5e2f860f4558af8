import type { ResponseReceiver, Upstream, UpstreamFailure, UpstreamStream, UpstreamWaiter } from "../exchange/ends.ts";
import type { UpstreamLoss } from "../exchange/ends.ts";
import type { Stage } from "../exchange/policy.ts";
import { PassThrough } from "../exchange/stage.ts";
import type { FieldBlock } from "../message/field-block.ts";
import type { RequestHead } from "../message/request-head.ts";
import type { ResponseHead } from "../message/response-head.ts";
import type { GradientController } from "./gradient-controller.ts";

/**
 * Holds the requests on their way to one upstream to the limit of a controller, and tells it what becomes of each. Every try is one
 * request to the server. A tunnel has no answer to wait for, and is not counted.
 */
export class ConcurrencyStage implements Stage {
  readonly #controller: GradientController;
  readonly #monotonicMs: () => number;

  constructor(controller: GradientController, monotonicMs: () => number) {
    this.#controller = controller;
    this.#monotonicMs = monotonicMs;
  }

  before(upstream: Upstream, head: RequestHead): Upstream {
    return head.isConnect ? upstream : new CountedRequest(upstream, this.#controller, this.#monotonicMs);
  }
}

/** `waiting` for its answer, which then is `answered`; `out` before and after that. */
type State = "out" | "waiting" | "answered";

/**
 * One request, try by try: counted from when it asks for a connection until its response has ended, it was lost, or nobody wants it any
 * more. Its latency is the server's own: from the end of the request, or its head where that is not over, to the response's head. How
 * slowly a client sends and reads is not the server's doing.
 */
class CountedRequest extends PassThrough {
  readonly #controller: GradientController;
  readonly #monotonicMs: () => number;
  #state: State = "out";
  #beganMs = 0;
  /** When the server had what it has of the request; -1 while it has nothing. */
  #sentMs = -1;
  #isSent = false;

  constructor(upstream: Upstream, controller: GradientController, monotonicMs: () => number) {
    super(upstream);
    this.#controller = controller;
    this.#monotonicMs = monotonicMs;
  }

  override acquire(waiter: UpstreamWaiter, wantsFresh: boolean, tried?: readonly object[]): void {
    // One whose connection took no more requests goes on with the next, and is counted already.
    if (this.#state === "answered") this.#end();
    if (this.#state === "out") {
      this.#beganMs = this.#monotonicMs();
      if (!this.#controller.tryBegin(this.#beganMs)) {
        waiter.onNoUpstream("concurrency_limit");
        return;
      }
      this.#state = "waiting";
    }
    this.#sentMs = -1;
    this.#isSent = false;
    super.acquire(waiter, wantsFresh, tried);
  }

  override cancel(waiter: UpstreamWaiter): void {
    super.cancel(waiter);
    this.#end();
  }

  override onNoUpstream(failure: UpstreamFailure): void {
    this.#end();
    super.onNoUpstream(failure);
  }

  override send(head: RequestHead, isEnd: boolean, receiver: ResponseReceiver): UpstreamStream | undefined {
    this.#sentMs = this.#monotonicMs();
    this.#isSent = isEnd;
    return super.send(head, isEnd, receiver);
  }

  override data(bytes: Buffer, start: number, end: number, isEnd: boolean): number {
    const taken = super.data(bytes, start, end, isEnd);
    if (isEnd && taken === end - start) this.#onSent();
    return taken;
  }

  override trailers(block: FieldBlock): void {
    super.trailers(block);
    this.#onSent();
  }

  override abort(): void {
    super.abort();
    this.#end();
  }

  /** What is read for nobody takes no place. */
  override leave(): void {
    super.leave();
    this.#end();
  }

  override onResponse(head: ResponseHead, isEnd: boolean): void {
    if (this.#state === "waiting") {
      const nowMs = this.#monotonicMs();
      this.#state = "answered";
      this.#controller.answer(nowMs - this.#sentMs, this.#beganMs, nowMs);
    }
    if (isEnd) this.#end();
    super.onResponse(head, isEnd);
  }

  override onResponseData(bytes: Buffer, start: number, end: number, isEnd: boolean): void {
    if (isEnd) this.#end();
    super.onResponseData(bytes, start, end, isEnd);
  }

  override onResponseTrailers(block: FieldBlock): void {
    this.#end();
    super.onResponseTrailers(block);
  }

  override onUpstreamLost(loss: UpstreamLoss): void {
    // What a connection's end takes along says nothing of how long an answer takes.
    this.#isSent = false;
    this.#end();
    super.onUpstreamLost(loss);
  }

  #onSent(): void {
    this.#isSent = true;
    this.#sentMs = this.#monotonicMs();
  }

  /** However often it is told of the end: once counted, once over. */
  #end(): void {
    const state = this.#state;
    this.#state = "out";
    if (state === "answered") this.#controller.end();
    if (state !== "waiting") return;
    const nowMs = this.#monotonicMs();
    this.#controller.giveUp(this.#isSent ? nowMs - this.#sentMs : 0, nowMs);
  }
}
