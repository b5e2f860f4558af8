/** DNS over TCP: any number of queries per connection, answered in the order in which the answers are there. */
import { createServer, type Server, type Socket } from "node:net";
import type { Clock, Timer } from "../../lib/base/clock.ts";
import type { HostPort } from "../../lib/contract/address.ts";
import { listenError } from "./listen-error.ts";
import { createLengthReader, withLength } from "./tcp-framing.ts";
import type { DnsListener, MessageHandler } from "./udp-listener.ts";

export interface TcpListenerOptions {
  readonly listen: HostPort;
  readonly handle: MessageHandler;
  readonly clock: Clock;
  /** A connection was closed because there are too many. */
  readonly onDrop: () => void;
  readonly limits?: Partial<TcpLimits>;
}

export interface TcpLimits {
  readonly maxConnections: number;
  /** A connection without a whole query for so long is closed. */
  readonly idleMs: number;
  /** Queries of one connection under way; it is read on when there are fewer. */
  readonly maxQueries: number;
}

const defaultLimits: TcpLimits = { maxConnections: 1_024, idleMs: 30_000, maxQueries: 64 };
/** Answers that a client has not taken: it is read no further. */
const maxUnsentBytes = 256 * 1024;

/** Rejects with `ADDRESS_IN_USE` or `CONFIG_INVALID`. */
export async function listenTcp(options: TcpListenerOptions): Promise<DnsListener> {
  const limits = { ...defaultLimits, ...options.limits };
  const connections = new Set<Connection>();
  // A client may say that it has no more questions and still wait for answers.
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    if (connections.size >= limits.maxConnections) {
      options.onDrop();
      socket.destroy();
      return;
    }
    const connection = serve(socket, { ...options, limits, onClose: () => connections.delete(connection) });
    connections.add(connection);
  });
  await listen(server, options.listen);
  const bound = server.address();
  return {
    address: { host: options.listen.host, port: typeof bound === "object" && bound !== null ? bound.port : 0 },
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const connection of [...connections]) connection.close();
      await closed;
    },
  };
}

interface Connection {
  close(): void;
}

function serve(
  socket: Socket,
  options: Pick<TcpListenerOptions, "handle" | "clock"> & { readonly limits: TcpLimits; readonly onClose: () => void },
): Connection {
  const { clock, handle, limits } = options;
  const source = (socket.remoteAddress ?? "").replace(/^::ffff:/, "");
  let queries = 0;
  let isClosed = false;
  let hasEnded = false;
  let lastQueryMs = clock.monotonicMs();
  let idle: Timer;
  const watchIdle = (delayMs: number): void => {
    idle = clock.after(delayMs, () => {
      const leftMs = limits.idleMs - (clock.monotonicMs() - lastQueryMs);
      if (leftMs > 0) watchIdle(leftMs);
      else socket.destroy();
    });
  };
  const isBusy = (): boolean => queries >= limits.maxQueries || socket.writableLength > maxUnsentBytes;
  const resume = (): void => {
    if (!isClosed && !isBusy()) socket.resume();
  };
  const finish = (answer: Uint8Array | undefined): void => {
    queries--;
    if (isClosed) return;
    if (answer !== undefined) socket.write(withLength(answer));
    if (hasEnded && queries === 0) socket.end();
    else resume();
  };
  const reader = createLengthReader((message) => {
    lastQueryMs = clock.monotonicMs();
    queries++;
    const answer = handle(message, source);
    if (!(answer instanceof Promise)) finish(answer);
    // The reader goes on with what it has in hand; the answer may take longer.
    else answer.then(finish, () => finish(undefined));
  });
  socket.on("data", (chunk: Buffer) => {
    reader.push(chunk);
    if (isBusy()) socket.pause();
  });
  socket.on("drain", resume);
  socket.on("error", () => socket.destroy());
  socket.on("end", () => {
    hasEnded = true;
    if (queries === 0) socket.end();
  });
  socket.on("close", () => {
    isClosed = true;
    idle.cancel();
    options.onClose();
  });
  socket.setNoDelay(true);
  watchIdle(limits.idleMs);
  return { close: () => socket.destroy() };
}

function listen(server: Server, { host, port }: HostPort): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (thrown: Error): void => reject(listenError("tcp", { host, port }, thrown));
    server.once("error", fail);
    server.listen({ host, port }, () => {
      server.off("error", fail);
      resolve();
    });
  });
}
