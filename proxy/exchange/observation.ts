import type { FieldBlock } from "../message/field-block.ts";
import type { RequestHead } from "../message/request-head.ts";
import type { ResponseHead } from "../message/response-head.ts";
import type { RequestRefusal } from "../telemetry/http-counters.ts";
import type { Span } from "../telemetry/tracing/span.ts";
import type { PeerCertificate } from "../transport/transport.ts";
import type { UpstreamConnection } from "./ends.ts";
import type { Decision, Waiting } from "./policy.ts";

/** The client's connection, as those who watch want to know it. */
export interface DownstreamPeer {
  /** SPIFFE URI; empty when it is not known. */
  readonly peerUri: string;
  readonly peerCertificate: PeerCertificate | undefined;
  readonly remoteAddress: string;
}

export type HttpVersion = "HTTP/1.0" | "HTTP/1.1" | "HTTP/2";

/** Someone who wants to know of every exchange of a listener: access log, golden metrics, traces, taps. */
export interface ExchangeObserver {
  /** A request begins. What is returned is its exchange's until `ended`, and is used again after that. */
  begin(peer: DownstreamPeer, version: HttpVersion, nowMs: number): Observation;
  monotonicMs(): number;
  /** The head that goes on in place of `head`: the same, or one that also says where in a trace it belongs. */
  forward(observation: Observation, head: RequestHead): RequestHead;
  /** All is known; called once. */
  ended(observation: Observation): void;
}

/** The same for connections that are relayed without being read. */
export interface ConnectionObserver {
  /** As `begin` of an `ExchangeObserver`, of a connection whose protocol is nobody's business. */
  beginConnection(peer: DownstreamPeer, nowMs: number): Observation;
  endedConnection(observation: Observation): void;
}

const nobody: DownstreamPeer = { peerUri: "", peerCertificate: undefined, remoteAddress: "" };

/**
 * The facts of one request. Its exchange fills them in as they come, which costs an assignment each and no memory: objects are used again.
 * Times are monotonic milliseconds; -1 is not yet.
 */
export class Observation {
  readonly observer: ExchangeObserver;
  startedMs = 0;
  requestEndedMs = -1;
  firstByteMs = -1;
  endedMs = -1;
  peer: DownstreamPeer = nobody;
  /** Empty for a connection that is relayed. */
  version: HttpVersion | "" = "HTTP/1.1";
  /** The canonical head, that was matched and authorized; the one that came when it was refused before that. */
  head: RequestHead | undefined;
  route = "";
  cluster = "";
  /** Where it was sent last: `host:port`. */
  endpoint = "";
  /** Times that it was sent. */
  attempts = 0;
  /** 0 while there is no response. */
  status = 0;
  response: ResponseHead | undefined;
  trailers: FieldBlock | undefined;
  /** Of the bodies: what came of the request, what went out of the response. */
  requestBytes = 0;
  responseBytes = 0;
  /** Why this proxy answered itself or cut the response off; empty when it did not. */
  refusal: RequestRefusal | "" = "";
  /** A fault has held the request up. */
  isDelayed = false;
  /** The client went away before its response was complete. */
  isClientGone = false;
  /** What a tracer keeps here from `forward` to `ended`. */
  span: Span | undefined;

  constructor(observer: ExchangeObserver) {
    this.observer = observer;
  }

  begin(peer: DownstreamPeer, version: HttpVersion | "", nowMs: number): this {
    this.startedMs = nowMs;
    this.requestEndedMs = -1;
    this.firstByteMs = -1;
    this.peer = peer;
    this.version = version;
    this.route = "";
    this.cluster = "";
    this.endpoint = "";
    this.attempts = 0;
    this.status = 0;
    this.requestBytes = 0;
    this.responseBytes = 0;
    this.refusal = "";
    this.isClientGone = false;
    this.isDelayed = false;
    return this;
  }

  decide(canonical: RequestHead, decision: Exclude<Decision, Waiting>): void {
    this.head = canonical;
    this.route = decision.route?.name ?? "";
    this.isDelayed = decision.isDelayed === true;
    this.cluster = (decision.action === "forward" ? decision.cluster : undefined) ?? "";
  }

  forward(head: RequestHead): RequestHead {
    return this.observer.forward(this, head);
  }

  send({ remoteAddress }: UpstreamConnection): void {
    this.endpoint = remoteAddress;
    this.attempts++;
  }

  countRequest(bytes: number, isEnd: boolean): void {
    this.requestBytes += bytes;
    if (isEnd) this.requestEndedMs = this.observer.monotonicMs();
  }

  respond(head: ResponseHead, nowMs: number): void {
    this.status = head.status;
    this.response = head;
    this.firstByteMs = nowMs;
  }

  countResponse(bytes: number): void {
    this.responseBytes += bytes;
  }

  /** `problem` when what the client sent was no request in the end. */
  loseClient(problem: RequestRefusal | undefined): void {
    this.isClientGone = problem === undefined;
    this.refusal = problem ?? this.refusal;
  }

  /** Lets go of everything that a request has brought. */
  forget(): void {
    this.peer = nobody;
    this.head = undefined;
    this.response = undefined;
    this.trailers = undefined;
    this.span = undefined;
  }
}

/** Tells of a request that was refused before it was one. */
export function observeRefusal(
  observer: ExchangeObserver | undefined,
  peer: DownstreamPeer,
  { version, refusal, status }: { version: HttpVersion; refusal: RequestRefusal; status: number },
): void {
  if (observer === undefined) return;
  const observation = observer.begin(peer, version, observer.monotonicMs());
  observation.refusal = refusal;
  observation.status = status;
  observer.ended(observation);
}
