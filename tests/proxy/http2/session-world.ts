import { mustGet } from "../../../lib/base/assert.ts";
import { plainHpack } from "../../../proxy/http-door.ts";
import { type ResponseHandler, Http2ClientConnection } from "../../../proxy/http2/client-connection.ts";
import type { ConnectionEvents } from "../../../proxy/http2/connection-core.ts";
import { defaultProxyLimits } from "../../../lib/contract/proxy-limits.ts";
import { BufferPool } from "../../../proxy/http2/output-buffer.ts";
import { Http2ServerConnection } from "../../../proxy/http2/server-connection.ts";
import { ServerSession } from "../../../proxy/http2/server-session.ts";
import { SocketGlue } from "../../../proxy/http2/socket-glue.ts";
import type { Http2Stream, StreamHandler, StreamReset } from "../../../proxy/http2/stream.ts";
import { FieldBlock } from "../../../proxy/message/field-block.ts";
import type { RequestHead } from "../../../proxy/message/request-head.ts";
import type { ResponseHead } from "../../../proxy/message/response-head.ts";
import { ConnectionCounters } from "../../../proxy/telemetry/connection-counters.ts";
import type { MemoryConnection } from "../../../proxy/transport/memory.ts";
import { UpstreamWorld } from "../upstream/upstream-world.ts";

/** One end of one stream as a test holds it. It takes bytes by itself unless it is `stuck`. */
export class TestStream implements ResponseHandler {
  head: readonly string[] = [];
  text = "";
  bytes = 0;
  trailers: readonly string[] = [];
  hasEnded = false;
  reset: StreamReset | undefined;
  isStuck = false;
  readonly #consume: (stream: Http2Stream<ResponseHandler>, count: number) => void;
  #pump: () => void = () => undefined;
  stream: Http2Stream<ResponseHandler> | undefined;
  #kept = 0;

  constructor(consume: (stream: Http2Stream<ResponseHandler>, count: number) => void) {
    this.#consume = consume;
  }

  onInformational(): void {}

  onResponse(_stream: Http2Stream, head: ResponseHead, isEnd: boolean): void {
    this.head = head.block.fields;
    this.hasEnded = isEnd;
  }

  onData(stream: Http2Stream<ResponseHandler>, bytes: Buffer, start: number, end: number, isEnd: boolean): void {
    this.stream = stream;
    this.bytes += end - start;
    if (this.text.length < 100_000) this.text += bytes.toString("latin1", start, end);
    if (isEnd) this.hasEnded = true;
    if (this.isStuck) this.#kept += end - start;
    else this.#consume(stream, end - start);
  }

  onTrailers(_stream: Http2Stream, trailers: FieldBlock): void {
    this.trailers = trailers.fields;
    this.hasEnded = true;
  }

  onReset(_stream: Http2Stream, reset: StreamReset): void {
    this.reset = reset;
  }

  onWritable(): void {
    this.#pump();
  }

  /** Takes what was held back, and everything from now on. */
  unstick(): void {
    this.isStuck = false;
    if (this.stream !== undefined) this.#consume(this.stream, this.#kept);
  }

  /** Sends a body as room allows, in parts of `partBytes`. */
  sendBy(send: (bytes: Buffer, start: number, end: number, isEnd: boolean) => number, body: Buffer, partBytes: number) {
    let at = 0;
    this.#pump = () => {
      while (at < body.length) {
        const end = Math.min(body.length, at + partBytes);
        const taken = send(body, at, end, end === body.length);
        at += taken;
        if (at < end) return;
      }
    };
    this.#pump();
  }
}

const quiet: ConnectionEvents = {
  onOutput: () => undefined,
  onFailed: () => undefined,
  onGoaway: () => undefined,
  onPingAnswer: () => undefined,
  onStreamProblem: () => undefined,
};

/** client codec - memory - ServerSession, Exchange, EndpointPool, ClientSession - memory - server codec. */
export class SessionWorld {
  readonly upstream = new UpstreamWorld({ protocol: "http2", serverSettings: "silent" });
  readonly client: Http2ClientConnection;
  readonly session: ServerSession;
  /** The app's ends of the streams that reached it, with their heads. */
  readonly requests: { readonly head: RequestHead; readonly stream: Http2Stream; readonly end: TestStream }[] = [];
  onRequest: (stream: Http2Stream, end: TestStream, isEnd: boolean) => void = () => undefined;
  readonly #pool = new BufferPool();
  #server: Http2ServerConnection | undefined;
  readonly clientSide: MemoryConnection;
  isSessionClosed = false;

  constructor() {
    const { network, turn, buffers } = this.upstream;
    const [near, far] = network.pair();
    this.clientSide = near;
    let glue: SocketGlue | undefined;
    this.client = new Http2ClientConnection(this.#options(), { ...quiet, onOutput: () => glue?.announce() });
    glue = this.#glue(near);
    glue.attach(this.client);
    this.client.start();
    this.session = new ServerSession({
      connection: far,
      policy: { decide: (head) => ({ action: "forward", upstream: this.upstream.upstream, head }) },
      context: {
        ...this.upstream.exchangeContext,
        limits: () => defaultProxyLimits,
        connections: new ConnectionCounters(),
        turn,
        buffers,
        defaultAuthority: "api",
        isDraining: () => false,
      },
      seat: {
        leave: () => {
          this.isSessionClosed = true;
        },
      },
      limits: defaultProxyLimits.http2,
      hpack: plainHpack,
    });
    network.settle();
  }

  get server(): Http2ServerConnection {
    return mustGet(this.#server, "a request opens the connection to the server");
  }

  /** Opens a stream. The server's codec takes over the first connection as soon as it is there. */
  request(
    fields: readonly string[],
    isEnd: boolean,
    isStuck = false,
  ): { stream: Http2Stream<ResponseHandler>; end: TestStream } {
    const end = new TestStream((stream, count) => this.client.consume(stream, count));
    end.isStuck = isStuck;
    const stream = mustGet(this.client.request(new FieldBlock(fields), isEnd, end), "the client has room");
    this.settle();
    return { stream, end };
  }

  settle(): void {
    this.upstream.network.schedule(() => this.#serve());
    this.upstream.settle();
    this.#serve();
    this.upstream.settle();
  }

  #serve(): void {
    const first = this.upstream.servers[0];
    if (this.#server !== undefined || first === undefined) return;
    const held = first.takeRaw();
    let glue: SocketGlue | undefined;
    const server = new Http2ServerConnection(this.#options(), {
      ...quiet,
      onOutput: () => glue?.announce(),
      onRequest: (stream, head, isEnd) => this.#take(stream, head, isEnd),
    });
    glue = this.#glue(first.connection);
    glue.attach(server);
    this.#server = server;
    server.start();
    if (held.length > 0) glue.onData(held);
  }

  #take(stream: Http2Stream, head: RequestHead, isEnd: boolean): StreamHandler {
    const end = new TestStream((one, count) => this.server.consume(one, count));
    end.head = head.block.fields;
    end.hasEnded = isEnd;
    this.requests.push({ head, stream, end });
    this.onRequest(stream, end, isEnd);
    return end;
  }

  #glue(connection: MemoryConnection): SocketGlue {
    return new SocketGlue({
      connection,
      turn: this.upstream.turn,
      monotonicMs: () => this.upstream.network.nowMs,
      limits: defaultProxyLimits.http2,
      onStalled: () => undefined,
      onClosed: () => undefined,
      onBytes: () => undefined,
      onReceived: () => undefined,
    });
  }

  #options() {
    return { limits: defaultProxyLimits.http2, pool: this.#pool, hpack: plainHpack };
  }
}
