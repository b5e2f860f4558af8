import type { ConnectResult } from "../transport/transport.ts";
import { ClientConnection, type ConnectionOwner } from "./client-connection.ts";

export interface PoolOptions {
  /** Opens one connection; answers once, later. */
  readonly connect: (onResult: (result: ConnectResult) => void) => void;
  /** Idle connections kept; the one idle longest is closed first. */
  readonly maxIdle: number;
  readonly maxConnections: number;
  readonly idleTimeoutMs: number;
}

/**
 * HTTP/1.1 connections to one endpoint. The connection used last is taken first, so that surplus ones grow idle and are
 * closed.
 */
export class HttpPool implements ConnectionOwner {
  readonly #options: PoolOptions;
  readonly #idle: ClientConnection[] = [];
  #connectionCount = 0;
  #isClosed = false;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  get connectionCount(): number {
    return this.#connectionCount;
  }

  /** Connections that carry a request or are being opened for one. */
  get activeCount(): number {
    return this.#connectionCount - this.#idle.length;
  }

  get hasRoom(): boolean {
    return !this.#isClosed && this.#connectionCount < this.#options.maxConnections;
  }

  takeIdle(): ClientConnection | undefined {
    return this.#idle.pop();
  }

  /** Opens a connection beyond the idle ones; `onResult` gets it, or nothing when that failed. */
  open(onResult: (client: ClientConnection | undefined) => void): void {
    this.#connectionCount++;
    this.#options.connect((result) => {
      if (result.ok) {
        onResult(new ClientConnection(result.connection, this));
        return;
      }
      this.#connectionCount--;
      onResult(undefined);
    });
  }

  onIdle(client: ClientConnection): void {
    if (this.#isClosed) {
      client.abort();
      return;
    }
    this.#idle.push(client);
    if (this.#idle.length > this.#options.maxIdle) this.#idle[0]?.abort();
  }

  onGone(client: ClientConnection): void {
    this.#connectionCount--;
    const at = this.#idle.indexOf(client);
    if (at >= 0) this.#idle.splice(at, 1);
  }

  /** Closes what has been idle too long; called about once a second. */
  sweep(nowMs: number): void {
    while (nowMs - (this.#idle[0]?.connection.lastActivityMs ?? nowMs) > this.#options.idleTimeoutMs) {
      this.#idle[0]?.abort();
    }
  }

  /** Closes idle connections now and busy ones when their exchange is over. */
  close(): void {
    this.#isClosed = true;
    for (const client of [...this.#idle]) client.abort();
  }
}
