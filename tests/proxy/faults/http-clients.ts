import { type ResponseHandler, Http2ClientConnection } from "../../../proxy/http2/client-connection.ts";
import { defaultProxyLimits } from "../../../lib/contract/proxy-limits.ts";
import { BufferPool } from "../../../proxy/http2/output-buffer.ts";
import type { Http2Stream } from "../../../proxy/http2/stream.ts";
import { FieldBlock } from "../../../proxy/message/field-block.ts";
import type { ResponseHead } from "../../../proxy/message/response-head.ts";

/** What requests the faults are tried with. */
export type RequestKind = "get" | "post" | "post-unfinished";

/**
 * A client that says in a word what it saw: `200 good`, `503`, `200 half, cut`, or `nothing yet`. Bodies are told for 200
 * alone. It is fed by whoever owns the connection.
 */
export interface FaultClient {
  /** Sends a request; what came before is forgotten. */
  ask(kind: RequestKind): void;
  receive(bytes: Buffer): void;
  /** The connection has ended, in whatever way. */
  close(): void;
  seen(): string;
  /** Whether the connection can be used again. */
  readonly isOpen: boolean;
}

const nothingYet = "nothing yet";

export class Http1Client implements FaultClient {
  readonly #send: (bytes: Buffer) => void;
  #text = "";
  isOpen = true;

  constructor(send: (bytes: Buffer) => void) {
    this.#send = send;
  }

  ask(kind: RequestKind): void {
    this.#text = "";
    this.#send(Buffer.from(http1Requests[kind]));
  }

  receive(bytes: Buffer): void {
    this.#text += bytes.toString("latin1");
  }

  close(): void {
    this.isOpen = false;
  }

  seen(): string {
    const text = this.#text.replace(/^(HTTP\/1\.1 1\d\d .*?\r\n\r\n)+/s, "");
    const [, status, head, rest] = /^HTTP\/1\.1 (\d{3}) (.*?\r\n)\r\n(.*)$/s.exec(text) ?? [];
    if (status === undefined || head === undefined || rest === undefined) return this.isOpen ? nothingYet : "cut";
    if (/\r\nconnection: close\r\n/i.test(head)) this.isOpen = false;
    const body = readBody(status, head, rest, !this.isOpen);
    if (body.isComplete) return status === "200" ? `200 ${body.text}` : status;
    return this.isOpen ? nothingYet : `${status} ${body.text}, cut`;
  }
}

function readBody(
  status: string,
  head: string,
  rest: string,
  isClosed: boolean,
): { text: string; isComplete: boolean } {
  if (status === "204") return { text: "", isComplete: true };
  const length = /\r\ncontent-length: (\d+)\r\n/i.exec(`\r\n${head}`)?.[1];
  if (length !== undefined) return { text: rest, isComplete: rest.length === Number(length) };
  if (!/\r\ntransfer-encoding: chunked\r\n/i.test(`\r\n${head}`)) return { text: rest, isComplete: isClosed };
  let text = "";
  for (let at = 0; ; ) {
    const lineEnd = rest.indexOf("\r\n", at);
    if (lineEnd < 0) return { text, isComplete: false };
    const size = Number.parseInt(rest.slice(at, lineEnd), 16);
    if (size === 0) return { text, isComplete: rest.endsWith("\r\n\r\n") };
    text += rest.slice(lineEnd + 2, lineEnd + 2 + size);
    at = lineEnd + 2 + size + 2;
  }
}

const http1Requests: Readonly<Record<RequestKind, string>> = {
  get: "GET / HTTP/1.1\r\nHost: api\r\n\r\n",
  post: "POST / HTTP/1.1\r\nHost: api\r\nContent-Length: 4\r\n\r\nbody",
  "post-unfinished": "POST / HTTP/1.1\r\nHost: api\r\nContent-Length: 9999\r\n\r\nbody",
};

const pool = new BufferPool();

export class Http2Client implements FaultClient, ResponseHandler {
  readonly #send: (bytes: Buffer) => void;
  readonly #http2: Http2ClientConnection;
  #status = 0;
  #body = "";
  #state: "open" | "complete" | "cut" = "open";
  isOpen = true;

  constructor(send: (bytes: Buffer) => void) {
    this.#send = send;
    this.#http2 = new Http2ClientConnection(
      { limits: defaultProxyLimits.http2, pool, hpack: { tableBytes: 0, usesHuffman: false } },
      {
        onOutput: () => undefined,
        onFailed: () => this.close(),
        onGoaway: () => undefined,
        onPingAnswer: () => undefined,
        onStreamProblem: () => undefined,
      },
    );
    this.#http2.start();
  }

  ask(kind: RequestKind): void {
    this.#status = 0;
    this.#body = "";
    this.#state = "open";
    const isGet = kind === "get";
    const fields = [":method", isGet ? "GET" : "POST", ":scheme", "http", ":authority", "api", ":path", "/"];
    const stream = this.#http2.request(new FieldBlock(fields), isGet, this);
    if (stream !== undefined && !isGet) this.#http2.data(stream, Buffer.from("body"), 0, 4, kind === "post");
    this.#flush();
  }

  receive(bytes: Buffer): void {
    this.#http2.receive(bytes, 0);
    this.#flush();
  }

  close(): void {
    this.isOpen = false;
    this.#http2.close();
  }

  seen(): string {
    if (this.#state === "open") return nothingYet;
    if (this.#state === "complete") return this.#status === 200 ? `200 ${this.#body}` : `${this.#status}`;
    return this.#status === 0 ? "cut" : `${this.#status} ${this.#body}, cut`;
  }

  onInformational(): void {}

  onResponse(_stream: Http2Stream, head: ResponseHead, isEnd: boolean): void {
    this.#status = head.status;
    if (isEnd) this.#state = "complete";
  }

  onData(stream: Http2Stream<ResponseHandler>, bytes: Buffer, start: number, end: number, isEnd: boolean): void {
    this.#body += bytes.toString("latin1", start, end);
    this.#http2.consume(stream, end - start);
    if (isEnd) this.#state = "complete";
  }

  onTrailers(): void {
    this.#state = "complete";
  }

  onReset(): void {
    if (this.#state === "open") this.#state = "cut";
  }

  onWritable(): void {}

  #flush(): void {
    for (let bytes = this.#http2.takeOutput(); bytes !== undefined; bytes = this.#http2.takeOutput()) {
      this.#send(Buffer.from(bytes));
      this.#http2.releaseOutput();
    }
  }
}
