import { chmodSync, chownSync, lstatSync, unlinkSync } from "node:fs";
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { type SecureContext, TLSSocket } from "node:tls";
import { accountId } from "../base/account-ids.ts";
import { errorMessage } from "../base/errors.ts";
import type { Runtime } from "../base/runtime.ts";
import { formatHostPort, type HostPort } from "../contract/address.ts";
import { AtollError } from "../contract/error-codes.ts";
import { type ConnectionLimit, createConnectionLimit } from "./connection-limit.ts";
import type { HttpApp } from "./http-app.ts";
import { listenError, listenHttp } from "./listen.ts";
import { readTlsContext, type TlsFiles } from "./tls-material.ts";

/**
 * Every listener of one app: plain, TLS and socket files. The first plain one is the app's own; the others accept by
 * themselves and hand their connections to it, after the TLS handshake where there is one. So a certificate is chosen per
 * handshake, and a new one takes effect without closing anything.
 */
export interface EdgeListenerSpec {
  readonly isTls: boolean;
  readonly at: HostPort | { readonly socketPath: string };
}

export interface EdgeSpec {
  /** At least one. */
  readonly listeners: readonly EdgeListenerSpec[];
  /** Without it a TLS listener ends every handshake, until a reload brings one. */
  readonly tls?: TlsFiles;
  /** Who owns socket files, by name or number, and octal permissions. */
  readonly socketRights: { readonly user?: string; readonly group?: string; readonly mode?: string };
  /** Below 1 for no limit. */
  readonly maxConnsPerClient: number;
  readonly handshakeTimeoutMs: number;
}

export interface EdgeListeners {
  /** As they may be dialled: `http://host:port`, `https://host:port`, `unix:///path`. */
  readonly urls: readonly string[];
  /** The first plain one with the port it got; absent when there is none. */
  readonly http?: HostPort;
  /** Reads the certificate files again for handshakes from now on. Throws `CONFIG_INVALID` and keeps what there was. */
  reload(spec: Pick<EdgeSpec, "tls" | "maxConnsPerClient">): void;
  /** Stops accepting and, once the app is closed, cuts what is left. */
  close(): Promise<void>;
}

/** Rejects with `ADDRESS_IN_USE` or `CONFIG_INVALID`; then no listener of its own is left, the app is the caller's to close. */
export async function openEdge(app: HttpApp, spec: EdgeSpec, runtime: Runtime): Promise<EdgeListeners> {
  const logger = runtime.logger.child("http");
  const limit = createConnectionLimit({
    max: spec.maxConnsPerClient,
    onRefused: () => logger.debug("a client has too many connections"),
  });
  const edge: Edge = {
    app,
    limit,
    runtime,
    spec,
    sockets: new Set(),
    own: new WeakSet(),
    servers: [],
    ...(spec.tls !== undefined && { context: readTlsContext(spec.tls) }),
    isClientVerified: spec.tls?.isClientVerified ?? false,
  };
  app.server.on("connection", (socket: Socket) => {
    if (!edge.own.has(socket)) limit.admit(socket);
  });
  const close = async (): Promise<void> => {
    const closed = edge.servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve())));
    await app.close();
    for (const socket of edge.sockets) socket.destroy();
    await Promise.all(closed);
  };
  if (spec.tls === undefined && spec.listeners.some(({ isTls }) => isTls)) {
    logger.warn("HTTPS has no certificate and ends every connection: set tls.https.cert_file and tls.https.key_file");
  }
  try {
    const opened = await openAll(edge);
    return { ...opened, close, reload: (next) => reload(edge, next) };
  } catch (thrown) {
    for (const server of edge.servers) server.close();
    throw thrown;
  }
}

interface Edge {
  readonly app: HttpApp;
  readonly limit: ConnectionLimit;
  readonly runtime: Runtime;
  readonly spec: EdgeSpec;
  /** Of the listeners that are not the app's own. */
  readonly sockets: Set<Socket>;
  /** Those of them that the app has got, and that are counted already. */
  readonly own: WeakSet<Socket>;
  readonly servers: Server[];
  context?: SecureContext;
  isClientVerified: boolean;
}

async function openAll(edge: Edge): Promise<{ readonly urls: readonly string[]; readonly http?: HostPort }> {
  const urls: string[] = [];
  let http: HostPort | undefined;
  for (const { isTls, at } of edge.spec.listeners) {
    if ("socketPath" in at) {
      await openSocketFile(edge, at.socketPath, isTls);
      urls.push(`unix://${at.socketPath}`);
    } else if (!isTls && http === undefined) {
      http = await listenHttp(edge.app, at);
      urls.push(`http://${formatHostPort(http)}`);
    } else {
      // Several addresses that all take any free port would be of no use to anyone: the others take the first one's.
      const port = !isTls && at.port === 0 ? (http?.port ?? 0) : at.port;
      const bound = await openPort(edge, { host: at.host, port }, isTls);
      urls.push(`${isTls ? "https" : "http"}://${formatHostPort(bound)}`);
    }
  }
  if (http === undefined) await edge.app.ready();
  return { urls, ...(http !== undefined && { http }) };
}

async function openPort(edge: Edge, address: HostPort, isTls: boolean): Promise<HostPort> {
  const server = accept(edge, isTls);
  try {
    await listening(server, (done) => server.listen({ host: address.host, port: address.port }, done));
  } catch (thrown) {
    throw listenError(address, thrown, isTls ? "HTTPS" : "HTTP");
  }
  const bound = server.address();
  return { host: address.host, port: typeof bound === "object" && bound !== null ? bound.port : address.port };
}

async function openSocketFile(edge: Edge, path: string, isTls: boolean): Promise<void> {
  await removeStale(path);
  const server = accept(edge, isTls);
  const { user, group, mode } = edge.spec.socketRights;
  try {
    await listening(server, (done) => server.listen(path, done));
    if (user !== undefined || group !== undefined) {
      chownSync(path, ownerId("user", user, process.getuid?.()), ownerId("group", group, process.getgid?.()));
    }
    if (mode !== undefined) chmodSync(path, Number.parseInt(mode, 8));
  } catch (cause) {
    if (cause instanceof AtollError) throw cause;
    throw new AtollError("CONFIG_INVALID", `cannot listen on unix://${path}: ${errorMessage(cause)}`, { cause });
  }
}

function ownerId(kind: "user" | "group", name: string | undefined, own: number | undefined): number {
  if (name === undefined || name === "") return own ?? 0;
  const id = accountId(kind, name);
  if (id !== undefined) return id;
  throw new AtollError("CONFIG_INVALID", `unix_sockets.${kind} "${name}" is no ${kind} of this machine`);
}

/** What a process that is gone left behind; a socket that answers, and anything that is no socket, is left alone. */
async function removeStale(path: string): Promise<void> {
  let isSocket: boolean;
  try {
    isSocket = lstatSync(path).isSocket();
  } catch {
    return;
  }
  if (!isSocket)
    throw new AtollError("CONFIG_INVALID", `${path} is there and is no socket: remove it, or name another`);
  const answers = await new Promise<boolean>((resolve) => {
    const probe = createConnection(path);
    probe.once("connect", () => resolve(true)).once("error", () => resolve(false));
    probe.once("connect", () => probe.destroy());
  });
  if (answers) throw new AtollError("ADDRESS_IN_USE", `another process listens on unix://${path}`);
  unlinkSync(path);
}

function accept(edge: Edge, isTls: boolean): Server {
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    if (!edge.limit.admit(socket)) return;
    edge.sockets.add(socket);
    socket.once("close", () => edge.sockets.delete(socket));
    if (isTls) secure(edge, socket);
    else handOver(edge, socket);
  });
  edge.servers.push(server);
  return server;
}

/** The app may be given the connection at once: it reads nothing before the handshake. */
function secure(edge: Edge, socket: Socket): void {
  const { context, isClientVerified } = edge;
  if (context === undefined) {
    socket.destroy();
    return;
  }
  const isAsked = { requestCert: isClientVerified, rejectUnauthorized: isClientVerified };
  const encrypted = new TLSSocket(socket, { isServer: true, secureContext: context, ...isAsked });
  const timer = edge.runtime.clock.after(edge.spec.handshakeTimeoutMs, () => socket.destroy());
  encrypted.once("secure", () => timer.cancel());
  encrypted.once("close", () => timer.cancel());
  encrypted.on("error", () => socket.destroy());
  handOver(edge, encrypted);
}

function handOver(edge: Edge, socket: Socket): void {
  edge.own.add(socket);
  edge.app.server.emit("connection", socket);
}

function reload(edge: Edge, next: Pick<EdgeSpec, "tls" | "maxConnsPerClient">): void {
  edge.limit.setMax(next.maxConnsPerClient);
  if (next.tls === undefined) return;
  edge.context = readTlsContext(next.tls);
  edge.isClientVerified = next.tls.isClientVerified;
}

function listening(server: Server, listen: (done: () => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    listen(() => {
      server.off("error", reject);
      resolve();
    });
  });
}
