/**
 * The seam between the proxy and the operating system's sockets. `bun.ts` is the real one, `memory.ts` the one of tests;
 * both pass the same conformance suite (`tests/proxy/transport`).
 *
 * Flow control: `write` takes the whole chunk in every case and returns false once bytes wait in user space; the writer
 * then stops reading its own source until `onDrain`. So at most one read's worth of bytes waits per connection.
 */
export interface Connection {
  /** Receives the events; set before the first event and replaceable between two. */
  handler: ConnectionHandler;
  /** Peer's SPIFFE URI once a TLS handshake has verified it; empty on a plain connection. */
  readonly peerUri: string;
  /** The certificate that it showed. */
  readonly peerCertificate: PeerCertificate | undefined;
  /** The same as PEM, worked out whenever it is read; absent where there is no TLS. */
  readonly peerCertificatePem?: string | undefined;
  /** The protocol that a TLS handshake agreed on (RFC 7301), or empty. */
  readonly alpn: string;
  /** `host:port` of the other side, for logs. */
  readonly remoteAddress: string;
  /**
   * Sends `chunk[start, end)`, all of it by default. True: the chunk's memory may be written again. False: it may not, and stop
   * until `onDrain`. After `end` or `destroy` it is dropped. What was received may be sent as it is: its memory is kept where need be.
   */
  write(chunk: Uint8Array, start?: number, end?: number): boolean;
  /** Half-closes our side once everything written has left. */
  end(): void;
  /** Closes both sides at once; what still waits is dropped. `onClose` follows. */
  destroy(): void;
  /** Stops `onData` (at most one read that was under way may still come). Idempotent. */
  pause(): void;
  resume(): void;
  /** Whether bytes wait in user space. */
  readonly isBlocked: boolean;
  /** Milliseconds on the transport's coarse clock when a byte last moved in either direction. */
  readonly lastActivityMs: number;
  /** The same for bytes that left. */
  readonly lastWrittenMs: number;
}

export interface PeerCertificate {
  /** SHA-256 of its DER form, in lower-case hex. */
  readonly hash: string;
  /** RFC 2253. */
  readonly subject: string;
}

/** Calls come one at a time; after `onClose` there are none. */
export interface ConnectionHandler {
  /**
   * `chunk` may be read during the call and by what it puts off to the end of this event or turn, and nobody changes it. Whoever needs it
   * for longer says `keep` (`lib/base/received-memory.ts`).
   */
  onData(chunk: Buffer): void;
  /** Everything that waited has left. */
  onDrain(): void;
  /** The peer has half-closed: no more data will come. */
  onEnd(): void;
  /** The connection is gone, cleanly or not. */
  onClose(): void;
}

/** Certificate, key and trusted roots as PEM text: what every handshake of the mesh uses. */
export interface TlsIdentity {
  readonly certPem: string;
  readonly keyPem: string;
  readonly caPem: string;
  /** Our own SPIFFE URI, read from the certificate. */
  readonly spiffeUri: string;
  readonly notAfterMs: number;
}

/** Handshakes that have begun and not ended, of one listener. */
export interface HandshakeBounds {
  readonly maxUnderWay: number;
  readonly timeoutMs: number;
}

export interface ListenOptions {
  readonly host: string;
  /** 0 asks for a free port. */
  readonly port: number;
  /** Who else may listen on this address; `claim` when absent. */
  readonly sharing?: PortSharing;
  /** With `replace`: how many processes take over, this one included. */
  readonly processes?: number;
  /** Present: every connection must complete a TLS 1.3 handshake with a client certificate that `identity` trusts. */
  readonly identity?: TlsIdentity;
  /** Asked for every handshake; needed with `identity`. */
  readonly handshakes?: () => HandshakeBounds;
  /** Protocols offered in a TLS handshake, the preferred one first; none when absent. */
  readonly alpn?: readonly string[];
  /** A connection that can be used: accepted, and with TLS verified. Sets `connection.handler`. */
  readonly onConnection: (connection: Connection) => void;
  /** A connection that never became usable. */
  readonly onRefused: (reason: HandshakeRefusal) => void;
}

/**
 * `claim`: nobody else listens there now. `join`: others of the same proxy do. `replace`: the ones of a predecessor do; until they
 * have closed, new connections come here.
 */
export type PortSharing = "claim" | "join" | "replace";

/** Why a handshake was refused, as a metric label. */
export const handshakeRefusals = [
  "no_client_certificate",
  "untrusted_certificate",
  "expired_certificate",
  "bad_spiffe_id",
  "wrong_service",
  "not_tls13",
  "not_tls",
  /** The peer went away first, as a health check of the bare port does. */
  "closed_early",
  "handshake_timeout",
  "too_many_handshakes",
] as const;
export type HandshakeRefusal = (typeof handshakeRefusals)[number];

export interface Listener {
  readonly port: number;
  /** New handshakes use these; connections that stand are not touched. */
  setHandshake(identity: TlsIdentity, alpn: readonly string[]): void;
  /**
   * Stops accepting; connections that stand are not touched. Where others share the address, what has already come to this socket
   * is still accepted.
   */
  close(): void;
  /** Closed, and every connection that it accepted is either usable or refused. */
  readonly isClosed: boolean;
  /** Another process listens on the same address. */
  readonly isShared: boolean;
}

export interface ConnectOptions {
  readonly host: string;
  readonly port: number;
  readonly timeoutMs: number;
  readonly tls?: ClientTls;
  /** Called once, never before `connect` has returned. */
  readonly onResult: (result: ConnectResult) => void;
}

export interface ClientTls {
  readonly identity: TlsIdentity;
  readonly serverName: string;
  readonly alpn?: readonly string[];
  /** Whether the certificate's SPIFFE URI is the one that was meant to be called. */
  readonly isExpectedPeer: (uri: string) => boolean;
}

export type ConnectResult =
  | { readonly ok: true; readonly connection: Connection }
  | { readonly ok: false; readonly reason: ConnectFailure; readonly message: string };
export type ConnectFailure = "refused" | "timeout" | HandshakeRefusal;

export interface Transport {
  /** Throws an `AtollError` (`ADDRESS_IN_USE`, `CONFIG_INVALID`) when the address cannot be bound. */
  listen(options: ListenOptions): Listener;
  connect(options: ConnectOptions): void;
  /** Calls back when the event at hand has been handled. */
  atEndOfEvent(callback: () => void): void;
  /** Bytes that wait in user space, all connections together. */
  readonly waitingBytes: number;
  /** Calls back when all events at hand have been handled. */
  atEndOfTurn(callback: () => void): void;
  /** Collects garbage, so that the system gets back what is free: nothing else happens for 10 to 20 ms. */
  giveBackMemory(): void;
}

/** A handler for the time between two owners: what comes is an error of the peer, so the connection is dropped. */
export const idleHandler: ConnectionHandler = {
  onData: () => undefined,
  onDrain: () => undefined,
  onEnd: () => undefined,
  onClose: () => undefined,
};
