import type { Member, SweepLimits } from "./connection-set.ts";
import { restMs, type ServerConnectionOptions } from "./exchange/server-context.ts";
import { ServerConnection } from "./http1/server-connection.ts";
import { clientPreface } from "./http2/frame-types.ts";
import { ServerSession } from "./http2/server-session.ts";
import type { ConnectionHandler } from "./transport/transport.ts";

/** Neither a table to keep nor bits to count: the cheapest way to write header blocks, and all peers read it. */
export const plainHpack = { tableBytes: 0, usesHuffman: false } as const;
/** A client that connects and says nothing is closed with the idle ones; it costs this object. */
const maxUndecidedBytes = clientPreface.length;

/**
 * The server side of a connection whose client has chosen the protocol: by ALPN, or by its first bytes, since nothing but
 * HTTP/2 begins with its preface (RFC 9113 section 3.3). Once that is known this object is out of the way of the bytes.
 */
export function serveHttp(options: ServerConnectionOptions): Member {
  if (options.connection.alpn === "h2") return createSession(options);
  if (options.connection.alpn !== "") return new ServerConnection(options);
  return new UndecidedConnection(options);
}

function createSession(options: ServerConnectionOptions): ServerSession {
  return new ServerSession({ ...options, limits: options.context.limits().http2, hpack: plainHpack });
}

class UndecidedConnection implements Member, ConnectionHandler {
  readonly #options: ServerConnectionOptions;
  #decided: Member | undefined;
  #bytes: Buffer | undefined;
  #beganMs = 0;

  constructor(options: ServerConnectionOptions) {
    this.#options = options;
    options.connection.handler = this;
  }

  get #headTimeoutMs(): number {
    return this.#options.context.limits().http1.headTimeoutMs;
  }

  drain(): void {
    // What it says first may be on its way: like any other, it is told in the answer that it was the last.
    this.#decided?.drain();
  }

  destroy(): void {
    this.#options.connection.destroy();
  }

  recheck(): void {
    this.#decided?.recheck?.();
  }

  sweep(limits: SweepLimits): void {
    const { connection, context } = this.#options;
    const quietMs = limits.nowMs - connection.lastActivityMs;
    if (this.#decided !== undefined) this.#decided.sweep(limits);
    else if (this.#bytes !== undefined && limits.nowMs - this.#beganMs > this.#headTimeoutMs) {
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
    const isPreface = clientPreface.compare(bytes, 0, length, 0, length) === 0;
    if (isPreface && length < maxUndecidedBytes) {
      if (this.#bytes === undefined) this.#beganMs = this.#options.context.monotonicMs();
      this.#bytes = bytes;
      return;
    }
    this.#bytes = undefined;
    if (isPreface) {
      const session = createSession(this.#options);
      this.#decided = session;
      session.receive(bytes);
      return;
    }
    const connection = new ServerConnection(this.#options);
    this.#decided = connection;
    connection.onData(bytes);
  }

  onDrain(): void {
    // Nothing has been written.
  }

  onEnd(): void {
    this.destroy();
  }

  onClose(): void {
    this.#options.onClosed();
  }
}
