import type { Member, SweepLimits } from "./connection-set.ts";
import { type HttpService, restMs, type Seat, type ServerConnectionOptions } from "./exchange/server-context.ts";
import { ServerConnection } from "./http1/server-connection.ts";
import { clientPreface } from "./http2/frame-types.ts";
import { ServerSession } from "./http2/server-session.ts";
import { keep } from "../lib/base/received-memory.ts";
import type { Connection, ConnectionHandler } from "./transport/transport.ts";

/** Neither a table to keep nor bits to count: the cheapest way to write header blocks, and all peers read it. */
export const plainHpack = { tableBytes: 0, usesHuffman: false } as const;
/** The longest that is kept of what may become the preface. */
const maxUndecidedBytes = clientPreface.length;
/** A connection of HTTP/1.1 without a byte for so long is not expected to have the next request soon. */
const restAfterMs = 1_000;

export interface HttpDoorOptions {
  readonly connection: Connection;
  readonly service: HttpService;
  readonly seat: Seat;
}

/**
 * The server side of a connection whose client has chosen the protocol: by ALPN, or by its first bytes, since nothing but
 * HTTP/2 begins with its preface (RFC 9113 section 3.3).
 */
export function serveHttp({ connection, service, seat }: HttpDoorOptions): Member {
  if (connection.alpn === "") return new HttpConnection(connection, service, seat);
  const options = { connection, policy: service.policyFor(connection), context: service.context, seat };
  return connection.alpn === "h2" ? createSession(options) : new ServerConnection(options);
}

function createSession(options: ServerConnectionOptions): ServerSession {
  return new ServerSession({ ...options, limits: options.context.limits().http2, hpack: plainHpack });
}

/**
 * All that a plain connection is while nothing is under way on it: new ones before their first words, and those of HTTP/1.1 that
 * rest, whose codec is made again when they go on. Most connections of a busy proxy are idle; without this one costs it 1 KB more. While
 * the client speaks this object is out of the way of the bytes.
 */
class HttpConnection implements Member, ConnectionHandler {
  readonly #connection: Connection;
  readonly #service: HttpService;
  readonly #seat: Seat;
  #awake: ServerConnection | ServerSession | undefined;
  #bytes: Buffer | undefined;
  #beganMs = 0;
  /** Served before it came to rest. */
  #requests = 0;

  constructor(connection: Connection, service: HttpService, seat: Seat) {
    this.#connection = connection;
    this.#service = service;
    this.#seat = seat;
    connection.handler = this;
  }

  drain(): void {
    // What a new one says first may be on its way: like any other, it is told in the answer that it was the last.
    if (this.#requests > 0) this.#wake();
    this.#awake?.drain();
  }

  destroy(): void {
    this.#connection.destroy();
  }

  recheck(): void {
    this.#awake?.recheck();
  }

  sweep(limits: SweepLimits): void {
    const { context } = this.#service;
    const quietMs = limits.nowMs - this.#connection.lastActivityMs;
    if (this.#awake !== undefined) {
      this.#awake.sweep(limits);
      if (quietMs >= restAfterMs) this.#maybeRest(this.#awake);
    } else if (this.#bytes !== undefined && limits.nowMs - this.#beganMs > context.limits().http1.headTimeoutMs) {
      context.counters.refusals.head_timeout++;
      this.destroy();
    } else if (quietMs > limits.idleTimeoutMs) {
      context.connections.closures.idle++;
      this.destroy();
    } else if (context.isDraining() && quietMs >= restMs) this.destroy();
  }

  onData(chunk: Buffer): void {
    const bytes = this.#bytes === undefined ? chunk : Buffer.concat([this.#bytes, chunk]);
    const length = Math.min(bytes.length, maxUndecidedBytes);
    const isPreface = this.#requests === 0 && clientPreface.compare(bytes, 0, length, 0, length) === 0;
    if (isPreface && length < maxUndecidedBytes) {
      if (this.#bytes === undefined) this.#beganMs = this.#service.context.monotonicMs();
      this.#bytes = keep(bytes);
      return;
    }
    this.#bytes = undefined;
    if (isPreface) {
      const session = createSession(this.#wakeOptions());
      this.#awake = session;
      session.receive(bytes);
      return;
    }
    this.#wake().onData(bytes);
  }

  onDrain(): void {
    // Nothing has been written.
  }

  onEnd(): void {
    if (this.#requests > 0) this.#wake().onEnd();
    else this.destroy();
  }

  onClose(): void {
    this.#seat.leave();
  }

  #wake(): ServerConnection {
    const connection = new ServerConnection(this.#wakeOptions(), this.#requests);
    this.#awake = connection;
    this.#requests = 0;
    return connection;
  }

  #wakeOptions(): ServerConnectionOptions {
    const { context } = this.#service;
    const policy = this.#service.policyFor(this.#connection);
    return { connection: this.#connection, policy, context, seat: this.#seat };
  }

  #maybeRest(awake: ServerConnection | ServerSession): void {
    if (!(awake instanceof ServerConnection) || !awake.isAtRest || this.#service.context.isDraining()) return;
    this.#awake = undefined;
    this.#requests = awake.requests;
    this.#connection.handler = this;
  }
}
