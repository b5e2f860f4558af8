import { createServer, type Server, type Socket } from "node:net";
import type { ConnectionOptions } from "../../../proxy/http2/connection-core.ts";
import { FieldBlock } from "../../../proxy/message/field-block.ts";
import { defaultProxyLimits } from "../../../lib/contract/proxy-limits.ts";
import { BufferPool } from "../../../proxy/http2/output-buffer.ts";
import type { RequestHead } from "../../../proxy/message/request-head.ts";
import { Http2ServerConnection, type ServerEvents } from "../../../proxy/http2/server-connection.ts";
import type { Http2Stream, StreamHandler } from "../../../proxy/http2/stream.ts";

/**
 * The smallest thing that outside judges can talk to: the server's codec on `node:net`. `/echo` gives the body back as it
 * comes, `/bytes/N` answers with N bytes, `/trailers` ends with trailers, everything else says hello.
 */
export interface TestServer {
  readonly port: number;
  /** What the connections were ended for, in order. */
  readonly problems: string[];
  stop(): Promise<void>;
}

export interface TestServerOptions {
  readonly port?: number;
  readonly connection?: Partial<ConnectionOptions>;
}

const pool = new BufferPool();
const okBlock = shared([":status", "200", "content-type", "text/plain"]);
const trailerBlock = shared(["x-checksum", "abc"]);
const hello = Buffer.from("hello\n");

function shared(fields: string[]): FieldBlock {
  const block = new FieldBlock(fields);
  block.isShared = true;
  return block;
}

export async function startTestServer(options: TestServerOptions = {}): Promise<TestServer> {
  const problems: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    serve(socket, options, problems);
  });
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, "127.0.0.1", resolve));
  return {
    port: portOf(server),
    problems,
    stop: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("not listening on a port");
  return address.port;
}

function serve(socket: Socket, options: TestServerOptions, problems: string[]): void {
  const started = performance.now();
  const flush = (): void => {
    for (let chunk = connection.takeOutput(); chunk !== undefined; chunk = connection.takeOutput()) {
      if (!socket.write(chunk)) {
        connection.pauseOutput();
        socket.pause();
        return;
      }
    }
  };
  const events: ServerEvents = {
    onRequest: (stream, head, isEnd) => answer(connection, stream, head, isEnd),
    onOutput: () => queueMicrotask(flush),
    onFailed(_code, problem) {
      problems.push(problem);
      flush();
      socket.end();
    },
    onGoaway: () => connection.finishShutdown(),
    onPingAnswer: () => undefined,
    onStreamProblem: () => undefined,
  };
  const connection = new Http2ServerConnection(
    { limits: defaultProxyLimits.http2, pool, hpack: { tableBytes: 4096, usesHuffman: true }, ...options.connection },
    events,
  );
  connection.start();
  socket.on("data", (chunk: Buffer) => connection.receive(chunk, performance.now() - started));
  socket.on("drain", () => {
    socket.resume();
    connection.resumeOutput();
    flush();
  });
  socket.on("error", () => connection.close());
  socket.on("close", () => connection.close());
}

function answer(
  connection: Http2ServerConnection,
  stream: Http2Stream,
  head: RequestHead,
  isEnd: boolean,
): StreamHandler {
  if (head.path === "/echo") return new Echo(connection, stream, isEnd);
  const size = /^\/bytes\/(\d{1,9})$/.exec(head.path)?.[1];
  const body = size === undefined ? hello : Buffer.alloc(Number(size), "x");
  const sender = new BodySender(connection, stream, body, head.path === "/trailers");
  if (head.method === "HEAD") connection.respond(stream, okBlock, true);
  else sender.start();
  return sender;
}

/** Sends a body as windows allow; reads and forgets the request's. */
class BodySender implements StreamHandler {
  readonly #connection: Http2ServerConnection;
  readonly #stream: Http2Stream;
  readonly #body: Buffer;
  readonly #hasTrailers: boolean;
  #at = 0;

  constructor(connection: Http2ServerConnection, stream: Http2Stream, body: Buffer, hasTrailers: boolean) {
    this.#connection = connection;
    this.#stream = stream;
    this.#body = body;
    this.#hasTrailers = hasTrailers;
  }

  start(): void {
    this.#connection.respond(this.#stream, okBlock, false);
    this.onWritable();
  }

  onWritable(): void {
    const end = this.#body.length;
    this.#at += this.#connection.data(this.#stream, this.#body, this.#at, end, !this.#hasTrailers);
    if (this.#hasTrailers && this.#at === end) this.#connection.trailers(this.#stream, trailerBlock);
  }

  onData(stream: Http2Stream, _bytes: Buffer, start: number, end: number): void {
    this.#connection.consume(stream, end - start);
  }

  onTrailers(): void {}
  onReset(): void {}
}

/** Sends back what comes, and takes no more than it can send. */
class Echo implements StreamHandler {
  readonly #connection: Http2ServerConnection;
  #waiting: Buffer = Buffer.alloc(0);
  #isEnded: boolean;

  constructor(connection: Http2ServerConnection, stream: Http2Stream, isEnd: boolean) {
    this.#connection = connection;
    this.#isEnded = isEnd;
    connection.respond(stream, okBlock, isEnd);
  }

  onData(stream: Http2Stream, bytes: Buffer, start: number, end: number, isEnd: boolean): void {
    this.#isEnded = isEnd;
    this.#waiting = Buffer.concat([this.#waiting, bytes.subarray(start, end)]);
    this.onWritable(stream);
  }

  onTrailers(stream: Http2Stream): void {
    this.#isEnded = true;
    this.onWritable(stream);
  }

  onWritable(stream: Http2Stream): void {
    const length = this.#waiting.length;
    const taken = this.#connection.data(stream, this.#waiting, 0, length, this.#isEnded);
    this.#waiting = this.#waiting.subarray(taken);
    this.#connection.consume(stream, taken);
  }

  onReset(): void {}
}
