import type { Expiring } from "../../exchange/deadlines.ts";
import type {
  AnswerObserver,
  ResponseReceiver,
  UpstreamConnection,
  UpstreamFailure,
  UpstreamLoss,
  UpstreamStream,
  UpstreamWaiter,
} from "../../exchange/ends.ts";
import type { FieldBlock } from "../../message/field-block.ts";
import type { RequestHead } from "../../message/request-head.ts";
import type { ResponseHead } from "../../message/response-head.ts";
import { isFailedResponse } from "../../telemetry/outcome.ts";
import type { HedgedRequest } from "./hedge-stage.ts";
import { HedgeTry } from "./hedge-try.ts";
import { KeptBody } from "./kept-body.ts";

/**
 * One try of a request with its hedges. The exchange sees one connection and one stream: those of the first that connects, then those
 * of the response that wins. Failures count only when nobody else is left: the last one is the exchange's, to retry or to answer.
 */
export class HedgeGroup implements UpstreamConnection, UpstreamStream, AnswerObserver, Expiring {
  readonly request: HedgedRequest;
  readonly #waiter: UpstreamWaiter;
  /** Under way: connecting, or sent and without a response; the winner alone once there is one. */
  #tries: HedgeTry[] = [];
  /** The one that the exchange gives the body to. */
  #primary: HedgeTry | undefined;
  #winner: HedgeTry | undefined;
  #head: RequestHead | undefined;
  #receiver: ResponseReceiver | undefined;
  #body: KeptBody | undefined;
  /** Of those that are lost or that failed. */
  #loss: UpstreamLoss | undefined;
  #slot = -1;
  /** It is time for a hedge, which waits for the rest of the body. */
  #isDue = false;
  #isCounted = false;

  constructor(request: HedgedRequest, waiter: UpstreamWaiter) {
    this.request = request;
    this.#waiter = waiter;
  }

  get remoteAddress(): string {
    return (this.#winner ?? this.#primary)?.connection?.remoteAddress ?? "";
  }

  /** Each try tells its own of its answer or its loss; what only the exchange knows is passed on to them. */
  get observer(): AnswerObserver {
    return this;
  }

  onAnswer(): void {}

  onLost(): void {}

  onUnreachable(): void {}

  onLate(): void {
    for (const one of this.#tries) one.tellLate();
  }

  onGrpcTrailers(block: FieldBlock): void {
    this.#winner?.connection?.observer?.onGrpcTrailers(block);
  }

  get endpoint(): object | undefined {
    return this.#primary?.connection?.endpoint;
  }

  begin(wantsFresh: boolean, tried: readonly object[]): void {
    const { rules } = this.request;
    if (!rules.hasRetries) rules.budget.beginRequest();
    this.#isCounted = !rules.hasRetries;
    this.#arm();
    const first = new HedgeTry(this, false);
    this.#tries.push(first);
    first.acquire(wantsFresh, tried);
  }

  /** Nobody waits for a connection any more. What was sent is called off by `abort`. */
  cancel(): void {
    if (this.#head !== undefined) return;
    this.#endAll(undefined);
    this.#settle();
  }

  send(head: RequestHead, isEnd: boolean, receiver: ResponseReceiver): UpstreamStream | undefined {
    const body = new KeptBody(this.request.context.memory, isEnd);
    this.#body = body;
    this.#head = head;
    this.#receiver = receiver;
    if (this.#primary?.send(head, isEnd) !== true) {
      this.#endAll(undefined);
      this.#settle();
      return undefined;
    }
    if (!isEnd && this.#tries.length > 1) {
      // A hedge that is connecting could not be sent before the body is there.
      this.#endAll(this.#primary);
      this.#isDue = true;
    }
    return this;
  }

  data(bytes: Buffer, start: number, end: number, isEnd: boolean): number {
    const taken = this.#primary?.stream?.data(bytes, start, end, isEnd) ?? 0;
    this.#body?.add(bytes, start, start + taken);
    if (isEnd && start + taken === end) this.#onBodyEnd(undefined);
    return taken;
  }

  trailers(block: FieldBlock): void {
    this.#primary?.stream?.trailers(block);
    this.#onBodyEnd(block);
  }

  consumeResponse(count: number): void {
    this.#winner?.stream?.consumeResponse(count);
  }

  abort(): void {
    this.#endAll(undefined);
    this.#settle();
  }

  leave(): void {
    this.#winner?.stream?.leave?.();
  }

  onDeadline(): void {
    this.#slot = -1;
    this.#hedge();
  }

  onConnected(connected: HedgeTry): void {
    const { endpoint } = connected.connection ?? {};
    if (endpoint !== undefined && !this.request.used.includes(endpoint)) this.request.used.push(endpoint);
    if (this.#head === undefined) {
      this.#primary = connected;
      this.#waiter.onUpstream(this);
      return;
    }
    const { observed, context } = this.request;
    if (this.#body === undefined || !connected.sendWhole(this.#head, this.#body)) {
      this.#drop(connected);
      this.#loseIfLast();
      return;
    }
    context.counters.hedges++;
    if (observed !== undefined) observed.attempts++;
  }

  onNoUpstream(failed: HedgeTry, failure: UpstreamFailure): void {
    this.#drop(failed);
    if (this.#tries.length > 0) return;
    if (this.#head !== undefined) {
      this.#loseIfLast();
      return;
    }
    this.#settle();
    this.#waiter.onNoUpstream(failure);
  }

  onInform(head: ResponseHead): void {
    // With several on their way nobody knows whose answer it belongs to.
    if (this.#tries.length === 1) this.#receiver?.onInform(head);
  }

  onResponse(answered: HedgeTry, head: ResponseHead, isEnd: boolean): void {
    if (isFailedResponse(head) && this.#tries.some((one) => one !== answered && one.stream !== undefined)) {
      this.#loss = { reason: "failed", isUnprocessed: false, wasReused: false, isMalformed: false };
      this.#drop(answered, false);
      answered.drain(isEnd);
      return;
    }
    const { observed, context } = this.request;
    this.#winner = answered;
    this.#endAll(answered, true);
    this.#disarm();
    if (answered.isSent) this.#body?.forget();
    if (answered.isHedge) context.counters.hedgesWon++;
    if (observed !== undefined) observed.endpoint = this.remoteAddress;
    if (isEnd) this.#complete();
    this.#receiver?.onResponse(head, isEnd);
  }

  onResponseData(bytes: Buffer, start: number, end: number, isEnd: boolean): void {
    if (isEnd) this.#complete();
    this.#receiver?.onResponseData(bytes, start, end, isEnd);
  }

  onResponseTrailers(block: FieldBlock): void {
    this.#complete();
    this.#receiver?.onResponseTrailers(block);
  }

  onTryLost(lost: HedgeTry, loss: UpstreamLoss): void {
    this.#loss = this.#loss === undefined ? loss : worse(this.#loss, loss);
    this.#drop(lost);
    this.#loseIfLast();
  }

  /** Of the first one: a hedge has all of the body in its own hands. */
  onWritable(): void {
    this.#receiver?.onUpstreamWritable();
  }

  #onBodyEnd(trailers: FieldBlock | undefined): void {
    this.#body?.end(trailers);
    if (this.#isDue) this.#hedge();
  }

  /** Sends the request once more, if it may be now; a body that is longer than what is kept may never be. */
  #hedge(): void {
    const { request } = this;
    const { rules, context } = request;
    if (request.hedgesLeft === 0 || this.#winner !== undefined) return;
    this.#isDue = this.#body !== undefined && !this.#body.isWhole;
    if (this.#isDue) return;
    if (!rules.budget.tryBeginRetry(rules.budgetConfig)) {
      context.requests.retriesOverBudget++;
      return;
    }
    request.hedgesLeft--;
    const hedge = new HedgeTry(this, true);
    this.#tries.push(hedge);
    this.#arm();
    hedge.acquire(false, [...request.used]);
  }

  #arm(): void {
    const { hedgesLeft, context, rules } = this.request;
    if (hedgesLeft > 0) this.#slot = context.deadlines.add(rules.config.delayMs, this);
  }

  #disarm(): void {
    if (this.#slot >= 0) this.request.context.deadlines.remove(this.#slot, this);
    this.#slot = -1;
    this.#isDue = false;
  }

  /** Takes one out of those under way; with `isOver` nothing more is to come of it. */
  #drop(one: HedgeTry, isOver = true): void {
    const at = this.#tries.indexOf(one);
    if (at >= 0) this.#tries.splice(at, 1);
    if (isOver) one.end();
  }

  /** Calls all off but `kept`; `isOutrun` when it was faster. */
  #endAll(kept: HedgeTry | undefined, isOutrun = false): void {
    const ended = this.#tries.filter((one) => one !== kept);
    this.#tries = kept === undefined ? [] : [kept];
    for (const one of ended) one.abort(isOutrun);
  }

  #loseIfLast(): void {
    if (this.#tries.length > 0 || this.#loss === undefined) return;
    this.#settle();
    this.#receiver?.onUpstreamLost(this.#loss);
  }

  /** The response is. A hedge that still sends its body does so for nobody: as far as the exchange knows, it is sent. */
  #complete(): void {
    if (this.#winner?.isSent === false) this.#winner.stream?.abort();
    this.#settle();
  }

  /** Nothing is under way any more, or its response is complete. */
  #settle(): void {
    this.#disarm();
    this.#body?.forget();
    if (this.#isCounted) this.request.rules.budget.endRequest();
    this.#isCounted = false;
    for (const one of this.#tries) one.end();
  }
}

/** What may be said of a request that was lost twice. */
function worse(a: UpstreamLoss, b: UpstreamLoss): UpstreamLoss {
  return {
    reason: b.reason,
    isUnprocessed: a.isUnprocessed && b.isUnprocessed,
    wasReused: a.wasReused && b.wasReused,
    isMalformed: b.isMalformed,
  };
}
