import { ClientSession } from "../../../proxy/http2/client-session.ts";
import type { ResponseReceiver } from "../../../proxy/exchange/ends.ts";
import { defaultProxyLimits } from "../../../lib/contract/proxy-limits.ts";
import { BufferPool } from "../../../proxy/http2/output-buffer.ts";
import { Http2ServerConnection } from "../../../proxy/http2/server-connection.ts";
import { SocketGlue } from "../../../proxy/http2/socket-glue.ts";
import type { Http2Stream, StreamHandler } from "../../../proxy/http2/stream.ts";
import { FieldBlock } from "../../../proxy/message/field-block.ts";
import { checkRequest, RequestHead } from "../../../proxy/message/request-head.ts";
import { type HopClient, type HopOptions, requestFields, responseFields } from "./hop.ts";

const limits = { ...defaultProxyLimits.http2, maxConcurrentStreams: 1_000 };
const hpack = { tableBytes: 0, usesHuffman: false } as const;
const buffers = new BufferPool();

export function http2Client({ connection, turn }: HopOptions): HopClient {
  const waiting: (() => void)[] = [];
  const session = new ClientSession({
    connection,
    turn,
    buffers,
    monotonicMs: () => connection.lastActivityMs,
    limits,
    hpack,
    isKeptAlive: false,
    onRoom: () => {
      for (const again of waiting.splice(0)) again();
    },
    onGone: () => undefined,
    onClosed: () => undefined,
  });
  const heads = new Map<string, RequestHead>();
  const client: HopClient = {
    request(path, onDone) {
      const head = heads.get(path) ?? sharedRequest(path);
      heads.set(path, head);
      const receiver: ResponseReceiver = {
        onInform: () => undefined,
        onResponse: () => undefined,
        onResponseData(_bytes, start, end, isEnd) {
          stream?.consumeResponse(end - start);
          if (isEnd) onDone();
        },
        onResponseTrailers: () => undefined,
        onUpstreamLost() {
          throw new Error("a stream was lost");
        },
        onUpstreamWritable: () => undefined,
      };
      const stream = session.send(head, true, receiver);
      // Until the server's SETTINGS come a session opens no more streams than a server surely takes.
      if (stream === undefined) waiting.push(() => client.request(path, onDone));
    },
  };
  return client;
}

function sharedRequest(path: string): RequestHead {
  const block = new FieldBlock(requestFields(path));
  block.isShared = true;
  const head = checkRequest(block);
  if (head instanceof RequestHead) return head;
  throw new Error(`no request: ${head}`);
}

export function serveHttp2({ connection, turn, bodyOf }: HopOptions): void {
  const glue = new SocketGlue({
    connection,
    turn,
    monotonicMs: () => connection.lastActivityMs,
    limits,
    onStalled: () => undefined,
    onClosed: () => undefined,
    onBytes: () => undefined,
    onReceived: () => undefined,
  });
  const heads = new Map<number, FieldBlock>();
  const http2: Http2ServerConnection = new Http2ServerConnection(
    { limits, pool: buffers, hpack },
    {
      onRequest(stream, { path }) {
        const body = bodyOf(path);
        const head = heads.get(body.length) ?? new FieldBlock(responseFields(body.length));
        head.isShared = true;
        heads.set(body.length, head);
        http2.respond(stream, head, false);
        return new Answer(http2, stream, body);
      },
      onOutput: () => glue.announce(),
      onFailed(code, problem) {
        throw new Error(`the connection failed: ${code} ${problem}`);
      },
      onGoaway: () => undefined,
      onPingAnswer: () => undefined,
      onStreamProblem(_id, problem) {
        throw new Error(`a stream failed: ${problem}`);
      },
    },
  );
  glue.attach(http2);
  http2.start();
}

class Answer implements StreamHandler {
  readonly #http2: Http2ServerConnection;
  readonly #stream: Http2Stream;
  readonly #body: Buffer;
  #at = 0;

  constructor(http2: Http2ServerConnection, stream: Http2Stream, body: Buffer) {
    this.#http2 = http2;
    this.#stream = stream;
    this.#body = body;
    this.onWritable();
  }

  onWritable(): void {
    const { length } = this.#body;
    if (this.#at < length) this.#at += this.#http2.data(this.#stream, this.#body, this.#at, length, true);
  }

  onData(): void {}
  onTrailers(): void {}
  onReset(): void {}
}
