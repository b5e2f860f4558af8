import type { ConnectionCounters } from "../telemetry/connection-counters.ts";
import type { HttpCounters } from "../telemetry/http-counters.ts";
import { Relay } from "../relay/relay.ts";
import type { Connection, ConnectionHandler } from "../transport/transport.ts";
import type { ClientConnection } from "./client-connection.ts";
import type { Exchange, LocalReply, RequestPolicy, Upstream, UpstreamFailure } from "./exchange.ts";
import { type ForwardEdits, forwardedHead, isForwardedAsIs } from "./forward.ts";
import { MessageHead, parseRequestHead } from "./head.ts";
import { encodeLocalReply, failureReply, problemReply, textReply } from "./local-reply.ts";
import { OutgoingRequest } from "./outgoing-request.ts";
import { RequestBody } from "./request-body.ts";

/** What all connections of one listener share. */
export interface ServerContext {
  readonly counters: HttpCounters;
  readonly connections: ConnectionCounters;
  readonly monotonicMs: () => number;
  /** While true every response is the last of its connection. */
  isDraining(): boolean;
}

export interface ServerConnectionOptions {
  readonly connection: Connection;
  readonly policy: RequestPolicy;
  readonly context: ServerContext;
  readonly onClosed: () => void;
}

/** A client that has begun a head must finish it within this time. */
const headTimeoutMs = 60_000;
/** Methods whose second execution changes nothing (RFC 9110 section 9.2.2): these may be sent again. */
const idempotentMethods = ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"];

type Phase = "head" | "exchange" | "closing" | "tunnel" | "closed";

/** One head for all connections: it is read completely before any other byte is parsed. */
const head = new MessageHead();
const noBytes = new Uint8Array(0);

/**
 * The server side of one HTTP/1.1 connection: reads a request, asks the policy, carries it through an upstream, and only
 * then reads the next one, so pipelined requests are answered in order. It is its own {@link Exchange}: a request costs
 * no object.
 */
export class ServerConnection implements ConnectionHandler, Exchange {
  readonly #connection: Connection;
  readonly #policy: RequestPolicy;
  readonly #context: ServerContext;
  readonly #onClosed: () => void;
  #phase: Phase = "head";
  /** Bytes received and not yet parsed. */
  #pending: Buffer | undefined;
  #headSinceMs = 0;
  readonly #body = new RequestBody();
  #upstreams: Upstream | undefined;
  #upstream: ClientConnection | undefined;
  readonly #outgoing = new OutgoingRequest();
  #isHead = false;
  #isUpgrade = false;
  #closesAfter = false;
  #hasResponse = false;
  #hasClientEnded = false;
  #startedMs = 0;
  #relay: Relay | undefined;

  constructor(options: ServerConnectionOptions) {
    this.#connection = options.connection;
    this.#policy = options.policy;
    this.#context = options.context;
    this.#onClosed = options.onClosed;
    options.connection.handler = this;
  }

  /** Between two requests with nothing received: closing now loses nothing. */
  get isIdle(): boolean {
    return this.#phase === "head" && this.#pending === undefined;
  }

  get lastActivityMs(): number {
    return this.#relay?.lastActivityMs ?? this.#connection.lastActivityMs;
  }

  destroy(): void {
    if (this.#relay !== undefined) this.#relay.destroy();
    else this.#connection.destroy();
  }

  /** Ends the connection now when it is idle, else after the response under way. */
  drain(): void {
    if (this.isIdle) this.#close();
    else if (this.#phase === "exchange") this.#closesAfter = true;
  }

  /** Called about once a second. */
  sweep(limits: { readonly nowMs: number; readonly idleTimeoutMs: number }): void {
    if (limits.nowMs - this.lastActivityMs > limits.idleTimeoutMs) this.destroy();
    else if (this.#phase === "closing" && limits.nowMs - this.lastActivityMs > headTimeoutMs) this.destroy();
    else if (
      this.#phase === "head" &&
      this.#pending !== undefined &&
      limits.nowMs - this.#headSinceMs > headTimeoutMs
    ) {
      this.#context.counters.refusals.head_timeout++;
      this.#refuse(textReply(408, "request head took too long"));
    }
  }

  onData(chunk: Buffer): void {
    this.#context.connections.readBytes += chunk.length;
    switch (this.#phase) {
      case "head":
        // A client that does not read its answers gets no more questions read.
        if (this.#connection.isBlocked) this.#keepForLater(chunk);
        else this.#readRequests(this.#pending === undefined ? chunk : Buffer.concat([this.#pending, chunk]));
        return;
      case "exchange":
        if (!this.#body.isDone) this.#onBodyBytes(chunk);
        else this.#keepForLater(chunk);
        return;
      default:
        // Closing: what the client still sends is read and dropped, so that our answer is not lost to a reset.
        return;
    }
  }

  onDrain(): void {
    if (this.#phase === "exchange") this.#upstream?.resume();
    else if (this.#phase === "head") this.#continue();
  }

  onEnd(): void {
    this.#hasClientEnded = true;
    if (this.#phase === "exchange") {
      if (!this.#body.isDone) this.#connection.destroy();
    } else if (this.#pending === undefined) this.#close();
    else if (!this.#connection.isBlocked) this.#connection.destroy();
  }

  onClose(): void {
    if (this.#phase === "closed") return;
    this.#phase = "closed";
    this.#upstreams?.cancel(this);
    this.#upstream?.abort();
    this.#upstream = undefined;
    this.#onClosed();
  }

  onUpstream(upstream: ClientConnection, isFresh: boolean): void {
    this.#upstream = upstream;
    upstream.start(this, { isHead: this.#isHead, isUpgrade: this.#isUpgrade });
    const canTakeMore = this.#outgoing.sendTo(upstream, isFresh);
    if (this.#body.isDone) upstream.finishRequest();
    else if (canTakeMore) this.#connection.resume();
    else this.#connection.pause();
  }

  onNoUpstream(failure: UpstreamFailure): void {
    this.#context.counters.refusals[failure]++;
    this.#replyInstead(failureReply(failure));
  }

  onResponseHead(response: MessageHead, chunk: Buffer, bodyEnd: number): void {
    if (response.status < 200 && response.status !== 101) {
      this.#write(chunk.subarray(response.start, response.end));
      return;
    }
    this.#outgoing.forget();
    this.#hasResponse = true;
    this.#context.counters.countResponse(response.status, this.#context.monotonicMs() - this.#startedMs);
    if (response.status === 101) {
      this.#startTunnel(response, chunk);
      return;
    }
    const endsByClose = response.contentLength < 0 && !response.isChunked && !this.#isHead && hasBody(response.status);
    if (endsByClose || response.minorVersion === 0 || !this.#body.isDone || this.#context.isDraining()) {
      this.#closesAfter = true;
    }
    const edits: ForwardEdits = this.#closesAfter ? closeEdits : plainEdits;
    const out = isForwardedAsIs(response, edits)
      ? wholeOrPart(chunk, response.start, bodyEnd)
      : forwardedHead(response, edits, bodyEnd);
    if (!this.#write(out)) this.#upstream?.pause();
  }

  onResponseBody(chunk: Buffer): void {
    if (!this.#write(chunk)) this.#upstream?.pause();
  }

  onResponseEnd(): void {
    this.#upstream = undefined;
    if (this.#closesAfter || !this.#body.isDone) {
      this.#close();
      return;
    }
    this.#phase = "head";
    if (!this.#connection.isBlocked) this.#continue();
  }

  onUpstreamLost(): void {
    this.#upstream = undefined;
    if (this.#hasResponse) {
      // The client must see that the body is cut short, so the connection may not end in order.
      this.#connection.destroy();
      return;
    }
    if (this.#outgoing.takeSecondTry()) {
      this.#context.counters.retries++;
      this.#upstreams?.acquire(this, true);
      return;
    }
    this.#context.counters.refusals.upstream_lost++;
    this.#replyInstead(textReply(503, "upstream connection was lost before the response"));
  }

  onUpstreamDrain(): void {
    if (this.#phase === "exchange" && !this.#body.isDone) this.#connection.resume();
  }

  /** Reads what waited behind the last request, then listens again. */
  #continue(): void {
    const bytes = this.#pending;
    this.#pending = undefined;
    if (bytes !== undefined) this.#readRequests(bytes);
    if (this.#phase !== "head") return;
    // After the client's end nothing more can come: what is left is half a request, or nothing.
    if (this.#hasClientEnded && !this.#connection.isBlocked) this.#close();
    else this.#connection.resume();
  }

  /** Reads one request after another until one is under way, bytes run out or the client cannot take more. */
  #readRequests(bytes: Buffer): void {
    let rest: Buffer | undefined = bytes;
    while (rest !== undefined && this.#phase === "head" && !this.#connection.isBlocked) {
      const outcome = parseRequestHead(rest, 0, head);
      if (outcome === "incomplete") {
        if (this.#pending === undefined) this.#headSinceMs = this.#connection.lastActivityMs;
        this.#pending = rest;
        return;
      }
      if (outcome !== "complete") {
        this.#context.counters.refusals[outcome]++;
        this.#refuse(problemReply(outcome));
        return;
      }
      this.#pending = undefined;
      rest = this.#onRequest(rest);
    }
    this.#pending = this.#phase === "closing" ? undefined : rest;
  }

  /** Handles the request in `head`; returns the bytes behind it. */
  #onRequest(bytes: Buffer): Buffer | undefined {
    const { counters } = this.#context;
    counters.requests++;
    if (head.isConnect) {
      // A tunnel that nobody opens: what follows may not be read as the next request.
      counters.refusals.unsupported_method++;
      this.#refuse(problemReply("unsupported_method"));
      return undefined;
    }
    this.#startedMs = this.#context.monotonicMs();
    this.#isHead = head.isMethod("HEAD");
    this.#closesAfter = head.hasClose || head.minorVersion === 0;
    this.#hasResponse = false;
    const bodyEnd = this.#body.begin(head, bytes);
    if (bodyEnd < 0) {
      counters.refusals.malformed_body++;
      this.#refuse(textReply(400, "malformed chunked body"));
      return undefined;
    }
    const rest = bodyEnd < bytes.length ? bytes.subarray(bodyEnd) : undefined;
    const decision = this.#policy.decide(head);
    if (decision.action === "reply") {
      if (decision.status === 403) counters.refusals.denied++;
      this.#reply(decision);
      return rest;
    }
    this.#isUpgrade = head.isUpgrade && this.#body.isDone && head.minorVersion === 1;
    const canResend = this.#body.isDone && !this.#isUpgrade && isIdempotent();
    this.#outgoing.begin(this.#encode(bytes, bodyEnd, decision.addition), canResend);
    this.#phase = "exchange";
    this.#upstreams = decision.upstream;
    decision.upstream.acquire(this, false);
    // Until an upstream has the request, no more of its body is read.
    if (this.#upstream === undefined && !this.#body.isDone) this.#connection.pause();
    return rest;
  }

  #encode(bytes: Buffer, bodyEnd: number, addition: Uint8Array): Uint8Array {
    const edits = { addition, keepsUpgrade: this.#isUpgrade, addsClose: head.minorVersion === 0 };
    if (isForwardedAsIs(head, edits)) return wholeOrPart(bytes, 0, bodyEnd);
    return forwardedHead(head, edits, bodyEnd);
  }

  #onBodyBytes(chunk: Buffer): void {
    const end = this.#body.advance(chunk);
    if (end < 0) {
      this.#context.counters.refusals.malformed_body++;
      this.#upstreams?.cancel(this);
      this.#upstream?.abort();
      this.#upstream = undefined;
      if (this.#hasResponse) this.#connection.destroy();
      else this.#refuse(textReply(400, "malformed chunked body"));
      return;
    }
    const part = wholeOrPart(chunk, 0, end);
    if (end < chunk.length) this.#keepForLater(chunk.subarray(end));
    if (this.#upstream === undefined) {
      this.#outgoing.hold(part);
      this.#connection.pause();
      return;
    }
    const canTakeMore = this.#upstream.write(part);
    if (this.#body.isDone) this.#upstream.finishRequest();
    else if (!canTakeMore) this.#connection.pause();
  }

  /** Bytes of the next request: kept, and no more read, until its turn comes. */
  #keepForLater(chunk: Buffer): void {
    this.#pending = this.#pending === undefined ? chunk : Buffer.concat([this.#pending, chunk]);
    this.#connection.pause();
  }

  #startTunnel(response: MessageHead, chunk: Buffer): void {
    const upstream = this.#upstream;
    if (upstream === undefined) return;
    this.#upstream = undefined;
    this.#phase = "tunnel";
    this.#write(forwardedHead(response, upgradeEdits, chunk.length));
    const server = upstream.detach();
    if (this.#pending !== undefined) server.write(this.#pending);
    this.#pending = undefined;
    this.#relay = new Relay({
      client: this.#connection,
      server,
      counters: this.#context.connections,
      onClosed: () => this.onClose(),
    });
  }

  /** Our own answer to the request under way, whose upstream failed. */
  #replyInstead(reply: LocalReply): void {
    if (this.#phase !== "exchange") return;
    this.#outgoing.forget();
    this.#phase = "head";
    this.#reply(reply);
    if (this.#phase === "head") this.#continue();
  }

  #reply(reply: LocalReply): void {
    // A body that was not read cannot be told from the next request, so the connection ends here.
    const addsClose = this.#closesAfter || !this.#body.isDone || this.#context.isDraining();
    this.#context.counters.countResponse(reply.status, this.#context.monotonicMs() - this.#startedMs);
    this.#write(encodeLocalReply(reply, { isHead: this.#isHead, addsClose }));
    if (addsClose) this.#close();
  }

  /** Answers bytes that are not a request that can be served, and ends the connection. */
  #refuse(reply: LocalReply): void {
    this.#pending = undefined;
    this.#write(encodeLocalReply(reply, { isHead: false, addsClose: true }));
    this.#close();
  }

  #close(): void {
    this.#phase = "closing";
    this.#pending = undefined;
    this.#connection.resume();
    this.#connection.end();
  }

  #write(chunk: Uint8Array): boolean {
    this.#context.connections.writeBytes += chunk.length;
    return this.#connection.write(chunk);
  }
}

const plainEdits: ForwardEdits = { addition: noBytes, keepsUpgrade: false, addsClose: false };
const closeEdits: ForwardEdits = { addition: noBytes, keepsUpgrade: false, addsClose: true };
const upgradeEdits: ForwardEdits = { addition: noBytes, keepsUpgrade: true, addsClose: false };

function hasBody(status: number): boolean {
  return status !== 204 && status !== 304;
}

function isIdempotent(): boolean {
  return idempotentMethods.some((method) => head.isMethod(method));
}

function wholeOrPart(bytes: Buffer, start: number, end: number): Buffer {
  return start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end);
}
