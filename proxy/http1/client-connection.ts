import type { Connection, ConnectionHandler } from "../transport/transport.ts";
import { ChunkedScanner } from "./chunked.ts";
import type { Exchange } from "./exchange.ts";
import { MessageHead, parseResponseHead } from "./head.ts";

/** The pool that a connection belongs to. */
export interface ConnectionOwner {
  /** The exchange is over and the connection can carry another. */
  onIdle(client: ClientConnection): void;
  /** The connection must not be used again. Called once. */
  onGone(client: ClientConnection): void;
}

type Phase = "idle" | "head" | "length" | "chunked" | "until-close" | "gone";

/** One head for all connections: it is read completely before any other byte is parsed. */
const head = new MessageHead();

/** The client side of one HTTP/1.1 connection: one exchange after another, each response framed strictly. */
export class ClientConnection implements ConnectionHandler {
  readonly connection: Connection;
  readonly #owner: ConnectionOwner;
  #exchange: Exchange | undefined;
  #phase: Phase = "idle";
  #rest: Buffer | undefined;
  #left = 0;
  readonly #chunks = new ChunkedScanner();
  #isHeadRequest = false;
  #isUpgradeRequest = false;
  #isRequestSent = false;
  #isKeptAlive = true;
  #isGone = false;

  constructor(connection: Connection, owner: ConnectionOwner) {
    this.connection = connection;
    this.#owner = owner;
    connection.handler = this;
  }

  get isIdle(): boolean {
    return this.#phase === "idle";
  }

  /** Begins an exchange; the request's bytes follow by {@link write}, their end by {@link finishRequest}. */
  start(exchange: Exchange, request: { readonly isHead: boolean; readonly isUpgrade: boolean }): void {
    this.#exchange = exchange;
    this.#phase = "head";
    this.#isHeadRequest = request.isHead;
    this.#isUpgradeRequest = request.isUpgrade;
    this.#isRequestSent = false;
  }

  write(chunk: Uint8Array): boolean {
    return this.connection.write(chunk);
  }

  finishRequest(): void {
    this.#isRequestSent = true;
  }

  pause(): void {
    this.connection.pause();
  }

  resume(): void {
    this.connection.resume();
  }

  /** Gives up the exchange and the connection with it. */
  abort(): void {
    this.#exchange = undefined;
    this.#leave();
    this.connection.destroy();
  }

  /** Takes the bare connection out of the pool's hands: what follows is not HTTP. */
  detach(): Connection {
    this.#exchange = undefined;
    this.#leave();
    return this.connection;
  }

  onData(chunk: Buffer): void {
    switch (this.#phase) {
      case "head":
        this.#onHeadBytes(this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]));
        return;
      case "length":
      case "chunked":
      case "until-close":
        this.#onBodyBytes(chunk);
        return;
      default:
        // Bytes that answer no request: whoever sent them does not speak HTTP/1.1.
        this.abort();
    }
  }

  onDrain(): void {
    this.#exchange?.onUpstreamDrain();
  }

  onEnd(): void {
    if (this.#phase === "until-close") this.#complete(false);
    else this.#lose();
  }

  onClose(): void {
    this.#lose();
  }

  #onHeadBytes(bytes: Buffer): void {
    this.#rest = undefined;
    let at = 0;
    for (;;) {
      const outcome = at === bytes.length ? "incomplete" : parseResponseHead(bytes, at, head);
      if (outcome === "incomplete") {
        if (at < bytes.length) this.#rest = at === 0 ? bytes : bytes.subarray(at);
        return;
      }
      if (outcome !== "complete") {
        this.#lose();
        return;
      }
      if (head.status >= 200 || head.status === 101) break;
      at = head.end;
      this.#exchange?.onResponseHead(head, bytes, head.end);
      if (this.#phase !== "head") return;
    }
    this.#onFinalHead(bytes);
  }

  #onFinalHead(bytes: Buffer): void {
    const exchange = this.#exchange;
    if (exchange === undefined) return;
    if (head.status === 101) {
      // A switch nobody asked for would let the response poison the next one (CVE-2026-73548).
      if (!this.#isUpgradeRequest) {
        this.#lose();
        return;
      }
      exchange.onResponseHead(head, bytes, bytes.length);
      return;
    }
    this.#isKeptAlive = head.minorVersion === 1 ? !head.hasClose : head.hasKeepAlive;
    const bodyEnd = this.#frameBody(bytes);
    if (bodyEnd < 0) {
      this.#lose();
      return;
    }
    const isComplete = this.#isBodyComplete();
    exchange.onResponseHead(head, bytes, bodyEnd);
    if (isComplete && this.#exchange === exchange) this.#complete(bodyEnd === bytes.length);
  }

  /** Chooses the framing of RFC 9112 section 6.3 and returns where the body's bytes in `bytes` end; -1: broken. */
  #frameBody(bytes: Buffer): number {
    const start = head.end;
    if (this.#isHeadRequest || head.status === 204 || head.status === 304) {
      this.#phase = "length";
      this.#left = 0;
      return start;
    }
    if (head.isChunked) {
      this.#phase = "chunked";
      this.#chunks.reset();
      return this.#chunks.advance(bytes, start);
    }
    if (head.contentLength >= 0) {
      this.#phase = "length";
      const taken = Math.min(head.contentLength, bytes.length - start);
      this.#left = head.contentLength - taken;
      return start + taken;
    }
    this.#phase = "until-close";
    return bytes.length;
  }

  #isBodyComplete(): boolean {
    return this.#phase === "length" ? this.#left === 0 : this.#phase === "chunked" && this.#chunks.isDone;
  }

  #onBodyBytes(chunk: Buffer): void {
    const exchange = this.#exchange;
    if (exchange === undefined) return;
    let end = chunk.length;
    if (this.#phase === "length") {
      end = Math.min(this.#left, chunk.length);
      this.#left -= end;
    } else if (this.#phase === "chunked") {
      end = this.#chunks.advance(chunk, 0);
      if (end < 0) {
        this.#lose();
        return;
      }
    }
    const isComplete = this.#isBodyComplete();
    exchange.onResponseBody(end === chunk.length ? chunk : chunk.subarray(0, end));
    if (isComplete && this.#exchange === exchange) this.#complete(end === chunk.length);
  }

  /** The response has ended; `isExact` is false when bytes followed that belong to no response. */
  #complete(isExact: boolean): void {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    if (isExact && this.#isKeptAlive && this.#isRequestSent) {
      this.#phase = "idle";
      // A slow client may have paused it; idle it must read, to notice that the peer closes.
      this.connection.resume();
      this.#owner.onIdle(this);
    } else {
      this.#leave();
      this.connection.destroy();
    }
    exchange?.onResponseEnd();
  }

  #lose(): void {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    this.#leave();
    this.connection.destroy();
    exchange?.onUpstreamLost();
  }

  #leave(): void {
    this.#phase = "gone";
    if (this.#isGone) return;
    this.#isGone = true;
    this.#owner.onGone(this);
  }
}
