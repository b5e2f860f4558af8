import type { Http1Limits } from "../../lib/contract/proxy-limits.ts";
import {
  type AnswerObserver,
  malformedLoss,
  plainLoss,
  type ResponseReceiver,
  reusedLoss,
  type UpstreamConnection,
  type UpstreamLoss,
  type UpstreamStream,
  unprocessedLoss,
} from "../exchange/ends.ts";
import { replyHead } from "../exchange/local-reply.ts";
import type { FieldBlock } from "../message/field-block.ts";
import type { RequestHead } from "../message/request-head.ts";
import { Outbox, type WriteTurn } from "../transport/outbox.ts";
import { keep } from "../../lib/base/received-memory.ts";
import type { Connection, ConnectionHandler } from "../transport/transport.ts";
import { BodyReader, type BodyReceiver } from "./body-reader.ts";
import { canonicalResponse, type Http1Response } from "./canonical-head.ts";
import { chunkOf, lastChunk } from "./chunk.ts";
import { encodeRequestHead, encodeTrailers } from "./encode-head.ts";
import { findHeadEnd, MessageHead, parseResponseHead } from "./head.ts";
import { HeadCache } from "./head-cache.ts";

/** The pool that a connection belongs to. */
export interface ClientOwner {
  /** The exchange is over and the connection can carry another. */
  onIdle(client: ClientConnection): void;
  /** The connection must not be used again. Called once. */
  onGone(client: ClientConnection): void;
}

/** A connection is not used any more so long before its server's announced end: about a coarse tick and a way there. */
const keepAliveMarginMs = 1_000;

const notSwitched = replyHead({ action: "reply", status: 502, contentType: "text/plain", body: "" }).head;

type Phase = "idle" | "head" | "body" | "gone";

/** One parser for all connections: a head is read completely before any other byte is parsed. */
const parsed = new MessageHead();

/**
 * The client side of one HTTP/1.1 connection: one exchange after another, each response framed strictly. It is the stream of
 * the request that it carries.
 */
export class ClientConnection implements UpstreamConnection, UpstreamStream, ConnectionHandler, BodyReceiver {
  readonly connection: Connection;
  readonly observer: AnswerObserver | undefined;
  readonly #owner: ClientOwner;
  readonly #limits: Http1Limits;
  readonly #out: Outbox;
  readonly #cache = new HeadCache<Http1Response>();
  readonly #body: BodyReader;
  #receiver: ResponseReceiver | undefined;
  #phase: Phase = "idle";
  #head: RequestHead | undefined;
  #rest: Buffer | undefined;
  #isChunked = false;
  #hasRequestEnded = true;
  #hasResponseEnded = true;
  #isKeptAlive = true;
  #isTunnel = false;
  #exchanges = 0;
  /** The outbox's count when the request was given: as long as it is the same, nothing of it has left. */
  #flushesBefore = 0;
  #keepAliveMs = Number.POSITIVE_INFINITY;
  /** Body bytes passed on and not yet taken: while there are any, no more are read. */
  #unread = 0;
  #isReading = false;
  #isGone = false;

  constructor(
    connection: Connection,
    options: {
      readonly owner: ClientOwner;
      readonly turn: WriteTurn;
      readonly limits: Http1Limits;
      readonly observer?: AnswerObserver | undefined;
    },
  ) {
    this.connection = connection;
    this.observer = options.observer;
    this.#owner = options.owner;
    this.#limits = options.limits;
    this.#body = new BodyReader(this, options.limits);
    this.#out = new Outbox(connection, options.turn);
    connection.handler = this;
  }

  get remoteAddress(): string {
    return this.connection.remoteAddress;
  }

  /** The server has announced to close it about now: a request would cross with that. */
  isExpiring(nowMs: number): boolean {
    return nowMs - this.connection.lastActivityMs > this.#keepAliveMs - keepAliveMarginMs;
  }

  get endpoint(): object {
    return this.#owner;
  }

  /** Whether `isExpiring` can ever be true. */
  get hasExpiry(): boolean {
    return this.#keepAliveMs !== Number.POSITIVE_INFINITY;
  }

  send(head: RequestHead, isEnd: boolean, receiver: ResponseReceiver): UpstreamStream | undefined {
    if (this.#phase !== "idle") return undefined;
    this.#phase = "head";
    this.#head = head;
    this.#receiver = receiver;
    this.#hasRequestEnded = isEnd;
    this.#hasResponseEnded = false;
    this.#isTunnel = false;
    this.#unread = 0;
    this.#exchanges++;
    this.#isChunked = !isEnd && head.contentLength < 0 && !head.isConnect;
    this.#flushesBefore = this.#out.flushes;
    this.#out.write(encodeRequestHead(head, this.#isChunked));
    return this;
  }

  data(bytes: Buffer, start: number, end: number, isEnd: boolean): number {
    if (end > start) {
      // Before the answer nobody knows whether there is a tunnel.
      if (this.#out.isBlocked || (this.#head?.isConnect === true && !this.#isTunnel)) return 0;
      if (this.#isChunked) this.#out.write(chunkOf(bytes, start, end, isEnd));
      else this.#out.write(bytes, start, end);
    } else if (isEnd && this.#isChunked) {
      this.#out.write(lastChunk);
    }
    if (isEnd) this.#endRequest();
    return end - start;
  }

  trailers(block: FieldBlock): void {
    if (this.#isChunked) this.#out.write(encodeTrailers(block));
    this.#endRequest();
  }

  consumeResponse(count: number): void {
    this.#unread -= count;
    if (this.#unread > 0 || this.#phase !== "body" || this.#isReading) return;
    if (this.#hasResponseEnded) this.#complete();
    else this.connection.resume();
  }

  /** Gives up the exchange and the connection with it. */
  abort(): void {
    this.#receiver = undefined;
    this.#leave();
    this.connection.destroy();
  }

  onData(chunk: Buffer): void {
    if (this.#phase === "head") {
      // An answer to a request that has not left yet is none: it must not reach whoever sent that (response splitting).
      if (this.#out.flushes === this.#flushesBefore) this.#lose(unprocessedLoss);
      else this.#readHead(this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]));
    } else if (this.#phase === "body") this.#readBody(chunk, 0);
    // Bytes that answer no request: whoever sent them does not speak HTTP/1.1.
    else this.abort();
  }

  onDrain(): void {
    if (!this.#hasRequestEnded) this.#receiver?.onUpstreamWritable();
  }

  onEnd(): void {
    if (this.#phase !== "body" || !this.#body.isUntilEnd) {
      this.#lose(this.#lossByClose());
      return;
    }
    this.#isKeptAlive = false;
    this.#body.end();
    this.#complete();
  }

  onClose(): void {
    this.#lose(this.#lossByClose());
  }

  onBody(bytes: Buffer, start: number, end: number, isEnd: boolean): void {
    this.#unread += end - start;
    if (isEnd) this.#hasResponseEnded = true;
    this.#receiver?.onResponseData(bytes, start, end, isEnd);
  }

  onBodyTrailers(block: FieldBlock): void {
    this.#hasResponseEnded = true;
    this.#receiver?.onResponseTrailers(block);
  }

  #readHead(bytes: Buffer): void {
    this.#rest = undefined;
    let at = 0;
    while (at < bytes.length) {
      const end = findHeadEnd(bytes, at);
      const response = this.#parse(bytes, at, end);
      if (response === "incomplete") {
        this.#rest = keep(at === 0 ? bytes : bytes.subarray(at));
        return;
      }
      if (response === undefined) {
        this.#lose(malformedLoss);
        return;
      }
      if (response.head.status >= 200) {
        this.#onFinal(response, bytes, end);
        return;
      }
      at = end;
      this.#receiver?.onInform(response.head);
      if (this.#phase !== "head") return;
    }
  }

  /** Undefined for what cannot be read. */
  #parse(bytes: Buffer, start: number, end: number): Http1Response | "incomplete" | undefined {
    const known = end < 0 ? undefined : this.#cache.find(bytes, start, end);
    if (known !== undefined) return known;
    const outcome = parseResponseHead(bytes, start, parsed, this.#limits);
    if (outcome === "incomplete") return "incomplete";
    if (outcome !== "complete") return undefined;
    const response = canonicalResponse(parsed);
    if (typeof response === "string") return undefined;
    this.#cache.store(bytes, start, end, response);
    return response;
  }

  /** Chooses the framing of RFC 9112 section 6.3. */
  #onFinal(response: Http1Response, bytes: Buffer, headEnd: number): void {
    const { head, isSwitching, isChunked, contentLength } = response;
    const request = this.#head;
    const isConnect = request?.isConnect === true;
    // A switch nobody asked for would let the response poison the next one (CVE-2026-73548).
    if (isSwitching && (!isConnect || request?.protocol === "")) {
      this.#lose(malformedLoss);
      return;
    }
    if (isConnect && request?.protocol !== "" && !isSwitching && head.status < 300) {
      this.#refuseTunnel();
      return;
    }
    this.#isKeptAlive = !response.hasClose && !isConnect;
    this.#keepAliveMs = response.keepAliveMs;
    this.#isTunnel = isConnect && head.status < 300;
    this.#phase = "body";
    if (this.#isTunnel) this.#body.beginUntilEnd();
    else if (request?.method === "HEAD" || head.status === 204 || head.status === 304) this.#body.beginLength(0);
    else if (isChunked) this.#body.beginChunked();
    else if (contentLength >= 0) this.#body.beginLength(contentLength);
    else {
      this.#body.beginUntilEnd();
      this.#isKeptAlive = false;
    }
    const isEnd = this.#body.isDone;
    if (isEnd) this.#hasResponseEnded = true;
    const receiver = this.#receiver;
    receiver?.onResponse(head, isEnd);
    if (this.#receiver !== receiver) return;
    if (this.#isTunnel) {
      receiver?.onUpstreamWritable();
      // The client's direction had ended before there was a tunnel.
      if (this.#hasRequestEnded) this.#out.end();
    }
    this.#readBody(bytes, headEnd);
  }

  /** The server overlooked the upgrade. Its plain answer would look like success to whoever waits for a tunnel. */
  #refuseTunnel(): void {
    const receiver = this.#receiver;
    this.abort();
    this.#hasResponseEnded = true;
    receiver?.onResponse(notSwitched, true);
  }

  #readBody(bytes: Buffer, start: number): void {
    this.#isReading = true;
    const end = this.#body.read(bytes, start);
    this.#isReading = false;
    if (this.#phase !== "body") return;
    if (end < 0) {
      this.#lose(malformedLoss);
      return;
    }
    if (!this.#hasResponseEnded) {
      if (this.#unread > 0) this.connection.pause();
      return;
    }
    // What follows the end belongs to no response.
    if (end < bytes.length) this.#isKeptAlive = false;
    this.#complete();
  }

  #endRequest(): void {
    this.#hasRequestEnded = true;
    if (this.#isTunnel) this.#out.end();
    else if (this.#hasResponseEnded && this.#phase === "body") this.#complete();
  }

  /** The response has ended; with the request sent and the response taken the connection can carry the next exchange. */
  #complete(): void {
    if (this.#unread > 0 || !this.#hasRequestEnded) return;
    this.#receiver = undefined;
    if (this.#isKeptAlive) {
      this.#phase = "idle";
      // A slow client may have paused it; idle it must read, to notice that the peer closes.
      this.connection.resume();
      this.#owner.onIdle(this);
    } else {
      this.#leave();
      this.connection.destroy();
    }
  }

  #lossByClose(): UpstreamLoss {
    if (this.#phase !== "head") return plainLoss;
    if (this.#rest !== undefined) return malformedLoss;
    if (this.#out.flushes === this.#flushesBefore) return unprocessedLoss;
    return this.#exchanges > 1 ? reusedLoss : plainLoss;
  }

  #lose(loss: UpstreamLoss): void {
    const receiver = this.#receiver;
    this.#receiver = undefined;
    this.#leave();
    this.connection.destroy();
    if (!this.#hasResponseEnded) receiver?.onUpstreamLost(loss);
  }

  #leave(): void {
    this.#phase = "gone";
    if (this.#isGone) return;
    this.#isGone = true;
    this.#owner.onGone(this);
  }
}
