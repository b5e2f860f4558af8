import { chmod, unlink } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { errorMessage } from "../lib/base/errors.ts";
import { createLineReader } from "../lib/base/line-reader.ts";
import type { Logger } from "../lib/base/logger.ts";
import type { Runtime } from "../lib/base/runtime.ts";
import type { ProxyToAgent } from "../lib/contract/agent-socket.ts";
import { AtollError } from "../lib/contract/error-codes.ts";
import { createProxyConnection, type ProxyConnection } from "./proxies/proxy-connection.ts";
import { decodeProxyMessage } from "./proxies/proxy-message.ts";
import { removeStaleSocket } from "./proxies/socket-path.ts";

/**
 * The unix socket on which the agent's proxies ask for their configuration (lib/contract/agent-socket.ts). It knows lines
 * and connections; what a proxy shall do is decided by the `events`. The socket's file mode is the only authentication.
 */
export interface ProxySocket {
  readonly path: string;
  /** The newest connection of a proxy that has said hello. */
  connection(proxyId: string): ProxyConnection | undefined;
  /** Closes everything; `disconnected` has been called for every connection when it resolves. */
  stop(): Promise<void>;
}

export interface ProxySocketEvents {
  readonly connected: (connection: ProxyConnection) => void;
  readonly applied: (connection: ProxyConnection, version: number) => void;
  readonly rejected: (connection: ProxyConnection, version: number, message: string) => void;
  /** The proxy asks for a process that takes over from it. */
  readonly replaceAsked: (connection: ProxyConnection) => void;
  readonly disconnected: (connection: ProxyConnection) => void;
}

export interface ProxySocketOptions {
  readonly runtime: Runtime;
  readonly path: string;
  readonly events: ProxySocketEvents;
  readonly helloTimeoutMs?: number;
}

/** What a proxy has to say is short; a whole configuration only goes the other way. */
const maxLineBytes = 1024 * 1024;
const maxConnections = 4_096;
const defaultHelloTimeoutMs = 10_000;

/** Listens. Rejects with `DATA_DIR_LOCKED` when another agent answers there, `CONFIG_INVALID` when the path is unusable. */
export async function startProxySocket(options: ProxySocketOptions): Promise<ProxySocket> {
  const logger = options.runtime.logger.child("proxy-socket");
  await removeStaleSocket(options.path);
  const byProxy = new Map<string, ProxyConnection>();
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    if (sockets.size >= maxConnections) {
      socket.destroy();
      return;
    }
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    serveProxy({ socket, byProxy, logger, options });
  });
  await listen(server, options.path);
  await chmod(options.path, 0o600);
  return {
    path: options.path,
    connection: (proxyId) => byProxy.get(proxyId),
    async stop() {
      const listenerClosed = new Promise<void>((resolve) => server.close(() => resolve()));
      const socketsClosed = [...sockets].map((socket) => new Promise((resolve) => socket.once("close", resolve)));
      for (const socket of sockets) socket.destroy();
      await Promise.all([listenerClosed, ...socketsClosed]);
      await unlink(options.path).catch(() => undefined);
    },
  };
}

interface Serving {
  readonly socket: Socket;
  readonly byProxy: Map<string, ProxyConnection>;
  readonly logger: Logger;
  readonly options: ProxySocketOptions;
}

function serveProxy({ socket, byProxy, logger, options }: Serving): void {
  const { events, runtime } = options;
  let connection: ReturnType<typeof createProxyConnection> | undefined;
  const refuse = (reason: string): void => {
    logger.warn("closing a connection", { reason, proxy: connection?.proxyId });
    socket.destroy();
  };
  const helloTimer = runtime.clock.after(options.helloTimeoutMs ?? defaultHelloTimeoutMs, () =>
    refuse("it did not say hello in time"),
  );
  const onHello = (hello: Extract<ProxyToAgent, { type: "hello" }>): void => {
    helloTimer.cancel();
    connection = createProxyConnection(socket, hello);
    const older = byProxy.get(hello.proxyId);
    byProxy.set(hello.proxyId, connection);
    // Another process may be its successor: that is for the sessions to know.
    if (older !== undefined && older.pid === hello.pid) {
      logger.warn("a proxy connected a second time, the newer connection wins", {
        proxy: hello.proxyId,
        pid: hello.pid,
      });
      older.close();
    }
    events.connected(connection);
  };
  const onLine = (line: string): void => {
    if (socket.destroyed) return;
    const message = decodeProxyMessage(line);
    if (message === undefined) refuse("it sent a line that is not a message of this protocol");
    else if (message.type === "hello" && connection !== undefined) refuse("it said hello twice");
    else if (message.type === "hello") onHello(message);
    else if (connection === undefined) refuse("its first message was not hello");
    else if (message.type === "applied") events.applied(connection, message.version);
    else if (message.type === "replace") events.replaceAsked(connection);
    else events.rejected(connection, message.version, message.message);
  };
  const reader = createLineReader({
    maxLineBytes,
    onLine,
    onTooLong: () => refuse(`a line was longer than ${maxLineBytes} bytes`),
  });
  socket.on("data", (chunk) => reader.push(typeof chunk === "string" ? Buffer.from(chunk) : chunk));
  socket.on("drain", () => connection?.flush());
  socket.on("error", (error) => logger.debug("connection failed", { error: errorMessage(error) }));
  socket.once("close", () => {
    helloTimer.cancel();
    if (connection === undefined) return;
    if (byProxy.get(connection.proxyId) === connection) byProxy.delete(connection.proxyId);
    events.disconnected(connection);
  });
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void =>
      reject(
        new AtollError("CONFIG_INVALID", `data_dir: cannot listen on the socket "${path}": ${error.message}`, {
          cause: error,
        }),
      );
    server.once("error", fail);
    server.listen(path, () => {
      server.off("error", fail);
      resolve();
    });
  });
}
