import type { FieldBlock } from "../message/field-block.ts";
import type { RequestHead } from "../message/request-head.ts";
import type { ResponseHead } from "../message/response-head.ts";
import { canonicalTrailers } from "../message/request-rules.ts";
import type { FailedTry } from "../resilience/retry-policy.ts";
import type { RequestRefusal } from "../telemetry/http-counters.ts";
import { Attempts } from "./attempts.ts";
import { BodyPipe } from "./body-pipe.ts";
import type {
  AnswerObserver,
  Downstream,
  ResponseReceiver,
  Upstream,
  UpstreamConnection,
  UpstreamFailure,
  UpstreamLoss,
  UpstreamStream,
  UpstreamWaiter,
} from "./ends.ts";
import type { Expiring } from "./deadlines.ts";
import type { ExchangeContext } from "./exchange-context.ts";
import { failureReply, ownResponse, type Refusal } from "./local-reply.ts";
import type { Observation } from "./observation.ts";
import * as own from "./own-replies.ts";
import type { ForwardPolicy, LocalReply, RequestPolicy, RouteEffects } from "./policy.ts";
import { type Asker, type Decided, PolicyQuestion } from "./policy-question.ts";
import { Resends } from "./resends.ts";
import { throughStages } from "./stage.ts";
import { TimeLimit } from "./time-limit.ts";

/** Interim responses (1xx) of one request: each is passed on whether or not its client reads. */
const maxInterims = 100;

/**
 * One request and its response: asks the policy, gets a connection, passes both bodies on as fast as their receivers take
 * them, sends a request again when that is certainly safe, and answers itself when nobody else does.
 */
export class Exchange implements Asker, ResponseReceiver, UpstreamWaiter, Expiring {
  readonly #downstream: Downstream;
  readonly #context: ExchangeContext;
  readonly #startedMs: number;
  #head: RequestHead | undefined;
  #route: RouteEffects | undefined;
  #policy: ForwardPolicy | undefined;
  #question: PolicyQuestion | undefined;
  #upstream: Upstream | undefined;
  #stream: UpstreamStream | undefined;
  #observer: AnswerObserver | undefined;
  #sentMs = 0;
  readonly #request: BodyPipe;
  readonly #response: BodyPipe;
  #isBodyless = false;
  /** Both directions end by themselves (RFC 9110 section 9.3.6, RFC 8441). */
  #isTunnel = false;
  #hasResponse = false;
  #isOver = false;
  #resends: Resends | undefined;
  /** Only where the policy has retries. */
  #attempts: Attempts | undefined;
  #interims = 0;
  #limit: TimeLimit | undefined;
  /** Something has moved since the last sweep, which says when: so that looking for idle exchanges costs the busy nothing. */
  #hasMoved = true;
  #idleSinceMs = 0;
  /** While somebody watches and it is not over. */
  #observed: Observation | undefined;

  constructor(downstream: Downstream, context: ExchangeContext) {
    this.#downstream = downstream;
    this.#context = context;
    this.#request = new BodyPipe(context.memory, true);
    this.#response = new BodyPipe(context.memory, false);
    this.#startedMs = context.monotonicMs();
    context.counters.requests++;
    this.#observed = context.observer?.begin(downstream.peer, downstream.version, this.#startedMs);
  }

  /** Everything of the request has come. */
  get hasRequestEnded(): boolean {
    return this.#request.hasEnded;
  }

  get hasResponse(): boolean {
    return this.#hasResponse;
  }

  /** The response is complete, or there will be none. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Begins; `isEnd` when the request has no body. */
  start(head: RequestHead, isEnd: boolean, policy: RequestPolicy): void {
    this.#isBodyless = isEnd;
    this.#request.hasEnded = isEnd;
    if (this.#observed !== undefined) this.#observed.head = head;
    const admitted = own.admit(head, this.#context);
    if (!("block" in admitted)) {
      this.#head = head;
      this.#reply(admitted);
      return;
    }
    this.#head = admitted;
    this.#question = new PolicyQuestion(policy, admitted);
    this.#question.ask(this);
  }

  /** From the policy, at once or later. */
  onDecided(decided: Decided): void {
    if (this.#isOver) return;
    if (this.#question !== undefined) this.#observed?.decide(this.#question.canonical, decided);
    if (decided.action === "reply") {
      this.#reply(decided);
      return;
    }
    const { policy, route } = decided;
    const head = this.#observed?.forward(decided.head) ?? decided.head;
    this.#head = head;
    this.#route = route;
    this.#policy = policy;
    const upstream = throughStages(decided.upstream, policy, head, this.#observed);
    this.#upstream = head.grpc.startsWith("grpc-web") ? this.#context.forGrpcWeb(upstream) : upstream;
    this.#limit = TimeLimit.of(head, policy, { startedMs: this.#startedMs, owner: this }, this.#context);
    const canDrain = this.#upstream === upstream;
    if (policy?.retry !== undefined) this.#attempts = new Attempts(policy.retry, this.#context, this, canDrain);
    this.#upstream.acquire(this, false);
  }

  /** From the downstream: more of the request's body. */
  onRequestData(bytes: Buffer, start: number, end: number, isEnd: boolean): void {
    if (this.#isOver) {
      // What is still sent is read and dropped, so that the answer is not lost to a reset.
      this.#request.hasEnded ||= isEnd;
      if (end > start) this.#downstream.consumeRequest(end - start);
      return;
    }
    this.#hasMoved = true;
    this.#observed?.countRequest(end - start, isEnd);
    const taken = this.#request.data(this.#stream, bytes, start, end, isEnd);
    if (taken > 0) this.#downstream.consumeRequest(taken);
    if (this.#isTunnel && this.#response.isDone) this.#finish();
  }

  onRequestTrailers(block: FieldBlock): void {
    if (this.#isOver) this.#request.hasEnded = true;
    else this.#request.trailers(this.#stream, canonicalTrailers(block, this.#context.rules()));
  }

  /** The client takes bytes again. */
  onDownstreamWritable(): void {
    this.#hasMoved = true;
    const taken = this.#response.resume(this.#downstream);
    this.#observed?.countResponse(taken);
    if (taken > 0) this.#stream?.consumeResponse(taken);
    if (this.#response.isDone) this.#finish();
  }

  /** The client is gone, or gave the request up; `problem` when what it sent was no request in the end. */
  onDownstreamLost(problem?: RequestRefusal): void {
    if (this.#isOver) return;
    this.#observed?.loseClient(problem);
    this.#end();
    this.#upstream?.cancel(this);
    this.#stream?.abort();
  }

  /** The policy has other rules now: what they do not allow any more ends, however long it has been under way. */
  recheck(): void {
    if (this.#isOver) return;
    this.#question?.recheck((reply) => {
      if (!this.#isOver) this.#cut({ ...reply, reason: reply.reason ?? "denied" });
    });
  }

  /** The client of a gRPC call, or the policy, has given it so much time and no more. */
  onDeadline(): void {
    this.#limit?.expire();
    this.#tellLate();
    if (!this.#isOver) this.#cut(this.#lateReply());
  }

  /** The next try begins. */
  tryAgain(tried: readonly object[]): void {
    if (!this.#isOver) this.#upstream?.acquire(this, false, tried);
  }

  /** A try has had its time without a response. */
  onTryTimeout(): void {
    this.#tellLate();
    this.#resends?.cancel(this.#context.deadlines);
    this.#upstream?.cancel(this);
    this.#stream?.abort();
    this.#stream = undefined;
    if (!this.#retriesFailure("reset")) this.#reply(own.timedOut);
  }

  #tellLate(): void {
    if (!this.#isOver && this.#stream !== undefined && !this.#hasResponse) this.#observer?.onLate();
  }

  #lateReply(): Refusal {
    return this.#limit?.reason === "grpc_deadline" ? own.deadlineExceeded : own.timedOut;
  }

  /** Calls the upstream off, and ends the exchange with `reply` or, when a response has begun, in the middle of it. */
  #cut(reply: Refusal): void {
    this.#upstream?.cancel(this);
    this.#stream?.abort();
    this.#stream = undefined;
    if (!this.#hasResponse) {
      this.#reply(reply);
      return;
    }
    this.#countRefusal(reply.reason);
    this.#end();
    this.#downstream.abort("cancelled");
  }

  onUpstream(connection: UpstreamConnection): void {
    const head = this.#head;
    if (this.#isOver || head === undefined) return;
    this.#observed?.send(connection);
    const stream = connection.send(head, this.#isBodyless, this.#attempts?.receiver(connection) ?? this);
    if (stream === undefined) {
      this.#upstream?.acquire(this, false);
      return;
    }
    this.#hasMoved = true;
    this.#stream = stream;
    this.#observer = connection.observer;
    if (this.#observer !== undefined) this.#sentMs = this.#context.monotonicMs();
    this.#attempts?.onSent(stream);
    if (!this.#isBodyless) this.onUpstreamWritable();
  }

  onNoUpstream(failure: UpstreamFailure): void {
    if (failure === "connect_failure" && this.#retriesFailure("connect-failure")) return;
    this.#reply(failureReply(failure));
  }

  onInform(head: ResponseHead): void {
    this.#hasMoved = true;
    if (++this.#interims > maxInterims) this.#giveUp(own.badGateway);
    else this.#downstream.inform(head);
  }

  onResponse(head: ResponseHead, isEnd: boolean): void {
    this.#observer?.onAnswer(head, this.#sentMs, this.#head?.grpc ?? "");
    if (this.#attempts !== undefined && this.#retriesResponse(this.#attempts, head, isEnd)) return;
    this.#isTunnel = this.#head?.isConnect === true && head.status < 300 && !isEnd;
    this.#begin(this.#route === undefined ? head : this.#route.editResponse(head), isEnd);
    if (isEnd) this.#finish();
  }

  onResponseData(bytes: Buffer, start: number, end: number, isEnd: boolean): void {
    this.#hasMoved = true;
    const taken = this.#response.data(this.#downstream, bytes, start, end, isEnd);
    this.#observed?.countResponse(taken);
    if (taken > 0) this.#stream?.consumeResponse(taken);
    if (this.#response.isDone) this.#finish();
  }

  onResponseTrailers(block: FieldBlock): void {
    if (this.#head?.grpc === "grpc") this.#observer?.onGrpcTrailers(block);
    if (this.#observed !== undefined) this.#observed.trailers = block;
    this.#response.trailers(this.#downstream, block);
    if (this.#response.isDone) this.#finish();
  }

  onUpstreamLost(loss: UpstreamLoss): void {
    if (this.#isOver) return;
    this.#stream = undefined;
    // A server that has answered and wants no more of the request has not failed (RFC 9113 section 8.1).
    if (this.#response.hasEnded && !this.#isTunnel) return;
    if (!loss.isUnprocessed) this.#observer?.onLost();
    if (this.#hasResponse) {
      if (this.#observed !== undefined) this.#observed.refusal = "upstream_lost";
      this.#end();
      this.#downstream.abort(loss.reason);
    } else if (this.#leftMs <= 0) {
      // The server keeps the time as well, more finely than we do: what it cut off is late, not unavailable.
      this.#reply(this.#lateReply());
    } else if (this.#canResend(loss)) {
      this.#context.counters.retries++;
      this.#attempts?.onResend();
      this.#request.rewind();
      this.#resends?.begin(this.#context, () => this.#upstream?.acquire(this, loss.wasReused));
    } else if (loss.isMalformed || !this.#retriesFailure(loss.isUnprocessed ? "refused-stream" : "reset")) {
      this.#giveUp(loss.isMalformed ? own.badGateway : own.upstreamLost);
    }
  }

  onUpstreamWritable(): void {
    if (this.#stream === undefined) return;
    this.#hasMoved = true;
    const taken = this.#request.resume(this.#stream);
    if (taken > 0) this.#downstream.consumeRequest(taken);
    if (this.#isTunnel && this.#response.isDone) this.#finish();
  }

  get #leftMs(): number {
    return this.#limit?.leftMs(this.#context.monotonicMs()) ?? Number.POSITIVE_INFINITY;
  }

  /** Called about once a second: ends what has not moved for too long. Tunnels may be silent as long as their connections. */
  sweep(nowMs: number, idleTimeoutMs: number): void {
    if (this.#isOver) return;
    if (this.#hasMoved) {
      this.#hasMoved = false;
      this.#idleSinceMs = nowMs;
    } else if (!this.#isTunnel && nowMs - this.#idleSinceMs >= (this.#policy?.idleTimeoutMs ?? idleTimeoutMs)) {
      const isClientSlow = !this.#request.hasEnded && !this.#request.isHeldUp;
      if (!isClientSlow) this.#tellLate();
      this.#giveUp(isClientSlow ? own.requestTimeout : own.gatewayTimeout);
    }
  }

  #canResend(loss: UpstreamLoss): boolean {
    if (loss.isMalformed || !this.#request.canRewind || this.#head === undefined) return false;
    this.#resends ??= new Resends();
    return this.#resends.take(loss, this.#head.method);
  }

  #retriesFailure(failure: FailedTry): boolean {
    if (this.#attempts === undefined || this.#head === undefined) return false;
    return this.#attempts.takeFailure(failure, { head: this.#head, body: this.#request, leftMs: this.#leftMs });
  }

  #retriesResponse(attempts: Attempts, head: ResponseHead, isEnd: boolean): boolean {
    if (this.#head === undefined) return false;
    const request = { head: this.#head, body: this.#request, leftMs: this.#leftMs };
    const isTaken = attempts.takeResponse(head, request, isEnd, this.#isBodyless || this.#request.isDone);
    if (isTaken) this.#stream = undefined;
    return isTaken;
  }

  /** Ends the exchange from our side: with an answer, or, after one has begun, by cutting it short. */
  #giveUp(reply: Refusal): void {
    const stream = this.#stream;
    this.#stream = undefined;
    if (stream === undefined) this.#upstream?.cancel(this);
    if (this.#hasResponse) {
      this.#countRefusal(reply.reason);
      this.#end();
      this.#downstream.abort("failed");
    } else {
      this.#reply(reply);
    }
    stream?.abort();
  }

  #reply(reply: LocalReply): void {
    if (reply.reason !== undefined) this.#countRefusal(reply.reason);
    const { head, body } = ownResponse(reply, this.#head);
    const isEnd = body.length === 0;
    this.#begin(head, isEnd);
    const taken = isEnd ? 0 : this.#response.data(this.#downstream, body, 0, body.length, true);
    this.#observed?.countResponse(taken);
    if (isEnd || this.#response.isDone) this.#finish();
  }

  #countRefusal(reason: RequestRefusal): void {
    this.#context.counters.refusals[reason]++;
    if (this.#observed !== undefined) this.#observed.refusal = reason;
  }

  #begin(head: ResponseHead, isEnd: boolean): void {
    this.#hasResponse = true;
    this.#hasMoved = true;
    this.#request.forget();
    const nowMs = this.#context.monotonicMs();
    this.#context.counters.countResponse(head.status, nowMs - this.#startedMs);
    this.#observed?.respond(head, nowMs);
    if (isEnd) this.#end();
    this.#downstream.respond(head, isEnd);
  }

  #end(): void {
    this.#isOver = true;
    this.#question?.end();
    this.#request.drop();
    this.#response.drop();
    this.#resends?.cancel(this.#context.deadlines);
    this.#attempts?.end();
    this.#attempts = undefined;
    const observed = this.#observed;
    this.#observed = undefined;
    observed?.observer.ended(observed);
    this.#limit?.end(this);
  }

  /** The response has gone out completely; the rest of the request, if any, has nobody to go to. */
  #finish(): void {
    if (this.#isTunnel && !this.#request.isDone) return;
    this.#end();
    const stream = this.#stream;
    this.#stream = undefined;
    if (!this.#request.hasEnded || !(this.#isBodyless || this.#request.isDone)) stream?.abort();
  }
}
