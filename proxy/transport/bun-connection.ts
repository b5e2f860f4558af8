import type { Socket } from "bun";
import { keep } from "../../lib/base/received-memory.ts";
import { type Connection, type ConnectionHandler, idleHandler, type PeerCertificate } from "./transport.ts";
import type { TurnEnd } from "./turn-end.ts";

/** What all connections of one transport share. */
export interface SharedState {
  readonly turnEnd: TurnEnd;
  /** Milliseconds that advance twice a second: reading the real clock for every chunk would cost more than it tells. */
  nowMs: number;
  /** Bytes that sockets have not taken. */
  waitingBytes: number;
}

/** An idle connection whose peer's machine is gone is found out by the kernel, which asks after so long (RFC 9293 3.8.4). */
const keepAliveAfterMs = 30_000;

/** Nothing waiting: shared, since that is how nearly all connections are. Never pushed to. */
const none: Uint8Array[] = [];

/**
 * One Bun socket behind the {@link Connection} interface. Bun's `write` may take a part only; the rest waits here, and
 * the caller is told to stop, so at most what one read brought is ever held.
 */
export class BunConnection implements Connection {
  handler: ConnectionHandler = idleHandler;
  peerUri = "";
  peerCertificate: PeerCertificate | undefined;
  alpn = "";
  lastActivityMs: number;
  lastWrittenMs: number;
  readonly #socket: Socket<unknown>;
  readonly #shared: SharedState;
  #remoteAddress: string | undefined;
  #waiting = none;
  #isEnding = false;
  #hasSentEnd = false;
  #hasPeerEnded = false;
  #isClosed = false;
  #isPaused = false;

  constructor(socket: Socket<unknown>, shared: SharedState) {
    this.#socket = socket;
    this.#shared = shared;
    this.lastActivityMs = shared.nowMs;
    this.lastWrittenMs = shared.nowMs;
    socket.setKeepAlive(true, keepAliveAfterMs);
  }

  get remoteAddress(): string {
    // Once: a socket that is closed does not know it any more, and who logs every request asks as often.
    this.#remoteAddress ??= `${this.#socket.remoteAddress}:${this.#socket.remotePort}`;
    return this.#remoteAddress;
  }

  get peerCertificatePem(): string | undefined {
    return this.peerCertificate === undefined ? undefined : this.#socket.getPeerX509Certificate()?.toString();
  }

  get isBlocked(): boolean {
    return this.#waiting.length > 0;
  }

  write(chunk: Uint8Array, start = 0, end = chunk.length): boolean {
    if (this.#isClosed || this.#isEnding) return true;
    const length = end - start;
    let taken = 0;
    if (this.#waiting.length === 0) {
      taken = length === chunk.length ? this.#socket.write(chunk) : this.#socket.write(chunk, start, length);
      if (taken > 0) this.#noteWritten();
      if (taken === length) return true;
    }
    this.#wait(chunk.subarray(start + Math.max(0, taken), end));
    return false;
  }

  end(): void {
    if (this.#isClosed || this.#isEnding) return;
    this.#isEnding = true;
    if (this.#waiting.length === 0) this.#sendEnd();
  }

  destroy(): void {
    if (this.#isClosed) return;
    this.#dropWaiting();
    this.#socket.terminate();
  }

  pause(): void {
    if (this.#isPaused || this.#isClosed) return;
    this.#isPaused = true;
    this.#socket.pause();
  }

  resume(): void {
    if (!this.#isPaused || this.#isClosed) return;
    this.#isPaused = false;
    this.#socket.resume();
  }

  /** From here on the socket's events, passed on by the transport. */
  onSocketData(chunk: Buffer): void {
    this.lastActivityMs = this.#shared.nowMs;
    this.handler.onData(chunk);
    this.#shared.turnEnd.received(chunk);
  }

  onSocketDrain(): void {
    if (this.#isClosed) return;
    while (this.#waiting.length > 0) {
      const chunk = this.#waiting[0] ?? new Uint8Array(0);
      const taken = this.#socket.write(chunk);
      if (taken > 0) {
        this.#noteWritten();
        this.#shared.waitingBytes -= taken;
      }
      if (taken !== chunk.length) {
        if (taken > 0) this.#waiting[0] = chunk.subarray(taken);
        return;
      }
      this.#waiting.shift();
    }
    if (this.#isEnding) this.#sendEnd();
    else this.handler.onDrain();
  }

  onSocketEnd(): void {
    if (this.#hasPeerEnded || this.#isClosed) return;
    this.#hasPeerEnded = true;
    this.handler.onEnd();
    this.#closeWhenBothEnded();
  }

  /** `isClean` is false when the peer reset the connection. */
  onSocketClose(isClean: boolean): void {
    if (this.#isClosed) return;
    // When our side has ended already, Bun reports the peer's end as the close alone.
    if (isClean && this.#hasSentEnd && !this.#hasPeerEnded) {
      this.#hasPeerEnded = true;
      this.handler.onEnd();
    }
    this.#isClosed = true;
    this.#dropWaiting();
    this.handler.onClose();
  }

  #noteWritten(): void {
    this.lastWrittenMs = this.#shared.nowMs;
    this.lastActivityMs = this.lastWrittenMs;
  }

  #wait(chunk: Uint8Array): void {
    keep(chunk);
    if (this.#waiting === none) this.#waiting = [chunk];
    else this.#waiting.push(chunk);
    this.#shared.waitingBytes += chunk.length;
  }

  #dropWaiting(): void {
    for (const chunk of this.#waiting) this.#shared.waitingBytes -= chunk.length;
    this.#waiting = none;
  }

  #sendEnd(): void {
    if (this.#hasSentEnd) return;
    this.#hasSentEnd = true;
    if (this.#hasPeerEnded) this.#socket.end();
    else this.#socket.shutdown();
  }

  #closeWhenBothEnded(): void {
    if (this.#hasSentEnd && !this.#isClosed) this.#socket.end();
  }
}
