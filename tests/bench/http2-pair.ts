import { type ResponseHandler, Http2ClientConnection } from "../../proxy/http2/client-connection.ts";
import type { ConnectionEvents } from "../../proxy/http2/connection-core.ts";
import { FieldBlock } from "../../proxy/message/field-block.ts";
import { defaultProxyLimits } from "../../lib/contract/proxy-limits.ts";
import { BufferPool } from "../../proxy/http2/output-buffer.ts";
import { Http2ServerConnection } from "../../proxy/http2/server-connection.ts";
import type { Http2Stream, StreamHandler } from "../../proxy/http2/stream.ts";

/** A client and a server of ours that hand each other their output, as a mesh hop without its sockets. */
const pool = new BufferPool();
const hpack = { tableBytes: 0, usesHuffman: false };
const body = Buffer.alloc(100, "b");

export class InMemoryPair implements ResponseHandler {
  readonly #client: Http2ClientConnection;
  readonly #server: Http2ServerConnection;
  readonly #response: FieldBlock;
  readonly #fieldsOf: (i: number) => string[];
  readonly #shared: FieldBlock | undefined;
  #started = 0;
  #finished = 0;
  #target = 0;

  constructor(fieldsOf: (i: number) => string[], isRepeated: boolean) {
    this.#fieldsOf = fieldsOf;
    this.#response = new FieldBlock([":status", "200", "content-type", "application/grpc", "content-length", "100"]);
    this.#response.isShared = true;
    if (isRepeated) {
      this.#shared = new FieldBlock(fieldsOf(0));
      this.#shared.isShared = true;
    }
    const options = { limits: { ...defaultProxyLimits.http2, maxConcurrentStreams: 1000 }, pool, hpack };
    this.#client = new Http2ClientConnection(options, quiet);
    this.#server = new Http2ServerConnection(options, { ...quiet, onRequest: (stream) => this.#answer(stream) });
    this.#client.start();
    this.#server.start();
  }

  /** `count` exchanges, `streams` of them at any time. */
  run(count: number, streams: number): void {
    this.#target = this.#started + count;
    for (let i = 0; i < streams; i++) this.#request();
    while (this.#finished < this.#target) {
      move(this.#client, this.#server);
      move(this.#server, this.#client);
    }
  }

  #request(): void {
    if (this.#started === this.#target) return;
    const block = this.#shared ?? new FieldBlock(this.#fieldsOf(this.#started));
    this.#started++;
    this.#client.request(block, true, this);
  }

  #answer(stream: Http2Stream): StreamHandler {
    this.#server.respond(stream, this.#response, false);
    this.#server.data(stream, body, 0, body.length, true);
    return sink;
  }

  onInformational(): void {}
  onResponse(): void {}
  onTrailers(): void {}
  onReset(): void {}
  onWritable(): void {}
  onData(stream: Http2Stream, _bytes: Buffer, start: number, end: number, isEnd: boolean): void {
    this.#client.consume(stream as Http2Stream<ResponseHandler>, end - start);
    if (!isEnd) return;
    this.#finished++;
    this.#request();
  }
}

const quiet: ConnectionEvents = {
  onOutput: () => undefined,
  onFailed(code, problem) {
    throw new Error(`the connection failed: ${code} ${problem}`);
  },
  onGoaway: () => undefined,
  onPingAnswer: () => undefined,
  onStreamProblem: () => undefined,
};

const sink: StreamHandler = {
  onData: () => undefined,
  onTrailers: () => undefined,
  onReset: () => undefined,
  onWritable: () => undefined,
};

function move(
  from: Http2ClientConnection | Http2ServerConnection,
  to: Http2ClientConnection | Http2ServerConnection,
): void {
  const chunk = from.takeOutput();
  if (chunk === undefined) return;
  to.receive(chunk, 0);
  from.releaseOutput();
}
