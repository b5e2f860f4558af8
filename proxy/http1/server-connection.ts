import type { ProxyLimits } from "../../lib/contract/proxy-limits.ts";
import type { FieldBlock } from "../message/field-block.ts";
import type { ResponseHead } from "../message/response-head.ts";
import type { SweepLimits } from "../connection-set.ts";
import type { Downstream } from "../exchange/ends.ts";
import { Exchange } from "../exchange/exchange.ts";
import { type DownstreamPeer, type HttpVersion, observeRefusal } from "../exchange/observation.ts";
import { replyHead, textReply } from "../exchange/local-reply.ts";
import type { LocalReply } from "../exchange/policy.ts";
import { restMs, type ServerConnectionOptions, type ServerContext } from "../exchange/server-context.ts";
import { Outbox } from "../transport/outbox.ts";
import { keep } from "../../lib/base/received-memory.ts";
import type { Connection, ConnectionHandler } from "../transport/transport.ts";
import { BodyReader, type BodyReceiver } from "./body-reader.ts";
import { canonicalRequest, type Http1Request } from "./canonical-head.ts";
import { chunkOf, lastChunk } from "./chunk.ts";
import { encodeResponseHead, encodeTrailers, type ResponseForm } from "./encode-head.ts";
import { findHeadEnd, type HeadProblem, MessageHead, parseRequestHead } from "./head.ts";
import { HeadCache } from "./head-cache.ts";
import { problemReply } from "./problem-reply.ts";

type Phase = "head" | "exchange" | "closing" | "closed";

/** One parser for all connections: a head is read completely before any other byte is parsed. */
const parsed = new MessageHead();

/**
 * The server side of one HTTP/1.1 connection: reads a request, hands it to an exchange, writes the response, and only then
 * reads the next one, so pipelined requests are answered in order.
 */
export class ServerConnection implements ConnectionHandler, Downstream, BodyReceiver {
  /** Served on the connection so far. */
  requests: number;
  readonly #connection: Connection;
  readonly #options: ServerConnectionOptions;
  readonly #limits: ProxyLimits;
  readonly #out: Outbox;
  readonly #cache = new HeadCache<Http1Request>();
  readonly #body: BodyReader;
  #phase: Phase = "head";
  #exchange: Exchange | undefined;
  #request: Http1Request | undefined;
  /** Bytes received and not yet parsed. */
  #pending: Buffer | undefined;
  /** When the head that is incomplete began; -1 when there is none. */
  #headSinceMs = -1;
  #closingSinceMs = 0;
  #closesAfter = false;
  #isChunked = false;
  #isTunnel = false;
  /** The response says by itself where it ends. */
  #isFramed = false;
  #isReading = false;
  #hasClientEnded = false;
  /** Body bytes passed on and not yet taken by the upstream: while there are any, no more are read. */
  #unread = 0;

  constructor(options: ServerConnectionOptions, requests = 0) {
    this.#options = options;
    this.requests = requests;
    this.#limits = options.context.limits();
    this.#body = new BodyReader(this, this.#limits.http1);
    this.#connection = options.connection;
    this.#out = new Outbox(options.connection, options.context.turn);
    options.connection.handler = this;
  }

  get peer(): DownstreamPeer {
    return this.#connection;
  }

  /** Nothing is under way or wanted: another object can take over from here. */
  get isAtRest(): boolean {
    return this.#phase === "head" && this.#pending === undefined && !this.#closesAfter && !this.#out.isBlocked;
  }

  get version(): HttpVersion {
    return this.#request?.minorVersion === 0 ? "HTTP/1.0" : "HTTP/1.1";
  }

  get #context(): ServerContext {
    return this.#options.context;
  }

  /** Ends the connection when it is idle, else after the response under way. */
  drain(): void {
    this.#closesAfter = true;
    this.#maybeRest(this.#context.monotonicMs());
  }

  destroy(): void {
    this.#connection.destroy();
  }

  recheck(): void {
    this.#exchange?.recheck();
  }

  sweep({ nowMs, idleTimeoutMs, streamIdleTimeoutMs }: SweepLimits): void {
    const { headTimeoutMs, lingerMs, stalledReadMs } = this.#limits.http1;
    const { closures } = this.#context.connections;
    this.#exchange?.sweep(nowMs, streamIdleTimeoutMs);
    if (nowMs - this.#connection.lastActivityMs > idleTimeoutMs) {
      closures.idle++;
      this.destroy();
    } else if (this.#phase === "closing" && this.#hasLingered(nowMs, lingerMs)) this.destroy();
    else if (this.#out.isBlocked && nowMs - this.#connection.lastWrittenMs > stalledReadMs) {
      closures.stalled_reader++;
      this.destroy();
    } else if (this.#phase === "head" && this.#headSinceMs >= 0 && nowMs - this.#headSinceMs > headTimeoutMs) {
      this.#context.counters.refusals.head_timeout++;
      this.#refuse(textReply(408, "request head took too long"));
    } else {
      if (!this.#context.memory.isOverloaded) this.#readOn();
      if (this.#context.isDraining()) this.#maybeRest(nowMs);
    }
  }

  onData(chunk: Buffer): void {
    this.#context.connections.readBytes += chunk.length;
    switch (this.#phase) {
      case "head":
        // A client that does not read its answers gets no more questions read.
        if (this.#out.isBlocked) this.#keepForLater(chunk);
        else this.#readRequests(this.#pending === undefined ? chunk : Buffer.concat([this.#pending, chunk]));
        return;
      case "exchange":
        if (this.#body.isDone) this.#keepForLater(chunk);
        else this.#readBody(chunk);
        return;
      default:
        // Closing: what the client still sends is read and dropped, so that our answer is not lost to a reset.
        return;
    }
  }

  onDrain(): void {
    if (this.#phase === "exchange") this.#exchange?.onDownstreamWritable();
    if (this.#phase === "head") this.#continue();
  }

  onEnd(): void {
    this.#hasClientEnded = true;
    if (this.#phase === "exchange") {
      // A tunnel's direction ends; a body that is cut short makes the request void.
      if (!this.#body.end()) this.destroy();
    } else if (this.#pending === undefined) this.#close();
    else if (!this.#out.isBlocked) this.destroy();
  }

  onClose(): void {
    if (this.#phase === "closed") return;
    this.#phase = "closed";
    this.#keep(undefined);
    this.#exchange?.onDownstreamLost();
    this.#exchange = undefined;
    this.#options.seat.leave();
  }

  onBody(bytes: Buffer, start: number, end: number, isEnd: boolean): void {
    this.#unread += end - start;
    this.#exchange?.onRequestData(bytes, start, end, isEnd);
    if (this.#unread > 0 || this.#context.memory.isOverloaded) this.#connection.pause();
  }

  onBodyTrailers(block: FieldBlock): void {
    this.#exchange?.onRequestTrailers(block);
  }

  consumeRequest(count: number): void {
    this.#unread -= count;
    if (!this.#context.memory.isOverloaded) this.#readOn();
  }

  /** Counted from when the last byte left, so that a slow reader gets all of the last answer. */
  #hasLingered(nowMs: number, lingerMs: number): boolean {
    const sinceMs = Math.max(this.#closingSinceMs, this.#connection.lastWrittenMs);
    return !this.#out.isBlocked && nowMs - sinceMs > lingerMs;
  }

  #readOn(): void {
    const isBodyWanted = this.#phase === "exchange" && this.#unread === 0 && !this.#body.isDone;
    if (this.#phase === "head" ? !this.#out.isBlocked : isBodyWanted) this.#connection.resume();
  }

  inform(head: ResponseHead): void {
    if (this.#request?.minorVersion === 0) return;
    this.#write(encodeResponseHead(head, plainForm));
  }

  respond(head: ResponseHead, isEnd: boolean): void {
    const request = this.#request;
    if (request === undefined) return;
    const { protocol, isConnect } = request.head;
    this.#isTunnel = isConnect && head.status < 300;
    const hasLength = head.contentLength >= 0 || isEnd;
    this.#isChunked = !hasLength && !this.#isTunnel && request.minorVersion > 0;
    this.#isFramed = (hasLength || this.#isChunked) && !this.#isTunnel;
    // A client of HTTP/1.0 reads to the end; what is left of a request's body cannot be told from the next request.
    if ((!hasLength && request.minorVersion === 0) || !this.#body.isDone || this.#context.isDraining()) {
      this.#closesAfter = true;
    }
    const isUpgraded = this.#isTunnel && protocol !== "";
    this.#write(
      encodeResponseHead(head, {
        isChunked: this.#isChunked,
        addsClose: this.#closesAfter && !isUpgraded,
        isEmpty: isEnd && head.contentLength < 0 && request.head.method !== "HEAD" && hasBody(head.status),
        protocol: isUpgraded ? protocol : "",
      }),
    );
    if (this.#isTunnel) this.#closesAfter = true;
    if (isEnd) this.#onResponseEnd();
  }

  data(bytes: Buffer, start: number, end: number, isEnd: boolean): number {
    if (end > start) {
      if (this.#out.isBlocked) return 0;
      if (this.#isChunked) this.#write(chunkOf(bytes, start, end, isEnd));
      else this.#write(bytes, start, end);
    } else if (isEnd && this.#isChunked) {
      this.#write(lastChunk);
    }
    if (isEnd) this.#onResponseEnd();
    return end - start;
  }

  trailers(block: FieldBlock): void {
    // Without chunks there is no place for them: they are lost, as RFC 9110 section 6.5.1 allows.
    if (this.#isChunked) this.#write(encodeTrailers(block));
    this.#onResponseEnd();
  }

  abort(): void {
    this.#exchange = undefined;
    // What has come of the response is the client's. Where nothing but the connection's end would tell that it is not all,
    // that has to be a reset.
    if (this.#isFramed) this.#close();
    else this.destroy();
  }

  #maybeRest(nowMs: number): void {
    const isIdle = this.#phase === "head" && this.#pending === undefined;
    if (isIdle && nowMs - this.#connection.lastActivityMs >= restMs) this.#close();
  }

  /** Reads one request after another until one is under way, bytes run out or the client cannot take more. */
  #readRequests(bytes: Buffer): void {
    let at = 0;
    this.#keep(undefined);
    this.#isReading = true;
    while (at < bytes.length && this.#phase === "head" && !this.#out.isBlocked) {
      const request = this.#parse(bytes, at);
      if (request === "incomplete") {
        // From its first byte on: one that drips has no more time than one that stops.
        if (this.#headSinceMs < 0) this.#headSinceMs = this.#context.monotonicMs();
        if (this.#context.memory.isOverloaded) this.#connection.pause();
        break;
      }
      if (typeof request === "string") {
        this.#context.counters.refusals[request]++;
        const reply = problemReply(request);
        const refused = { version: "HTTP/1.1", refusal: request, status: reply.status } as const;
        observeRefusal(this.#context.observer, this.#connection, refused);
        this.#refuse(reply);
        break;
      }
      at = this.#begin(request, bytes, this.#headEnd);
    }
    this.#isReading = false;
    if (at < bytes.length && (this.#phase === "head" || this.#phase === "exchange")) {
      this.#keep(at === 0 ? bytes : bytes.subarray(at));
      if (this.#phase === "exchange") this.#connection.pause();
    }
  }

  #headEnd = 0;

  #parse(bytes: Buffer, start: number): Http1Request | HeadProblem | "incomplete" {
    const end = findHeadEnd(bytes, start);
    const known = end < 0 ? undefined : this.#cache.find(bytes, start, end);
    this.#headEnd = end;
    if (known !== undefined) return known;
    const outcome = parseRequestHead(bytes, start, parsed, this.#limits.http1);
    if (outcome !== "complete") return outcome;
    const request = canonicalRequest(parsed, this.#context.defaultAuthority);
    if (typeof request !== "string") this.#cache.store(bytes, start, end, request);
    return request;
  }

  /** Starts the exchange of a request whose head ended at `headEnd`; returns where the bytes behind it begin. */
  #begin(request: Http1Request, bytes: Buffer, headEnd: number): number {
    const { policy } = this.#options;
    this.#request = request;
    const exchange = new Exchange(this, this.#context);
    this.#exchange = exchange;
    this.#headSinceMs = -1;
    this.#closesAfter = request.hasClose;
    if (++this.requests >= this.#limits.connections.maxRequests) {
      this.#context.connections.closures.max_requests++;
      this.#closesAfter = true;
    }
    this.#phase = "exchange";
    this.#unread = 0;
    if (request.head.isConnect) this.#body.beginUntilEnd();
    else if (request.isChunked) this.#body.beginChunked();
    else this.#body.beginLength(request.bodyBytes);
    exchange.start(request.head, this.#body.isDone, policy);
    if (this.#exchange !== exchange || this.#body.isDone) return headEnd;
    const end = this.#body.read(bytes, headEnd);
    if (end >= 0) return end;
    this.#onMalformedBody();
    return bytes.length;
  }

  #readBody(chunk: Buffer): void {
    const end = this.#body.read(chunk, 0);
    if (end < 0) this.#onMalformedBody();
    else if (end < chunk.length && this.#phase === "exchange") this.#keepForLater(chunk.subarray(end));
    else if (end < chunk.length && this.#phase === "head") this.#readRequests(chunk.subarray(end));
  }

  #onMalformedBody(): void {
    this.#context.counters.refusals.malformed_body++;
    const hasBegun = this.#exchange?.hasResponse ?? false;
    this.#exchange?.onDownstreamLost("malformed_body");
    this.#exchange = undefined;
    if (hasBegun) this.destroy();
    else this.#refuse(textReply(400, "malformed chunked body"));
  }

  #onResponseEnd(): void {
    if (this.#isTunnel && !this.#body.isDone) {
      this.#out.end();
      return;
    }
    this.#exchange = undefined;
    // An idle connection does not hold on to the head of its last request, nor to the text that its strings are parts of.
    this.#request = undefined;
    if (this.#closesAfter || !this.#body.isDone) {
      this.#body.abandon();
      this.#close();
      return;
    }
    this.#phase = "head";
    if (!this.#isReading && !this.#out.isBlocked) this.#continue();
  }

  /** Reads what waited behind the last request, then listens again. */
  #continue(): void {
    const bytes = this.#pending;
    if (bytes !== undefined) this.#readRequests(bytes);
    if (this.#phase !== "head") return;
    // After the client's end nothing more can come: what is left is half a request, or nothing.
    if (this.#hasClientEnded && !this.#out.isBlocked) this.#close();
    else this.#connection.resume();
  }

  /** Bytes of the next request: kept, and no more read, until its turn comes. */
  #keepForLater(chunk: Buffer): void {
    this.#keep(this.#pending === undefined ? chunk : Buffer.concat([this.#pending, chunk]));
    this.#connection.pause();
  }

  #keep(bytes: Buffer | undefined): void {
    if (this.#pending !== undefined) this.#context.memory.heldBytes -= this.#pending.length;
    if (bytes !== undefined) this.#context.memory.heldBytes += keep(bytes).length;
    this.#pending = bytes;
  }

  /** Answers bytes that are not a request that can be served, and ends the connection. */
  #refuse(reply: LocalReply): void {
    const { head, body } = replyHead(reply);
    this.#write(encodeResponseHead(head, closeForm));
    this.#write(body);
    this.#close();
  }

  #close(): void {
    this.#phase = "closing";
    this.#closingSinceMs = this.#context.monotonicMs();
    this.#keep(undefined);
    this.#connection.resume();
    this.#out.end();
  }

  #write(bytes: Buffer, start = 0, end = bytes.length): void {
    this.#context.connections.writeBytes += end - start;
    this.#out.write(bytes, start, end);
  }
}

const plainForm: ResponseForm = { isChunked: false, addsClose: false, isEmpty: false, protocol: "" };
const closeForm: ResponseForm = { isChunked: false, addsClose: true, isEmpty: false, protocol: "" };

function hasBody(status: number): boolean {
  return status !== 204 && status !== 304;
}
