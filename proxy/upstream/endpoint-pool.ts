import type { ProxyLimits } from "../../lib/contract/proxy-limits.ts";
import type { UpstreamConnection } from "../exchange/ends.ts";
import { ClientConnection, type ClientOwner } from "../http1/client-connection.ts";
import { ClientSession } from "../http2/client-session.ts";
import type { HpackEncoderOptions } from "../http2/hpack/encoder.ts";
import type { BufferPool } from "../http2/output-buffer.ts";
import type { WriteTurn } from "../transport/outbox.ts";
import type { Connection, ConnectResult } from "../transport/transport.ts";

export interface EndpointPoolOptions {
  /** Opens one connection; answers once, later. */
  readonly connect: (onResult: (result: ConnectResult) => void) => void;
  /** What a connection speaks, once it stands. */
  readonly protocolOf: (connection: Connection) => "http1" | "http2";
  readonly hpack: HpackEncoderOptions;
  readonly turn: WriteTurn;
  readonly buffers: BufferPool;
  readonly monotonicMs: () => number;
  readonly maxConnections: number;
  /** As they are now; a connection keeps those that it began with. Of idle ones too many, the one idle longest is closed first. */
  readonly limits: () => ProxyLimits;
}

type OnReady = (connection: UpstreamConnection | undefined) => void;

/**
 * Connections to one endpoint, of either protocol. HTTP/1.1 carries one exchange each, and the one used last is taken first,
 * so that surplus ones grow idle and are closed. HTTP/2 carries all of them over as few connections as will do, because what
 * many requests write in one turn then shares records and system calls.
 */
export class EndpointPool implements ClientOwner {
  readonly #options: EndpointPoolOptions;
  readonly #idle: ClientConnection[] = [];
  readonly #sessions: ClientSession[] = [];
  /** Sessions that take no more requests and have some under way. */
  readonly #leaving = new Set<ClientSession>();
  /** Those who wait for the first connection, which tells what the endpoint speaks. */
  #waiting: OnReady[] = [];
  #isConnecting = false;
  #speaks: "unknown" | "http1" | "http2" = "unknown";
  #connectionCount = 0;
  #isClosed = false;

  constructor(options: EndpointPoolOptions) {
    this.#options = options;
  }

  get connectionCount(): number {
    return this.#connectionCount;
  }

  /** Requests under way, and connections being opened for one. */
  get activeCount(): number {
    let active = this.#connectionCount - this.#idle.length - this.#sessions.length + this.#waiting.length;
    for (const session of this.#sessions) active += session.openStreams;
    for (const session of this.#leaving) active += session.openStreams;
    return active;
  }

  get hasRoom(): boolean {
    return !this.#isClosed && this.#connectionCount < this.#options.maxConnections;
  }

  /** A connection that takes a request now. */
  take(): UpstreamConnection | undefined {
    return this.#idle.pop() ?? this.#takeSession();
  }

  /** Opens a connection; `onReady` gets it, or nothing when that failed. */
  open(onReady: OnReady): void {
    if (this.#speaks === "http1") {
      this.#connect(onReady);
      return;
    }
    // Until it is known what is spoken, and for HTTP/2 in any case, one attempt serves everybody.
    if (this.#sessions.length >= this.#maxSessions) {
      onReady(undefined);
      return;
    }
    this.#waiting.push(onReady);
    if (this.#isConnecting) return;
    this.#isConnecting = true;
    this.#connect((connection) => {
      this.#isConnecting = false;
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const [i, one] of waiting.entries()) {
        if (connection === undefined || i === 0 || this.#speaks === "http2") one(connection);
        else if (this.hasRoom) this.#connect(one);
        else one(undefined);
      }
    });
  }

  /** It was opened for somebody who no longer wants it. */
  giveBack(connection: UpstreamConnection): void {
    if (connection instanceof ClientConnection) this.onIdle(connection);
  }

  onIdle(client: ClientConnection): void {
    if (this.#isClosed) {
      client.abort();
      return;
    }
    this.#idle.push(client);
    if (this.#idle.length > this.#options.limits().connections.maxPoolIdle) this.#idle[0]?.abort();
  }

  onGone(client: ClientConnection): void {
    this.#connectionCount--;
    const at = this.#idle.indexOf(client);
    if (at >= 0) this.#idle.splice(at, 1);
  }

  /** Closes what has been idle too long; called about once a second. */
  sweep(nowMs: number): void {
    const { poolIdleTimeoutMs: idleTimeoutMs } = this.#options.limits().connections;
    while (nowMs - (this.#idle[0]?.connection.lastActivityMs ?? nowMs) > idleTimeoutMs) this.#idle[0]?.abort();
    for (const session of [...this.#sessions]) {
      if (session.openStreams === 0 && nowMs - session.lastActivityMs > idleTimeoutMs) session.close();
      else session.sweep(nowMs);
    }
    for (const session of [...this.#leaving]) session.sweep(nowMs);
  }

  /** Closes idle connections now and busy ones when their exchanges are over. */
  close(): void {
    this.#isClosed = true;
    for (const client of [...this.#idle]) client.abort();
    for (const session of [...this.#sessions]) session.close();
  }

  /** HTTP/2 connections at most: more are opened only when those there are full or congested. */
  get #maxSessions(): number {
    return this.#options.limits().connections.maxPoolSessions;
  }

  #takeSession(): ClientSession | undefined {
    let best: ClientSession | undefined;
    for (const session of this.#sessions) {
      if (session.freeStreams === 0) continue;
      if (best === undefined || session.openStreams < best.openStreams) best = session;
    }
    // Another one is worth its handshake when this one has no room on the way; it is there for the next request.
    if (
      best?.isCongested === true &&
      !this.#isConnecting &&
      this.#sessions.length < this.#maxSessions &&
      this.hasRoom
    ) {
      this.open(() => undefined);
    }
    return best;
  }

  #connect(onReady: OnReady): void {
    const { connect, protocolOf, turn, limits } = this.#options;
    this.#connectionCount++;
    connect((result) => {
      if (!result.ok) {
        this.#connectionCount--;
        onReady(undefined);
        return;
      }
      this.#speaks = protocolOf(result.connection);
      if (this.#speaks === "http1")
        onReady(new ClientConnection(result.connection, { owner: this, turn, limits: limits().http1 }));
      else onReady(this.#startSession(result.connection));
    });
  }

  #startSession(connection: Connection): ClientSession {
    const { turn, buffers, monotonicMs, hpack, limits } = this.#options;
    const session = new ClientSession({
      connection,
      turn,
      buffers,
      monotonicMs,
      hpack,
      limits: limits().http2,
      onGone: (gone) => {
        this.#connectionCount--;
        const at = this.#sessions.indexOf(gone);
        if (at >= 0) this.#sessions.splice(at, 1);
        this.#leaving.add(gone);
      },
      onClosed: (closed) => this.#leaving.delete(closed),
    });
    this.#sessions.push(session);
    if (this.#isClosed) session.close();
    return session;
  }
}
