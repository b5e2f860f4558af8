import type { Outgoing } from "./connection.ts";
import type { WriteTurn } from "../transport/outbox.ts";
import type { Http2Limits } from "./limits.ts";
import type { Connection, ConnectionHandler } from "../transport/transport.ts";

/**
 * Runs one HTTP/2 connection on a socket: bytes in, everything that one turn of the event loop wrote out, and back pressure
 * in between.
 */
export class SocketGlue implements ConnectionHandler {
  readonly connection: Connection;
  readonly #turn: WriteTurn;
  readonly #monotonicMs: () => number;
  readonly #limits: Http2Limits;
  readonly #onStalled: () => void;
  readonly #onClosed: () => void;
  readonly #onBytes: (read: number, written: number) => void;
  readonly #onReceived: () => void;
  /** When a byte last came. */
  lastReceivedMs: number;
  #http2: Outgoing | undefined;
  #isAdded = false;
  #isEnding = false;
  #endingSinceMs = 0;
  #isClosed = false;

  constructor(options: {
    readonly connection: Connection;
    readonly turn: WriteTurn;
    readonly monotonicMs: () => number;
    readonly limits: Http2Limits;
    /** Called when the socket is closed because its peer reads nothing. */
    readonly onStalled: () => void;
    /** Called once, when the socket is gone and every stream has been told. */
    readonly onClosed: () => void;
    readonly onBytes: (read: number, written: number) => void;
    /** Called when what came has been acted on. */
    readonly onReceived: () => void;
  }) {
    this.connection = options.connection;
    this.#turn = options.turn;
    this.#monotonicMs = options.monotonicMs;
    this.#limits = options.limits;
    this.#onStalled = options.onStalled;
    this.#onClosed = options.onClosed;
    this.#onBytes = options.onBytes;
    this.#onReceived = options.onReceived;
    this.lastReceivedMs = options.monotonicMs();
    this.connection.handler = this;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** To be called before the first byte comes. */
  attach(http2: Outgoing): void {
    this.#http2 = http2;
  }

  /** Something waits to be written. */
  announce(): void {
    if (this.#isAdded || this.#isClosed) return;
    this.#isAdded = true;
    this.#turn.add(this);
  }

  /** Ends the connection behind what has been written. */
  end(): void {
    this.#isEnding = true;
    this.#endingSinceMs = this.#monotonicMs();
    this.announce();
  }

  /** Called about once a second. */
  sweep(nowMs: number): void {
    const endingSinceMs = Math.max(this.#endingSinceMs, this.connection.lastWrittenMs);
    if (this.#isEnding && !this.connection.isBlocked && nowMs - endingSinceMs > this.#limits.lingerMs) {
      this.connection.destroy();
      return;
    }
    // Below the windows of streams, the socket itself may be what the peer does not read.
    if (this.connection.isBlocked && nowMs - this.connection.lastWrittenMs > this.#limits.stalledWindowMs) {
      this.#onStalled();
      this.connection.destroy();
      return;
    }
    this.#http2?.sweep(nowMs);
    // Or by a reset of our own.
    if (!this.#isEnding && this.#http2?.isDrained === true) this.end();
  }

  flush(): void {
    this.#isAdded = false;
    const http2 = this.#http2;
    if (http2 === undefined || this.#isClosed || this.connection.isBlocked) return;
    for (let bytes = http2.takeOutput(); bytes !== undefined; bytes = http2.takeOutput()) {
      this.#onBytes(0, bytes.length);
      if (!this.connection.write(bytes)) {
        http2.pauseOutput();
        return;
      }
      http2.releaseOutput();
    }
    if (this.#isEnding || http2.isDrained) this.connection.end();
  }

  onData(chunk: Buffer): void {
    const http2 = this.#http2;
    if (http2 === undefined) return;
    this.#onBytes(chunk.length, 0);
    this.lastReceivedMs = this.#monotonicMs();
    http2.receive(chunk, this.lastReceivedMs);
    // Heads need no window: who asks for many of them and reads none is asked no more until it does.
    if (this.connection.isBlocked && http2.outputBytes > this.#limits.maxOutputBytes) this.connection.pause();
    // The last stream of a connection that is shut down may end without a word to write.
    if (http2.isDrained) this.announce();
    this.#onReceived();
  }

  onDrain(): void {
    this.connection.resume();
    this.#http2?.resumeOutput();
    this.flush();
  }

  onEnd(): void {
    // HTTP/2 has no half-closed connections: streams that are still open cannot end in order.
    this.connection.end();
    this.connection.destroy();
  }

  onClose(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#http2?.close();
    this.#onClosed();
  }
}
