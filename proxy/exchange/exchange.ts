import type { FieldBlock } from "../message/field-block.ts";
import type { RequestHead } from "../message/request-head.ts";
import type { ResponseHead } from "../message/response-head.ts";
import type { HttpCounters } from "../telemetry/http-counters.ts";
import { BodyPipe } from "./body-pipe.ts";
import type {
  Downstream,
  ResponseReceiver,
  Upstream,
  UpstreamConnection,
  UpstreamFailure,
  UpstreamLoss,
  UpstreamStream,
  UpstreamWaiter,
} from "./ends.ts";
import { failureReply, replyHead, textReply } from "./local-reply.ts";
import type { LocalReply, RequestPolicy } from "./policy.ts";
import { Resends } from "./resends.ts";

/** What the exchanges of one listener share. */
export interface ExchangeContext {
  readonly counters: HttpCounters;
  readonly monotonicMs: () => number;
}

/** Interim responses (1xx) of one request: each is passed on whether or not its client reads. */
const maxInterims = 100;

/**
 * One request and its response: asks the policy, gets a connection, passes both bodies on as fast as their receivers take
 * them, sends a request again when that is certainly safe, and answers itself when nobody else does.
 */
export class Exchange implements ResponseReceiver, UpstreamWaiter {
  readonly #downstream: Downstream;
  readonly #context: ExchangeContext;
  readonly #startedMs: number;
  #head: RequestHead | undefined;
  #upstream: Upstream | undefined;
  #stream: UpstreamStream | undefined;
  readonly #request = new BodyPipe(true);
  readonly #response = new BodyPipe(false);
  #isBodyless = false;
  /** Both directions end by themselves (RFC 9110 section 9.3.6, RFC 8441). */
  #isTunnel = false;
  #hasResponse = false;
  #isOver = false;
  #resends: Resends | undefined;
  #interims = 0;
  /** Something has moved since the last sweep, which says when: so that looking for idle exchanges costs the busy nothing. */
  #hasMoved = true;
  #idleSinceMs = 0;

  constructor(downstream: Downstream, context: ExchangeContext) {
    this.#downstream = downstream;
    this.#context = context;
    this.#startedMs = context.monotonicMs();
    context.counters.requests++;
  }

  /** Everything of the request has come. */
  get hasRequestEnded(): boolean {
    return this.#request.hasEnded;
  }

  /** A response head has been passed on. */
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
    if (head.isConnect && head.protocol === "") {
      // A tunnel to wherever the client says: a proxy of a mesh opens none (RFC 9110 section 9.3.6).
      this.#context.counters.refusals.unsupported_method++;
      this.#reply(noTunnels, false);
      return;
    }
    const decision = policy.decide(head);
    if (decision.action === "reply") {
      if (decision.status === 403) this.#context.counters.refusals.denied++;
      this.#reply(decision, head.method === "HEAD");
      return;
    }
    this.#head = decision.head;
    this.#upstream = decision.upstream;
    decision.upstream.acquire(this, false);
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
    const taken = this.#request.data(this.#stream, bytes, start, end, isEnd);
    if (taken > 0) this.#downstream.consumeRequest(taken);
    this.#endTunnel();
  }

  onRequestTrailers(block: FieldBlock): void {
    if (this.#isOver) this.#request.hasEnded = true;
    else this.#request.trailers(this.#stream, block);
  }

  /** The client takes bytes again. */
  onDownstreamWritable(): void {
    this.#hasMoved = true;
    const taken = this.#response.resume(this.#downstream);
    if (taken > 0) this.#stream?.consumeResponse(taken);
    if (this.#response.isDone) this.#finish();
  }

  /** The client is gone, or gave the request up. */
  onDownstreamLost(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#upstream?.cancel(this);
    this.#stream?.abort();
  }

  onUpstream(connection: UpstreamConnection): void {
    const head = this.#head;
    if (this.#isOver || head === undefined) return;
    const stream = connection.send(head, this.#isBodyless, this);
    if (stream === undefined) {
      this.#upstream?.acquire(this, false);
      return;
    }
    this.#hasMoved = true;
    this.#stream = stream;
    if (!this.#isBodyless) this.onUpstreamWritable();
  }

  onNoUpstream(failure: UpstreamFailure): void {
    this.#context.counters.refusals[failure]++;
    this.#reply(failureReply(failure), this.#head?.method === "HEAD");
  }

  onInform(head: ResponseHead): void {
    this.#hasMoved = true;
    if (++this.#interims > maxInterims) this.#giveUp("malformed_response", badGateway);
    else this.#downstream.inform(head);
  }

  onResponse(head: ResponseHead, isEnd: boolean): void {
    this.#begin(head, isEnd);
    if (isEnd) this.#finish();
  }

  onResponseData(bytes: Buffer, start: number, end: number, isEnd: boolean): void {
    this.#hasMoved = true;
    const taken = this.#response.data(this.#downstream, bytes, start, end, isEnd);
    if (taken > 0) this.#stream?.consumeResponse(taken);
    if (this.#response.isDone) this.#finish();
  }

  onResponseTrailers(block: FieldBlock): void {
    this.#response.trailers(this.#downstream, block);
    if (this.#response.isDone) this.#finish();
  }

  onUpstreamLost(loss: UpstreamLoss): void {
    if (this.#isOver) return;
    this.#stream = undefined;
    // All of the response is here: what is left of the request would only have been dropped.
    if (this.#response.hasEnded && !this.#isTunnel) return;
    if (this.#hasResponse) {
      this.#isOver = true;
      this.#downstream.abort();
    } else if (this.#canResend(loss)) {
      this.#context.counters.retries++;
      this.#request.rewind();
      this.#upstream?.acquire(this, loss.wasReused);
    } else if (loss.isMalformed) {
      this.#giveUp("malformed_response", badGateway);
    } else {
      this.#giveUp("upstream_lost", upstreamLost);
    }
  }

  onUpstreamWritable(): void {
    if (this.#stream === undefined) return;
    this.#hasMoved = true;
    const taken = this.#request.resume(this.#stream);
    if (taken > 0) this.#downstream.consumeRequest(taken);
    this.#endTunnel();
  }

  /** Called about once a second: ends what has not moved for too long. Tunnels may be silent as long as their connections. */
  sweep(nowMs: number, idleTimeoutMs: number): void {
    if (this.#isOver) return;
    if (this.#hasMoved) {
      this.#hasMoved = false;
      this.#idleSinceMs = nowMs;
    } else if (!this.#isTunnel && nowMs - this.#idleSinceMs >= idleTimeoutMs) {
      const isClientSlow = !this.#request.hasEnded && !this.#request.isHeldUp;
      this.#giveUp("stream_idle_timeout", isClientSlow ? requestTimeout : gatewayTimeout);
    }
  }

  #endTunnel(): void {
    if (this.#isTunnel && this.#response.isDone) this.#finish();
  }

  #canResend(loss: UpstreamLoss): boolean {
    if (loss.isMalformed || !this.#request.canRewind || this.#head === undefined) return false;
    this.#resends ??= new Resends();
    return this.#resends.take(loss, this.#head.method);
  }

  /** Ends the exchange from our side: with an answer, or, after one has begun, by cutting it short. */
  #giveUp(reason: "upstream_lost" | "malformed_response" | "stream_idle_timeout", reply: LocalReply): void {
    this.#context.counters.refusals[reason]++;
    const stream = this.#stream;
    this.#stream = undefined;
    if (stream === undefined) this.#upstream?.cancel(this);
    if (this.#hasResponse) {
      this.#isOver = true;
      this.#downstream.abort();
    } else {
      this.#reply(reply, this.#head?.method === "HEAD");
    }
    stream?.abort();
  }

  #reply(reply: LocalReply, isHead: boolean): void {
    const { head, body } = replyHead(reply);
    const isEnd = isHead || body.length === 0;
    this.#begin(head, isEnd);
    if (!isEnd) this.#response.data(this.#downstream, body, 0, body.length, true);
    if (isEnd || this.#response.isDone) this.#finish();
  }

  #begin(head: ResponseHead, isEnd: boolean): void {
    this.#hasResponse = true;
    this.#hasMoved = true;
    this.#request.forget();
    this.#context.counters.countResponse(head.status, this.#context.monotonicMs() - this.#startedMs);
    this.#isTunnel = this.#head?.isConnect === true && head.status < 300 && !isEnd;
    if (isEnd) this.#isOver = true;
    this.#downstream.respond(head, isEnd);
  }

  /** The response has gone out completely; the rest of the request, if any, has nobody to go to. */
  #finish(): void {
    if (this.#isTunnel && !this.#request.isDone) return;
    this.#isOver = true;
    const stream = this.#stream;
    this.#stream = undefined;
    if (!this.#request.hasEnded || !(this.#isBodyless || this.#request.isDone)) stream?.abort();
  }
}

const noTunnels = textReply(501, "unsupported method");
const upstreamLost = textReply(503, "upstream connection was lost before the response");
const badGateway = textReply(502, "upstream response could not be read");
const gatewayTimeout = textReply(504, "upstream response took too long");
const requestTimeout = textReply(408, "request took too long");
