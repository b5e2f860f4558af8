import type { FieldBlock } from "../message/field-block.ts";
import type { RequestHead } from "../message/request-head.ts";
import type { ResponseHead } from "../message/response-head.ts";
import type { BufferedMemory } from "../buffered-memory.ts";
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

/** What the exchanges of one listener share. */
export interface ExchangeContext {
  readonly counters: HttpCounters;
  readonly monotonicMs: () => number;
  readonly memory: BufferedMemory;
}

/** Methods whose second execution changes nothing (RFC 9110 section 9.2.2): these may be sent again. */
const idempotentMethods: ReadonlySet<string> = new Set(["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"]);
/** Sending again is for accidents of connections, not for servers that fail. */
const maxResends = 2;

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
  readonly #request: BodyPipe;
  readonly #response: BodyPipe;
  #isBodyless = false;
  /** Both directions end by themselves (RFC 9110 section 9.3.6, RFC 8441). */
  #isTunnel = false;
  #hasResponse = false;
  #isOver = false;
  #resends = 0;

  constructor(downstream: Downstream, context: ExchangeContext) {
    this.#downstream = downstream;
    this.#context = context;
    this.#request = new BodyPipe(context.memory);
    this.#response = new BodyPipe(context.memory);
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
    if (this.#context.memory.isOverloaded) {
      this.#context.counters.refusals.overload++;
      this.#reply(overloaded, head.method === "HEAD");
      return;
    }
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
    const taken = this.#response.resume(this.#downstream);
    if (taken > 0) this.#stream?.consumeResponse(taken);
    if (this.#response.isDone) this.#finish();
  }

  /** The client is gone, or gave the request up. */
  onDownstreamLost(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#dropBodies();
    this.#upstream?.cancel(this);
    this.#stream?.abort();
  }

  onUpstream(connection: UpstreamConnection): void {
    const head = this.#head;
    if (this.#isOver || head === undefined) return;
    const stream = connection.send(head, this.#isBodyless, this);
    if (stream === undefined) {
      this.#upstream?.acquire(this, true);
      return;
    }
    this.#stream = stream;
    if (!this.#isBodyless) this.onUpstreamWritable();
  }

  onNoUpstream(failure: UpstreamFailure): void {
    this.#context.counters.refusals[failure]++;
    this.#reply(failureReply(failure), this.#head?.method === "HEAD");
  }

  onInform(head: ResponseHead): void {
    this.#downstream.inform(head);
  }

  onResponse(head: ResponseHead, isEnd: boolean): void {
    this.#begin(head, isEnd);
    if (isEnd) this.#finish();
  }

  onResponseData(bytes: Buffer, start: number, end: number, isEnd: boolean): void {
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
    if (this.#hasResponse) {
      this.#isOver = true;
      this.#dropBodies();
      this.#downstream.abort();
    } else if (this.#canResend(loss)) {
      this.#resends++;
      this.#context.counters.retries++;
      this.#upstream?.acquire(this, loss.wasReused);
    } else {
      this.#context.counters.refusals.upstream_lost++;
      this.#reply(upstreamLost, this.#head?.method === "HEAD");
    }
  }

  onUpstreamWritable(): void {
    if (this.#stream === undefined) return;
    const taken = this.#request.resume(this.#stream);
    if (taken > 0) this.#downstream.consumeRequest(taken);
    this.#endTunnel();
  }

  #endTunnel(): void {
    if (this.#isTunnel && this.#response.isDone) this.#finish();
  }

  /** Only a request without a body is still whole here, and only an accident of reuse says nothing about the server. */
  #canResend(loss: UpstreamLoss): boolean {
    const head = this.#head;
    if (!this.#isBodyless || this.#resends >= maxResends || head === undefined) return false;
    return loss.isUnprocessed || (loss.wasReused && idempotentMethods.has(head.method));
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
    this.#context.counters.countResponse(head.status, this.#context.monotonicMs() - this.#startedMs);
    this.#isTunnel = this.#head?.isConnect === true && head.status < 300 && !isEnd;
    if (isEnd) this.#isOver = true;
    this.#downstream.respond(head, isEnd);
  }

  /** The response has gone out completely; the rest of the request, if any, has nobody to go to. */
  #finish(): void {
    if (this.#isTunnel && !this.#request.isDone) return;
    this.#isOver = true;
    if (!this.#request.hasEnded || !(this.#isBodyless || this.#request.isDone)) this.#stream?.abort();
    this.#stream = undefined;
    this.#dropBodies();
  }

  #dropBodies(): void {
    this.#request.drop();
    this.#response.drop();
  }
}

const overloaded = textReply(503, "overload");
const noTunnels = textReply(501, "unsupported method");
const upstreamLost = textReply(503, "upstream connection was lost before the response");
