import type { FailedTry } from "../resilience/retry-policy.ts";
import type { FieldBlock } from "../message/field-block.ts";
import type { RequestHead } from "../message/request-head.ts";
import type { ResponseHead } from "../message/response-head.ts";
import type { HttpCounters } from "../telemetry/http-counters.ts";
import type { Deadlines, Expiring } from "./deadlines.ts";
import type { ResponseReceiver, UpstreamConnection, UpstreamLoss, UpstreamStream } from "./ends.ts";
import type { RetryRules } from "./policy.ts";

/** A response that is not wanted is read to its end if it is so short and ends so soon: its connection can be used again. */
const maxDrainBytes = 16 * 1024;
const maxDrainMs = 1_000;
/** Deadlines are more than 0. */
const shortestPauseMs = 0.001;

export interface AttemptsContext {
  readonly deadlines: Deadlines;
  readonly random: () => number;
  readonly counters: HttpCounters;
}

/** A request that may be tried again; `leftMs` is what is left of its time. */
export interface TriedRequest {
  readonly head: RequestHead;
  readonly body: { readonly canRewind: boolean; rewind(): void };
  readonly leftMs: number;
}

/** The exchange whose tries these are. */
export interface AttemptsOwner extends ResponseReceiver {
  /** The pause is over: the next try begins, where possible not on one of `tried`. */
  tryAgain(tried: readonly object[]): void;
  /** The try has had its time. */
  onTryTimeout(): void;
}

/** The tries of one request, where its policy has retries: how many, how long each, what comes between them. */
export class Attempts implements Expiring {
  readonly #rules: RetryRules;
  readonly #context: AttemptsContext;
  readonly #owner: AttemptsOwner;
  /** Whether a response that was begun and is not wanted may go on beside the next try: not where something carries one at a time. */
  readonly #canDrain: boolean;
  readonly #tried: object[] = [];
  #current: Attempt | undefined;
  #retries = 0;
  #isRetrying = false;
  #isPausing = false;
  /** Of `Deadlines`: the end of the try or of the pause; -1 for none. */
  #slot = -1;

  constructor(rules: RetryRules, context: AttemptsContext, owner: AttemptsOwner, canDrain: boolean) {
    this.#rules = rules;
    this.#context = context;
    this.#owner = owner;
    this.#canDrain = canDrain;
    rules.budget.beginRequest();
    this.#startTry();
  }

  /** Who is told what comes back over `connection`. */
  receiver(connection: UpstreamConnection): ResponseReceiver {
    if (connection.endpoint !== undefined) this.#tried.push(connection.endpoint);
    this.#current = new Attempt(this.#owner, this.#context.deadlines);
    return this.#current;
  }

  onSent(stream: UpstreamStream): void {
    if (this.#current !== undefined) this.#current.stream = stream;
  }

  onResend(): void {
    this.#rules.budget.countResend();
  }

  /**
   * Whether there is another try after a response, which then is dropped and the request's body rewound; else that is the response that
   * the client gets. `isEnd` when the response has no more, `isSent` when all of the request has been passed on.
   */
  takeResponse(response: ResponseHead, { head, body, leftMs }: TriedRequest, isEnd: boolean, isSent: boolean): boolean {
    const isWanted = !body.canRewind || !this.#rules.policy.retriesResponse(response, head);
    if (isWanted || !this.#take(leftMs, response)) {
      this.#clear();
      return false;
    }
    if (isSent && isEnd) this.#current?.detach();
    else if (isSent && this.#canDrain) this.#current?.drain();
    else this.#current?.abort();
    body.rewind();
    return true;
  }

  /** The same after a try without a response. */
  takeFailure(failure: FailedTry, { head, body, leftMs }: TriedRequest): boolean {
    if (!body.canRewind || !this.#rules.policy.retriesFailure(failure, head.method)) return false;
    if (!this.#take(leftMs, undefined)) return false;
    body.rewind();
    return true;
  }

  onDeadline(): void {
    this.#slot = -1;
    if (!this.#isPausing) {
      this.#owner.onTryTimeout();
      return;
    }
    this.#isPausing = false;
    this.#startTry();
    this.#owner.tryAgain(this.#tried);
  }

  /** The request is over. */
  end(): void {
    this.#clear();
    this.#endRetry();
    this.#rules.budget.endRequest();
  }

  #take(leftMs: number, response: ResponseHead | undefined): boolean {
    const { policy, budget } = this.#rules;
    if (this.#retries >= policy.config.attempts) return false;
    const delayMs = policy.delayMs(this.#retries + 1, this.#context.random(), response);
    if (delayMs < 0 || delayMs >= leftMs) return false;
    this.#endRetry();
    if (!budget.tryBeginRetry(policy.config.budget)) {
      this.#context.counters.retriesOverBudget++;
      return false;
    }
    this.#isRetrying = true;
    this.#retries++;
    this.#context.counters.retries++;
    this.#clear();
    this.#isPausing = true;
    this.#slot = this.#context.deadlines.add(Math.max(delayMs, shortestPauseMs), this);
    return true;
  }

  #startTry(): void {
    const { perTryTimeoutMs } = this.#rules.policy.config;
    if (perTryTimeoutMs > 0) this.#slot = this.#context.deadlines.add(perTryTimeoutMs, this);
  }

  #endRetry(): void {
    if (this.#isRetrying) this.#rules.budget.endRetry();
    this.#isRetrying = false;
  }

  #clear(): void {
    if (this.#slot >= 0) this.#context.deadlines.remove(this.#slot, this);
    this.#slot = -1;
    this.#isPausing = false;
  }
}

/** One try: passes on what comes back, or, once nobody wants it, reads it to its end. */
class Attempt implements ResponseReceiver, Expiring {
  stream: UpstreamStream | undefined;
  readonly #deadlines: Deadlines;
  #to: ResponseReceiver | undefined;
  #drained = 0;
  #slot = -1;

  constructor(to: ResponseReceiver, deadlines: Deadlines) {
    this.#to = to;
    this.#deadlines = deadlines;
  }

  detach(): void {
    this.#to = undefined;
    this.stream?.leave?.();
  }

  drain(): void {
    this.detach();
    this.#slot = this.#deadlines.add(maxDrainMs, this);
  }

  abort(): void {
    this.#to = undefined;
    this.#stop();
    this.stream?.abort();
  }

  onDeadline(): void {
    this.#slot = -1;
    this.stream?.abort();
  }

  onInform(head: ResponseHead): void {
    this.#to?.onInform(head);
  }

  onResponse(head: ResponseHead, isEnd: boolean): void {
    this.#to?.onResponse(head, isEnd);
  }

  onResponseData(bytes: Buffer, start: number, end: number, isEnd: boolean): void {
    if (this.#to !== undefined) {
      this.#to.onResponseData(bytes, start, end, isEnd);
      return;
    }
    this.#drained += end - start;
    if (isEnd) this.#stop();
    if (this.#drained > maxDrainBytes && !isEnd) this.abort();
    else if (end > start) this.stream?.consumeResponse(end - start);
  }

  onResponseTrailers(block: FieldBlock): void {
    if (this.#to === undefined) this.#stop();
    else this.#to.onResponseTrailers(block);
  }

  onUpstreamLost(loss: UpstreamLoss): void {
    if (this.#to === undefined) this.#stop();
    else this.#to.onUpstreamLost(loss);
  }

  onUpstreamWritable(): void {
    this.#to?.onUpstreamWritable();
  }

  #stop(): void {
    if (this.#slot >= 0) this.#deadlines.remove(this.#slot, this);
    this.#slot = -1;
  }
}
