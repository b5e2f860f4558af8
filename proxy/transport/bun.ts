import { createSecureContext } from "node:tls";
import type { Socket } from "bun";
import type { Clock, Timer } from "../../lib/base/clock.ts";
import { atEndOfEvent, atEndOfTurn } from "../../lib/base/turn.ts";
import { errorMessage, systemErrorCode } from "../../lib/base/errors.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { AwakeTime } from "./awake-time.ts";
import { BunConnection, type SharedState } from "./bun-connection.ts";
import { speedUpLoopback } from "./loopback.ts";
import { hasExpired, peerCertificateOf, spiffeUriOfNames } from "./peer-identity.ts";
import { SessionCache, sessionKey } from "./session-cache.ts";
import { type ListeningSocket, SharedPort } from "./shared-port.ts";
import type {
  ConnectFailure,
  ConnectOptions,
  HandshakeRefusal,
  ListenOptions,
  Listener,
  TlsIdentity,
  Transport,
} from "./transport.ts";
import { TurnEnd } from "./turn-end.ts";

/** SSL_OP_NO_TLSv1 | NO_TLSv1_1 | NO_TLSv1_2: the mesh speaks TLS 1.3 only (RFC 8446). */
const onlyTls13 = 0x04000000 | 0x10000000 | 0x08000000;
const coarseTickMs = 500;

/** A transport on Bun's sockets. `stop` ends its clock; listeners and connections belong to those who opened them. */
export function createBunTransport(clock: Clock): Transport & { stop(): void } {
  const turnEnd = new TurnEnd(atEndOfTurn, atEndOfEvent);
  const shared: SharedState = { turnEnd, nowMs: clock.monotonicMs(), waitingBytes: 0 };
  const sessions = new SessionCache();
  const handshakes: Handshakes = { awake: new AwakeTime(shared.nowMs, coarseTickMs), underWay: new Map() };
  let timer: Timer;
  const tick = (): void => {
    shared.nowMs = clock.monotonicMs();
    handshakes.awake.tick(shared.nowMs);
    for (const handshake of handshakes.underWay.values()) {
      if (handshakes.awake.ms < handshake.deadlineMs) continue;
      handshake.onTimeout();
    }
    timer = clock.after(coarseTickMs, tick);
  };
  timer = clock.after(coarseTickMs, tick);
  return {
    get waitingBytes() {
      return shared.waitingBytes;
    },
    listen: (options) =>
      options.identity === undefined
        ? listenPlain(options, shared, clock)
        : listenTls(options, shared, clock, handshakes),
    connect: (options) => connect(options, { shared, clock, sessions }),
    atEndOfEvent,
    atEndOfTurn: (callback) => turnEnd.add(callback),
    // Not `Bun.shrink()` too: it gives back a little more, and throws away the compiled code, after which a request costs three times as much.
    giveBackMemory: () => Bun.gc(true),
    stop: () => timer.cancel(),
  };
}

interface Handshakes {
  readonly awake: AwakeTime;
  /** Deadlines are in the time of `awake`. */
  readonly underWay: Map<Socket<unknown>, { readonly deadlineMs: number; readonly onTimeout: () => void }>;
}

/** Bun's types leave out the descriptor of a connection. */
function fdOf(socket: Socket<BunConnection> & { readonly fd?: number }): number | undefined {
  return socket.fd;
}

/** Bun's types leave out that a listener can share its port. */
interface SharedListen extends Bun.TCPSocketListenOptions<BunConnection> {
  readonly reusePort: true;
}

function listenShared(options: Omit<SharedListen, "reusePort" | "allowHalfOpen">): ListeningSocket {
  const shared: SharedListen = { ...options, reusePort: true, allowHalfOpen: true };
  return Bun.listen<BunConnection>(shared);
}

/** Socket events once a connection stands; shared by all of them, so that a connection costs no closures. */
const connectionEvents = {
  data(socket: Socket<BunConnection>, chunk: Buffer) {
    socket.data.onSocketData(chunk);
  },
  drain(socket: Socket<BunConnection>) {
    socket.data.onSocketDrain();
  },
  end(socket: Socket<BunConnection>) {
    socket.data.onSocketEnd();
  },
  close(socket: Socket<BunConnection>, error?: Error) {
    socket.data.onSocketClose(error === undefined);
  },
};

function listenPlain(options: ListenOptions, shared: SharedState, clock: Clock): Listener {
  const port = bind(options, clock, () =>
    listenShared({
      hostname: options.host,
      port: options.port,
      socket: {
        ...connectionEvents,
        open(socket) {
          const connection = new BunConnection(socket, shared);
          socket.data = connection;
          options.onConnection(connection);
        },
        error(socket) {
          socket.data?.destroy();
        },
      },
    }),
  );
  return {
    port: port.port,
    setHandshake: () => undefined,
    close: () => port.close(),
    get isClosed() {
      return port.isClosed;
    },
    get isShared() {
      return port.isShared;
    },
  };
}

/** Bun's types leave out that `upgradeTLS` can also be the server's side. */
interface ServerUpgrade<Data> extends Bun.TLSUpgradeOptions<Data> {
  readonly isServer: true;
}

function listenTls(options: ListenOptions, shared: SharedState, clock: Clock, handshakes: Handshakes): Listener {
  const { identity, handshakes: bounds } = options;
  if (identity === undefined || bounds === undefined) {
    throw new AtollError("INTERNAL", "a TLS listener needs an identity and bounds for its handshakes");
  }
  // Chosen per handshake, so that a new certificate or root never closes the listening socket or its accept queue. A
  // listener with TLS of its own could swap its context for one handshake, but would then no longer answer ALPN.
  let tls = listenerTls(identity, options.alpn);
  let pending = 0;
  /** False when it had ended before. */
  const isSettled = (socket: Socket<BunConnection>): boolean => {
    if (!handshakes.underWay.delete(socket)) return false;
    pending--;
    return true;
  };
  const refuse = (socket: Socket<BunConnection>, reason: HandshakeRefusal): void => {
    options.onRefused(reason);
    socket.terminate();
  };
  const events: Bun.SocketHandler<BunConnection> = {
    ...connectionEvents,
    handshake(socket, isComplete, error) {
      if (!isSettled(socket)) return;
      if (!isComplete || error !== null) return refuse(socket, refusalOf(error));
      if (!socket.authorized || socket.getTLSVersion() !== "TLSv1.3") return refuse(socket, "not_tls13");
      const certificate = socket.getPeerX509Certificate();
      // A resumed session is not verified again: its certificate may have expired since it began.
      if (socket.isSessionReused() && hasExpired(certificate, clock.nowMs())) {
        return refuse(socket, "expired_certificate");
      }
      const uri = spiffeUriOfNames(certificate?.subjectAltName);
      if (uri === undefined) return refuse(socket, "bad_spiffe_id");
      socket.data.peerUri = uri;
      socket.data.peerCertificate = peerCertificateOf(certificate);
      socket.data.alpn = negotiated(socket);
      options.onConnection(socket.data);
    },
    close(socket, error) {
      if (isSettled(socket)) options.onRefused("closed_early");
      socket.data.onSocketClose(error === undefined);
    },
    error(socket) {
      socket.data?.destroy();
    },
  };
  const onTimeout = (socket: Socket<BunConnection>): void => {
    if (isSettled(socket)) refuse(socket, "handshake_timeout");
  };
  const port = bind(options, clock, () =>
    listenShared({
      hostname: options.host,
      port: options.port,
      socket: {
        open(raw: Socket<BunConnection>) {
          const { maxUnderWay, timeoutMs } = bounds();
          if (pending >= maxUnderWay) {
            options.onRefused("too_many_handshakes");
            raw.terminate();
            return;
          }
          const upgrade: ServerUpgrade<BunConnection> = { isServer: true, tls, socket: events };
          const [, socket] = raw.upgradeTLS(upgrade);
          socket.data = new BunConnection(socket, shared);
          pending++;
          const deadlineMs = handshakes.awake.ms + timeoutMs;
          handshakes.underWay.set(socket, { deadlineMs, onTimeout: () => onTimeout(socket) });
        },
        // Bun wants one of its two handlers. With that of data, all that the TLS socket reads would come here too, in a copy.
        drain: () => undefined,
      },
    }),
  );
  return {
    port: port.port,
    setHandshake(identity, alpn) {
      tls = listenerTls(identity, alpn);
    },
    close: () => port.close(),
    get isClosed() {
      return port.isClosed && pending === 0;
    },
    get isShared() {
      return port.isShared;
    },
  };
}

function serverTls(identity: TlsIdentity): Bun.TLSOptions {
  return {
    cert: identity.certPem,
    key: identity.keyPem,
    ca: identity.caPem,
    requestCert: true,
    rejectUnauthorized: true,
    secureOptions: onlyTls13,
  };
}

/** With one context for all connections: Bun forgets one that is in no connection's use, and with it the keys of its tickets. */
function listenerTls(identity: TlsIdentity, alpn: readonly string[] | undefined): Bun.TLSOptions {
  const { secureOptions } = serverTls(identity);
  const { certPem: cert, keyPem: key, caPem: ca } = identity;
  const { context } = createSecureContext({ cert, key, ca, secureOptions });
  const options = { secureContext: context, requestCert: true, rejectUnauthorized: true };
  return { ...options, ...alpnOption(alpn) };
}

/** Bun takes the names as RFC 7301 writes them: each behind its length. */
function alpnOption(protocols: readonly string[] | undefined): { ALPNProtocols?: Buffer } {
  if (protocols === undefined || protocols.length === 0) return {};
  return { ALPNProtocols: Buffer.concat(protocols.map((name) => Buffer.from([name.length, ...Buffer.from(name)]))) };
}

function negotiated(socket: Socket<BunConnection>): string {
  const { alpnProtocol } = socket;
  return typeof alpnProtocol === "string" ? alpnProtocol : "";
}

function bind(options: ListenOptions, clock: Clock, listen: () => ListeningSocket): SharedPort {
  const address = `${options.host}:${options.port}`;
  try {
    return new SharedPort(options, clock, listen);
  } catch (thrown) {
    const code = systemErrorCode(thrown);
    if (code === "EADDRINUSE") {
      throw new AtollError(
        "ADDRESS_IN_USE",
        `cannot listen on ${address}: another process holds it (see: ss -ltnp 'sport = :${options.port}'); stop it or choose another port`,
        { cause: thrown },
      );
    }
    const reason = code === "EADDRNOTAVAIL" ? "the address is not one of this machine" : errorMessage(thrown);
    throw new AtollError("CONFIG_INVALID", `cannot listen on ${address}: ${reason}`, { cause: thrown });
  }
}

/** From the error of a failed handshake (OpenSSL's verify codes and BoringSSL's reasons) to the label that is counted. */
function refusalOf(error: Error | null): HandshakeRefusal {
  const code = systemErrorCode(error) ?? "";
  const text = error === null ? "" : error.message;
  if (text.includes("PEER_DID_NOT_RETURN_A_CERTIFICATE")) return "no_client_certificate";
  if (code === "CERT_HAS_EXPIRED" || code === "CERT_NOT_YET_VALID") return "expired_certificate";
  if (text.includes("UNSUPPORTED_PROTOCOL")) return "not_tls13";
  if (text.includes("disconnected before secure")) return "closed_early";
  if (code === "EPROTO") return "not_tls";
  return "untrusted_certificate";
}

interface Dialling {
  readonly shared: SharedState;
  readonly clock: Clock;
  readonly sessions: SessionCache;
}

function connect(options: ConnectOptions, { shared, clock, sessions }: Dialling): void {
  const { tls } = options;
  const key = tls === undefined ? "" : sessionKey(options.host, options.port, tls);
  let settled = false;
  const settle = (result: Parameters<ConnectOptions["onResult"]>[0]): boolean => {
    if (settled) return false;
    settled = true;
    timer.cancel();
    options.onResult(result);
    return true;
  };
  let socket: Socket<BunConnection> | undefined;
  const fail = (reason: ConnectFailure, message: string): void => {
    if (!settled) sessions.delete(key);
    settle({ ok: false, reason, message });
    socket?.terminate();
  };
  let timer = waitFor(options.timeoutMs);
  /** A timer that fires late says that we stood still: the answer may be here, unread. */
  function waitFor(ms: number): Timer {
    const dueMs = clock.monotonicMs() + ms;
    return clock.after(ms, () => {
      const lateMs = clock.monotonicMs() - dueMs;
      if (lateMs > coarseTickMs) timer = waitFor(Math.min(lateMs, options.timeoutMs));
      else fail("timeout", `no connection within ${options.timeoutMs} ms`);
    });
  }
  const attempt = Bun.connect<BunConnection>({
    hostname: options.host,
    port: options.port,
    allowHalfOpen: true,
    ...(tls === undefined
      ? {}
      : { tls: { ...serverTls(tls.identity), ...alpnOption(tls.alpn), serverName: tls.serverName } }),
    socket: {
      ...connectionEvents,
      open(opened) {
        socket = opened;
        speedUpLoopback(fdOf(opened), options.host);
        opened.data = new BunConnection(opened, shared);
        if (settled) opened.terminate();
        else if (tls !== undefined) resume(opened, sessions.get(key, tls.identity));
        else settle({ ok: true, connection: opened.data });
      },
      ...(tls === undefined
        ? {}
        : {
            session(_opened: Socket<BunConnection>, session: Buffer) {
              sessions.set(key, tls.identity, session);
            },
            handshake(opened: Socket<BunConnection>, isComplete: boolean, error: Error | null) {
              if (settled) return;
              if (!isComplete || error !== null) return fail(refusalOf(error), error?.message ?? "handshake failed");
              if (!opened.authorized || opened.getTLSVersion() !== "TLSv1.3") return fail("not_tls13", "not TLS 1.3");
              const leaf = opened.getPeerX509Certificate();
              if (opened.isSessionReused() && hasExpired(leaf, clock.nowMs()))
                return fail("expired_certificate", "the certificate has expired since the session began");
              const uri = spiffeUriOfNames(leaf?.subjectAltName);
              if (uri === undefined) return fail("bad_spiffe_id", "the certificate has no single SPIFFE id");
              if (!tls.isExpectedPeer(uri)) return fail("wrong_service", `the certificate is for ${uri}`);
              opened.data.peerUri = uri;
              opened.data.alpn = negotiated(opened);
              settle({ ok: true, connection: opened.data });
            },
          }),
      close(closed, error) {
        fail("refused", "closed before the connection was ready");
        closed.data.onSocketClose(error === undefined);
      },
      error(failed, error) {
        fail(tls === undefined ? "refused" : refusalOf(error), error.message);
        failed.data?.destroy();
      },
      connectError(_failed, error) {
        fail("refused", error.message);
      },
    },
  });
  attempt.catch((thrown: unknown) => fail("refused", errorMessage(thrown)));
}

/** Bun takes a session here, before the handshake, and passes over the option of that name. */
function resume(socket: Socket<unknown>, session: Buffer | undefined): void {
  if (session !== undefined) socket.setSession(session);
}
