import { AtollError } from "../../lib/contract/error-codes.ts";
import { free } from "../../lib/base/received-memory.ts";
import {
  type ConnectFailure,
  type Connection,
  type ConnectionHandler,
  type ConnectOptions,
  idleHandler,
  type Listener,
  type ListenOptions,
  type TlsIdentity,
  type Transport,
} from "./transport.ts";

/**
 * A network inside one process, for tests: nothing happens until {@link MemoryNetwork.settle} runs the events in the
 * order in which they were caused. TLS is a comparison: two identities trust each other when their roots are the same text.
 */
export class MemoryNetwork implements Transport {
  /** Bytes that a connection holds like a kernel's socket buffer before `write` says stop. */
  capacityBytes = 64 * 1024;
  /** Largest piece a reader gets at once; 1 tests every boundary. */
  maxPieceBytes = 64 * 1024;
  nowMs = 0;
  /** Ends of connections that are not closed. */
  openEnds = 0;
  waitingBytes = 0;
  /** Times that memory was to be given back. */
  givenBack = 0;
  readonly #listeners = new Map<string, ListenOptions & { identity?: TlsIdentity; alpn?: readonly string[] }>();
  readonly #events: (() => void)[] = [];
  #heldAttempts: (() => void)[] | undefined;
  #nextPort = 40_000;

  listen(options: ListenOptions): Listener {
    const port = options.port === 0 ? this.#nextPort++ : options.port;
    const address = `${options.host}:${port}`;
    if (this.#listeners.has(address)) throw new AtollError("ADDRESS_IN_USE", `cannot listen on ${address}: in use`);
    const entry: ListenOptions & { identity?: TlsIdentity; alpn?: readonly string[] } = { ...options };
    let isClosed = false;
    this.#listeners.set(address, entry);
    return {
      port,
      get isClosed() {
        return isClosed;
      },
      isShared: false,
      setHandshake(identity, alpn) {
        entry.identity = identity;
        entry.alpn = alpn;
      },
      close: () => {
        isClosed = true;
        if (this.#listeners.get(address) === entry) this.#listeners.delete(address);
      },
    };
  }

  giveBackMemory(): void {
    this.givenBack++;
  }

  /** Attempts to connect wait, as for a host that does not answer, until `release`. */
  hold(): void {
    this.#heldAttempts ??= [];
  }

  release(): void {
    for (const attempt of this.#heldAttempts ?? []) this.schedule(attempt);
    this.#heldAttempts = undefined;
  }

  connect(options: ConnectOptions): void {
    const attempt = (): void => this.#attempt(options);
    if (this.#heldAttempts === undefined) this.schedule(attempt);
    else this.#heldAttempts.push(attempt);
  }

  atEndOfEvent(callback: () => void): void {
    this.schedule(callback);
  }

  atEndOfTurn(callback: () => void): void {
    this.schedule(callback);
  }

  /** Two ends of one plain connection. */
  pair(): [MemoryConnection, MemoryConnection] {
    const a = new MemoryConnection(this);
    const b = new MemoryConnection(this);
    a.peer = b;
    b.peer = a;
    return [a, b];
  }

  schedule(event: () => void): void {
    this.#events.push(event);
  }

  /** Runs events until there are none; throws when they never end. */
  settle(maxEvents = 1_000_000): void {
    for (let count = 0; this.#events.length > 0; count++) {
      if (count === maxEvents) throw new Error(`the network did not settle within ${maxEvents} events`);
      this.#events.shift()?.();
    }
  }

  #attempt(options: ConnectOptions): void {
    const listener = this.#listeners.get(`${options.host}:${options.port}`);
    const fail = (reason: ConnectFailure): void => options.onResult({ ok: false, reason, message: reason });
    if (listener === undefined) {
      fail("refused");
      return;
    }
    const [client, server] = this.pair();
    if (listener.identity !== undefined) {
      const refusal = handshake(options, listener.identity);
      if (refusal !== undefined) {
        listener.onRefused(refusal);
        fail(refusal);
        return;
      }
      server.peerUri = options.tls?.identity.spiffeUri ?? "";
      client.peerUri = listener.identity.spiffeUri;
      client.alpn = listener.alpn?.find((protocol) => options.tls?.alpn?.includes(protocol)) ?? "";
      server.alpn = client.alpn;
    }
    listener.onConnection(server);
    options.onResult({ ok: true, connection: client });
  }
}

function handshake(
  options: ConnectOptions,
  server: TlsIdentity,
): "no_client_certificate" | "untrusted_certificate" | "wrong_service" | undefined {
  if (options.tls === undefined) return "no_client_certificate";
  if (options.tls.identity.caPem !== server.caPem) return "untrusted_certificate";
  return options.tls.isExpectedPeer(server.spiffeUri) ? undefined : "wrong_service";
}

/** With memory to itself, as all that a real socket brings. */
function ownCopy(bytes: Buffer): Buffer {
  const own = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(own);
  return own;
}

export class MemoryConnection implements Connection {
  handler: ConnectionHandler = idleHandler;
  peerUri = "";
  readonly peerCertificate = undefined;
  alpn = "";
  readonly remoteAddress = "memory:0";
  lastActivityMs = 0;
  lastWrittenMs = 0;
  peer: MemoryConnection | undefined;
  readonly #network: MemoryNetwork;
  /** On the wire to the peer, and behind it what `write` could not place. */
  #wire: Buffer[] = [];
  #wireBytes = 0;
  #waiting: Buffer[] = [];
  #isPaused = false;
  #isEnding = false;
  #hasDeliveredEnd = false;
  #hasReceivedEnd = false;
  #isClosed = false;

  constructor(network: MemoryNetwork) {
    this.#network = network;
    network.openEnds++;
  }

  get isBlocked(): boolean {
    return this.#waiting.length > 0;
  }

  /** Bytes that wait in user space on this side. */
  get waitingBytes(): number {
    return this.#waiting.reduce((total, chunk) => total + chunk.length, 0);
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  write(chunk: Uint8Array, start = 0, end = chunk.length): boolean {
    if (this.#isClosed || this.#isEnding) return true;
    this.#waiting.push(Buffer.from(chunk.subarray(start, end)));
    this.#network.waitingBytes += end - start;
    this.#fillWire();
    return this.#waiting.length === 0;
  }

  end(): void {
    if (this.#isClosed || this.#isEnding) return;
    this.#isEnding = true;
    this.#deliverLater();
  }

  destroy(): void {
    if (this.#isClosed) return;
    this.#closeLater();
    if (this.peer !== undefined) this.peer.#closeLater();
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    if (this.peer !== undefined) this.peer.#deliverLater();
  }

  #fillWire(): void {
    while (this.#waiting.length > 0 && this.#wireBytes < this.#network.capacityBytes) {
      const chunk = this.#waiting[0] ?? Buffer.alloc(0);
      const piece = chunk.subarray(
        0,
        Math.min(this.#network.capacityBytes - this.#wireBytes, this.#network.maxPieceBytes),
      );
      if (piece.length === chunk.length) this.#waiting.shift();
      else this.#waiting[0] = chunk.subarray(piece.length);
      this.#wire.push(piece);
      this.#wireBytes += piece.length;
      this.#network.waitingBytes -= piece.length;
    }
    this.#deliverLater();
  }

  #deliverLater(): void {
    this.#network.schedule(() => this.#deliver());
  }

  #deliver(): void {
    const { peer } = this;
    if (this.#isClosed || peer === undefined || peer.#isClosed || peer.#isPaused) return;
    const piece = this.#wire.shift();
    if (piece !== undefined) {
      this.#wireBytes -= piece.length;
      this.lastActivityMs = this.#network.nowMs;
      peer.lastActivityMs = this.#network.nowMs;
      this.lastWrittenMs = this.#network.nowMs;
      const wasBlocked = this.isBlocked;
      const chunk = ownCopy(piece);
      peer.handler.onData(chunk);
      this.#network.atEndOfTurn(() => free(chunk));
      this.#fillWire();
      if (wasBlocked && !this.isBlocked && !this.#isClosed && !this.#isEnding) this.handler.onDrain();
      return;
    }
    if (this.#isEnding && this.#waiting.length === 0 && !this.#hasDeliveredEnd) {
      this.#hasDeliveredEnd = true;
      peer.#hasReceivedEnd = true;
      peer.handler.onEnd();
      if (this.#hasReceivedEnd && peer.#hasDeliveredEnd) {
        this.#closeLater();
        peer.#closeLater();
      }
    }
  }

  #closeLater(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#network.openEnds--;
    this.#network.waitingBytes -= this.waitingBytes;
    this.#waiting = [];
    this.#network.schedule(() => this.handler.onClose());
  }
}
