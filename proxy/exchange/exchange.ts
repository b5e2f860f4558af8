import type { FieldBlock } from "../message/field-block.ts";
import type { RequestHead } from "../message/request-head.ts";
import type { ResponseHead } from "../message/response-head.ts";
import type { BufferedMemory } from "../buffered-memory.ts";
import { GrpcStatus } from "../message/grpc.ts";
import { canonicalRequest, canonicalTrailers, type RequestRules } from "../message/request-rules.ts";
import type { HttpCounters, RequestRefusal } from "../telemetry/http-counters.ts";
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
import type { Deadlines, Expiring } from "./deadlines.ts";
import { failureReply, grpcReplyHead, replyHead, ruleReply, textReply } from "./local-reply.ts";
import type { ExchangeObserver, Observation } from "./observation.ts";
import type { Decision, LocalReply, RequestPolicy, RouteEffects, Waiting } from "./policy.ts";
import { Resends } from "./resends.ts";

/** What the exchanges of one listener share. */
export interface ExchangeContext {
  readonly counters: HttpCounters;
  readonly deadlines: Deadlines;
  readonly monotonicMs: () => number;
  readonly random: () => number;
  /** The rules as they are now; the same object until they change. */
  readonly rules: () => RequestRules;
  /** Where a call of gRPC-Web goes: what it is given, or that behind a translation to gRPC. */
  readonly forGrpcWeb: (upstream: Upstream) => Upstream;
  readonly memory: BufferedMemory;
  /** Who wants to know of each exchange, if anybody does now. */
  readonly observer?: ExchangeObserver | undefined;
}

/** Interim responses (1xx) of one request: each is passed on whether or not its client reads. */
const maxInterims = 100;
/** Times that a policy may put one request off. */
const maxWaits = 8;

/**
 * One request and its response: asks the policy, gets a connection, passes both bodies on as fast as their receivers take
 * them, sends a request again when that is certainly safe, and answers itself when nobody else does.
 */
export class Exchange implements ResponseReceiver, UpstreamWaiter, Expiring {
  readonly #downstream: Downstream;
  readonly #context: ExchangeContext;
  readonly #startedMs: number;
  #head: RequestHead | undefined;
  #route: RouteEffects | undefined;
  /** What the policy was asked, to be asked again when its rules change. */
  #asked: RequestHead | undefined;
  #policy: RequestPolicy | undefined;
  #waits = 0;
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
  #interims = 0;
  /** Of `Deadlines`, or -1. */
  #deadlineSlot = -1;
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
    if (this.#observed !== undefined) this.#observed.head = head;
    if (this.#context.memory.isOverloaded) {
      this.#countRefusal("overload");
      this.#head = head;
      this.#reply(overloaded);
      return;
    }
    if (head.isConnect && head.protocol === "") {
      // A tunnel to wherever the client says: a proxy of a mesh opens none (RFC 9110 section 9.3.6).
      this.#countRefusal("unsupported_method");
      this.#reply(noTunnels);
      return;
    }
    const canonical = canonicalRequest(head, this.#context.rules());
    if (!("block" in canonical)) {
      const { reason, reply } = ruleReply(canonical);
      this.#head = head;
      this.#countRefusal(reason);
      this.#reply(reply);
      return;
    }
    this.#head = canonical;
    this.#asked = canonical;
    this.#policy = policy;
    this.#obey(policy.decide(canonical), canonical);
  }

  #obey(decision: Decision, canonical: RequestHead): void {
    if (decision.action === "wait") {
      this.#wait(decision, (again) => this.#obey(again, canonical));
      return;
    }
    this.#observed?.decide(canonical, decision);
    if (decision.action === "reply") {
      if (decision.reason !== undefined) this.#countRefusal(decision.reason);
      this.#reply(decision);
      return;
    }
    this.#head = this.#observed?.forward(decision.head) ?? decision.head;
    this.#route = decision.route;
    this.#forward(decision.upstream, this.#head);
  }

  /** Asks again when there is an answer to be had. The bodies wait as they do for a connection. */
  #wait({ settled }: Waiting, then: (decision: Decision) => void): void {
    void settled.then(() => {
      const { policy, head } = { policy: this.#policy, head: this.#asked };
      if (this.#isOver || policy === undefined || head === undefined) return;
      then(++this.#waits > maxWaits ? undecided : policy.decide(head));
    });
  }

  #forward(upstream: Upstream, { grpc, grpcTimeoutMs }: RequestHead): void {
    const isWeb = grpc === "grpc-web" || grpc === "grpc-web-text";
    this.#upstream = isWeb ? this.#context.forGrpcWeb(upstream) : upstream;
    if (grpc !== "" && grpcTimeoutMs > 0) this.#deadlineSlot = this.#context.deadlines.add(grpcTimeoutMs, this);
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
    this.#endTunnel();
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
    if (this.#isOver || this.#asked === undefined) return;
    const decision = this.#policy?.decide(this.#asked);
    if (decision !== undefined) this.#keepOrCut(decision);
  }

  #keepOrCut(decision: Decision): void {
    if (decision.action === "forward") return;
    if (decision.action === "wait") {
      this.#wait(decision, (again) => this.#keepOrCut(again));
      return;
    }
    this.#countRefusal(decision.reason ?? "denied");
    this.#cut(decision);
  }

  /** The client of a gRPC call has given it so much time and no more. */
  onDeadline(): void {
    this.#deadlineSlot = -1;
    if (this.#isOver) return;
    this.#countRefusal("grpc_deadline");
    this.#cut(deadlineExceeded);
  }

  /** Calls the upstream off, and ends the exchange with `reply` or, when a response has begun, in the middle of it. */
  #cut(reply: LocalReply): void {
    this.#upstream?.cancel(this);
    this.#stream?.abort();
    this.#stream = undefined;
    if (!this.#hasResponse) {
      this.#reply(reply);
      return;
    }
    this.#end();
    this.#downstream.abort("cancelled");
  }

  onUpstream(connection: UpstreamConnection): void {
    const head = this.#head;
    if (this.#isOver || head === undefined) return;
    this.#observed?.send(connection);
    const stream = connection.send(head, this.#isBodyless, this);
    if (stream === undefined) {
      this.#upstream?.acquire(this, false);
      return;
    }
    this.#hasMoved = true;
    this.#stream = stream;
    this.#observer = connection.observer;
    if (this.#observer !== undefined) this.#sentMs = this.#context.monotonicMs();
    if (!this.#isBodyless) this.onUpstreamWritable();
  }

  onNoUpstream(failure: UpstreamFailure): void {
    this.#countRefusal(failure);
    this.#reply(failureReply(failure));
  }

  onInform(head: ResponseHead): void {
    this.#hasMoved = true;
    if (++this.#interims > maxInterims) this.#giveUp("malformed_response", badGateway);
    else this.#downstream.inform(head);
  }

  onResponse(head: ResponseHead, isEnd: boolean): void {
    this.#observer?.onAnswer(head, this.#sentMs);
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
    if (this.#observed !== undefined) this.#observed.trailers = block;
    this.#response.trailers(this.#downstream, block);
    if (this.#response.isDone) this.#finish();
  }

  onUpstreamLost(loss: UpstreamLoss): void {
    if (this.#isOver) return;
    this.#stream = undefined;
    // A server that has answered and wants no more of the request has not failed (RFC 9113 section 8.1).
    if (this.#response.hasEnded && !this.#isTunnel) return;
    if (this.#hasResponse) {
      if (this.#observed !== undefined) this.#observed.refusal = "upstream_lost";
      this.#end();
      this.#downstream.abort(loss.reason);
    } else if (this.#isPastDeadline) {
      // The server keeps the time as well, more finely than we do: what it cut off is late, not unavailable.
      this.#countRefusal("grpc_deadline");
      this.#reply(deadlineExceeded);
    } else if (this.#canResend(loss)) {
      this.#context.counters.retries++;
      this.#request.rewind();
      this.#resends?.begin(this.#context, () => this.#upstream?.acquire(this, loss.wasReused));
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

  get #isPastDeadline(): boolean {
    if (this.#deadlineSlot < 0) return false;
    return this.#context.monotonicMs() - this.#startedMs >= (this.#head?.grpcTimeoutMs ?? Number.POSITIVE_INFINITY);
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
    this.#countRefusal(reason);
    const stream = this.#stream;
    this.#stream = undefined;
    if (stream === undefined) this.#upstream?.cancel(this);
    if (this.#hasResponse) {
      this.#end();
      this.#downstream.abort("failed");
    } else {
      this.#reply(reply);
    }
    stream?.abort();
  }

  #reply(reply: LocalReply): void {
    const grpc = this.#head?.grpc ?? "";
    if (grpc !== "") {
      this.#begin(grpcReplyHead(reply, grpc), true);
      this.#finish();
      return;
    }
    const { head, body } = replyHead(reply);
    const isEnd = this.#head?.method === "HEAD" || body.length === 0;
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
    this.#request.drop();
    this.#response.drop();
    this.#resends?.cancel(this.#context.deadlines);
    const observed = this.#observed;
    this.#observed = undefined;
    observed?.observer.ended(observed);
    if (this.#deadlineSlot < 0) return;
    this.#context.deadlines.remove(this.#deadlineSlot, this);
    this.#deadlineSlot = -1;
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

const deadlineExceeded = { ...textReply(504, "deadline exceeded"), grpcStatus: GrpcStatus.deadlineExceeded };
const undecided = { ...textReply(403, "authorization takes too long"), reason: "denied" } as const;
const overloaded = textReply(503, "overload");
const noTunnels = textReply(501, "unsupported method");
const upstreamLost = textReply(503, "upstream connection was lost before the response");
const badGateway = textReply(502, "upstream response could not be read");
const gatewayTimeout = textReply(504, "upstream response took too long");
const requestTimeout = textReply(408, "request took too long");
