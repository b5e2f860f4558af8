import type { ProxyLimits } from "../../lib/contract/proxy-limits.ts";
import type { AnswerObserver, UpstreamConnection } from "../exchange/ends.ts";
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
  /**
   * How long the server of a new HTTP/2 connection may take for its SETTINGS, before which it gets no request; undefined
   * where requests need not wait for them. In TLS 1.3 a server judges our certificate when the handshake is over for us (RFC
   * 8446 section 4.4.2.4): what it sends first shows that it has accepted it, and until then nothing is lost with it.
   */
  readonly greetingTimeoutMs: (() => number) | undefined;
  /** A connection was lost before that. */
  readonly onUngreeted: () => void;
  /** Whether silent HTTP/2 connections are asked for signs of life. */
  readonly isKeptAlive: boolean;
  readonly observer?: AnswerObserver;
  readonly turn: WriteTurn;
  readonly buffers: BufferPool;
  readonly monotonicMs: () => number;
  readonly maxConnections: number;
  /** As they are now; a connection keeps those that it began with. Of idle ones too many, the one idle longest is closed first. */
  readonly limits: () => ProxyLimits;
  readonly idleTimeoutMs: () => number;
  /** `take` or `open` may serve someone for whom there was nothing a moment ago. */
  readonly onRoom: (pool: EndpointPool) => void;
}

/** What comes of an attempt: a connection; none; or one that others have filled already. */
export type Opened = UpstreamConnection | "failed" | "full";
type OnOpened = (opened: Opened) => void;
/** Who waits for a session's greeting, and since when. */
interface Expectation {
  readonly onOpened: OnOpened;
  readonly sinceMs: number;
}

const failingMs = 1_000;

/**
 * Connections to one endpoint, of either protocol. HTTP/1.1 carries one exchange each, and the one used last is taken first,
 * so that surplus ones grow idle and are closed. HTTP/2 carries all of them over as few connections as will do, because what
 * many requests write in one turn then shares records and system calls.
 */
export class EndpointPool implements ClientOwner {
  readonly #options: EndpointPoolOptions;
  readonly #idle: ClientConnection[] = [];
  readonly #sessions: ClientSession[] = [];
  /** Sessions whose server has not said anything yet. */
  readonly #ungreeted = new Map<ClientSession, Expectation>();
  /** Sessions that take no more requests: they do not count against the limit, or a long stream would starve the rest. */
  readonly #leaving = new Set<ClientSession>();
  /** Those who wait for the attempt that serves them all. */
  #waiting: OnOpened[] = [];
  #isConnecting = false;
  #speaks: "unknown" | "http1" | "http2" = "unknown";
  #connectionCount = 0;
  #isClosed = false;
  #failedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: EndpointPoolOptions) {
    this.#options = options;
  }

  get observer(): AnswerObserver | undefined {
    return this.#options.observer;
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

  /** No connection is left. */
  get isEmpty(): boolean {
    return this.#connectionCount === 0 && this.#leaving.size === 0;
  }

  /** Whether `open` may be called. */
  get hasRoom(): boolean {
    if (this.#isClosed) return false;
    if (this.#isConnecting) return true;
    if (this.#connectionCount >= this.#options.maxConnections) return false;
    // One that has not yet said how much it takes, or takes nothing now, is waited for.
    return this.#sessions.length < this.#maxSessions && this.#sessions.every((session) => session.isSaturated);
  }

  /** An attempt has failed a moment ago: who can wait should not make the next one at once. */
  get isFailing(): boolean {
    return this.#options.monotonicMs() - this.#failedAtMs < failingMs;
  }

  /** A connection that takes a request now; with `wantsFresh` not one that its server may just have given up. */
  take(wantsFresh: boolean): UpstreamConnection | undefined {
    return (wantsFresh ? undefined : this.#takeIdle()) ?? this.#takeSession();
  }

  /** Opens a connection, or joins an attempt under way. Only while there `hasRoom`. */
  open(onOpened: OnOpened): void {
    if (this.#speaks === "http1" && !this.#isConnecting) {
      this.#connect(onOpened);
      return;
    }
    // Until it is known what is spoken, and for HTTP/2 in any case, one attempt serves everybody.
    this.#waiting.push(onOpened);
    this.#connectForAll();
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
    this.#options.onRoom(this);
  }

  onGone(client: ClientConnection): void {
    this.#connectionCount--;
    const at = this.#idle.indexOf(client);
    if (at >= 0) this.#idle.splice(at, 1);
    this.#options.onRoom(this);
  }

  /** Closes what has been idle too long; called about once a second. */
  sweep(nowMs: number): void {
    const idleTimeoutMs = this.#options.idleTimeoutMs();
    for (const client of [...this.#idle]) {
      if (nowMs - client.connection.lastActivityMs > idleTimeoutMs || client.isExpiring(nowMs)) client.abort();
    }
    for (const session of [...this.#sessions]) {
      session.sweep(nowMs);
      if (session.openStreams === 0 && nowMs - session.lastUsedMs > idleTimeoutMs) session.close();
    }
    for (const session of [...this.#leaving]) session.sweep(nowMs);
    const greetingTimeoutMs = this.#options.greetingTimeoutMs?.() ?? Number.POSITIVE_INFINITY;
    for (const [session, { sinceMs }] of [...this.#ungreeted]) {
      if (nowMs - sinceMs >= greetingTimeoutMs) session.destroy();
    }
    this.#options.onRoom(this);
  }

  /** Closes idle connections now and busy ones when their exchanges are over. */
  close(): void {
    this.#isClosed = true;
    for (const client of [...this.#idle]) client.abort();
    for (const session of [...this.#sessions, ...this.#ungreeted.keys()]) session.close();
  }

  #takeIdle(): ClientConnection | undefined {
    for (;;) {
      const client = this.#idle.pop();
      if (client?.hasExpiry !== true || !client.isExpiring(this.#options.monotonicMs())) return client;
      client.abort();
    }
  }

  /** HTTP/2 connections at most: more are opened only when those there are full or congested. */
  get #maxSessions(): number {
    return this.#options.limits().connections.maxPoolSessions;
  }

  /** The oldest one that will do: so those that were opened in a rush grow idle and are closed. */
  #takeSession(): ClientSession | undefined {
    let best: ClientSession | undefined;
    for (const session of this.#sessions) {
      if (session.freeStreams === 0 || session.isDoubtful) continue;
      if (!session.isCongested) return session;
      if (best === undefined || session.openStreams < best.openStreams) best = session;
    }
    // Another one is worth its handshake when these have no room on the way; it is there for the next request.
    const { maxConnections } = this.#options;
    if (best !== undefined && this.#sessions.length < this.#maxSessions && this.#connectionCount < maxConnections) {
      this.#connectForAll();
    }
    return best;
  }

  #connectForAll(): void {
    if (this.#isConnecting) return;
    this.#isConnecting = true;
    this.#connect((opened) => {
      this.#isConnecting = false;
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const [i, one] of waiting.entries()) {
        if (opened === "failed" || i === 0) one(opened);
        else if (opened instanceof ClientSession) one(opened.freeStreams > 0 ? opened : "full");
        else if (this.hasRoom) this.#connect(one);
        else one("full");
      }
      if (waiting.length === 0 && opened instanceof ClientConnection) this.giveBack(opened);
      if (opened !== "failed") this.#options.onRoom(this);
    });
  }

  #connect(onOpened: OnOpened): void {
    const { connect, protocolOf, turn, limits, observer } = this.#options;
    this.#connectionCount++;
    connect((result) => {
      if (!result.ok) {
        this.#connectionCount--;
        this.#failedAtMs = this.#options.monotonicMs();
        onOpened("failed");
        return;
      }
      this.#speaks = protocolOf(result.connection);
      if (this.#speaks === "http1") {
        this.#failedAtMs = Number.NEGATIVE_INFINITY;
        onOpened(new ClientConnection(result.connection, { owner: this, turn, limits: limits().http1, observer }));
        return;
      }
      const session = this.#startSession(result.connection);
      if (this.#isClosed) {
        // It takes nothing, so who waits for it looks elsewhere.
        session.close();
        onOpened(session);
      } else if (this.#options.greetingTimeoutMs === undefined) this.#admit(session, onOpened);
      else this.#ungreeted.set(session, { onOpened, sinceMs: this.#options.monotonicMs() });
    });
  }

  #admit(session: ClientSession, onOpened: OnOpened): void {
    this.#ungreeted.delete(session);
    this.#failedAtMs = Number.NEGATIVE_INFINITY;
    this.#sessions.push(session);
    onOpened(session);
  }

  #onReceived(session: ClientSession): void {
    const expected = this.#ungreeted.get(session);
    if (expected !== undefined && session.isGreeted) this.#admit(session, expected.onOpened);
    this.#options.onRoom(this);
  }

  #onSessionGone(session: ClientSession): void {
    this.#connectionCount--;
    this.#leaving.add(session);
    const at = this.#sessions.indexOf(session);
    if (at >= 0) this.#sessions.splice(at, 1);
    const expected = this.#ungreeted.get(session);
    if (expected !== undefined) {
      this.#ungreeted.delete(session);
      this.#failedAtMs = this.#options.monotonicMs();
      if (!this.#isClosed) this.#options.onUngreeted();
      expected.onOpened("failed");
    }
    this.#options.onRoom(this);
  }

  #startSession(connection: Connection): ClientSession {
    const { turn, buffers, monotonicMs, hpack, isKeptAlive, observer, limits } = this.#options;
    const session: ClientSession = new ClientSession({
      endpoint: this,
      connection,
      turn,
      buffers,
      monotonicMs,
      hpack,
      isKeptAlive,
      observer,
      limits: limits().http2,
      onRoom: () => this.#onReceived(session),
      onGone: (gone) => this.#onSessionGone(gone),
      onClosed: (closed) => this.#leaving.delete(closed),
    });
    return session;
  }
}
