import { ChunkedScanner, type ChunkSink } from "../../proxy/http1/chunked.ts";
import { defaultProxyLimits } from "../../lib/contract/proxy-limits.ts";
import { MessageHead, parseRequestHead, parseResponseHead } from "../../proxy/http1/head.ts";

export type Kind = "request" | "response" | "response to HEAD";

/** One message as a parser handed it out. Texts have one character per byte. */
export interface Message {
  /** Method, target, minor version; or status, reason, minor version. */
  start: [string, string, number];
  fields: string[];
  body: string;
  trailers: string[];
  isComplete: boolean;
  keepsAlive: boolean;
}

/** Where reading stands: the problem of a head or `bad_chunks` when it is refused. */
export type Ending = "head" | "body" | "closed" | "tunnel" | { readonly problem: string };

/** One for all: it is read completely before any other byte is parsed, as in the proxy. */
const head = new MessageHead();
const limits = defaultProxyLimits.http1;

type Body = "none" | "length" | "chunked" | "until-end";

/**
 * Reads the messages of a connection with the parser and scanner under test, as little else as possible around them: what
 * RFC 9112 section 6.3 says about a body, and no more once a message says `close` or begins a tunnel.
 */
export class Http1Reading implements ChunkSink {
  readonly messages: Message[] = [];
  ending: Ending = "head";
  /** Bytes given that belong to a tunnel. */
  rest = 0;
  /** Where in the whole input each message's method stands. */
  readonly methods: [number, number][] = [];
  readonly kind: Kind;
  readonly #chunks = new ChunkedScanner(limits);
  readonly #input: Buffer;
  #given = 0;
  #consumed = 0;
  #body: Body = "none";
  #left = 0;
  #isTunnel = false;

  /** `input` is all that the connection will ever bring; what of it has come is said by {@link give}. */
  constructor(kind: Kind, input: Buffer) {
    this.kind = kind;
    this.#input = input;
  }

  /** The next bytes of the input have come. The parser sees them and what it left over. */
  give(count: number): void {
    this.#given = Math.min(this.#given + count, this.#input.length);
    if (this.ending === "head" || this.ending === "body")
      this.#consumed += this.#read(this.#input.subarray(this.#consumed, this.#given));
  }

  /** The connection ends. */
  end(): this {
    if (this.ending === "body" && this.#body === "until-end") this.#complete();
    if (this.ending === "tunnel") this.rest = this.#given - this.#consumed;
    return this;
  }

  onChunkData(bytes: Buffer, start: number, end: number): void {
    this.#message().body += bytes.toString("latin1", start, end);
  }

  /** Returns how many bytes are done with. */
  #read(bytes: Buffer): number {
    let at = 0;
    while (this.ending === "head" || this.ending === "body") {
      const before = at;
      const wasHead = this.ending === "head";
      at = wasHead ? this.#readHead(bytes, at) : this.#readBody(bytes, at);
      if (at === before && (wasHead ? this.ending === "head" : this.ending === "body")) return at;
    }
    return at;
  }

  #readHead(bytes: Buffer, at: number): number {
    const outcome =
      this.kind === "request" ? parseRequestHead(bytes, at, head, limits) : parseResponseHead(bytes, at, head, limits);
    if (outcome === "incomplete") return at;
    if (outcome !== "complete") {
      this.ending = { problem: outcome };
      return at;
    }
    this.messages.push(this.#messageOfHead());
    if (this.kind === "request") {
      this.methods.push([this.#consumed + at, this.#consumed + head.methodEnd]);
      this.#isTunnel = head.isConnect || head.isUpgrade;
    } else {
      this.#isTunnel = head.status === 101;
    }
    this.#beginBody();
    return head.end;
  }

  #messageOfHead(): Message {
    const text = (start: number, end: number): string => head.bytes.toString("latin1", start, end);
    const fields: string[] = [];
    for (let i = 0; i < head.fieldCount; i++) {
      const span = (which: number): number => head.spans[i * 4 + which] ?? 0;
      fields.push(text(span(0), span(1)), text(span(2), span(3)));
    }
    return {
      start:
        this.kind === "request"
          ? [head.method, head.target, head.minorVersion]
          : [String(head.status), text(head.start + 13, head.firstField - 2), head.minorVersion],
      fields,
      body: "",
      trailers: [],
      isComplete: false,
      keepsAlive: !head.hasClose && (head.minorVersion === 1 || head.hasKeepAlive),
    };
  }

  #beginBody(): void {
    this.ending = "body";
    const hasNone =
      this.kind === "response to HEAD" ||
      (this.kind === "response" && (head.status < 200 || head.status === 204 || head.status === 304));
    this.#left = head.contentLength;
    if (hasNone) this.#body = "none";
    else if (head.isChunked) this.#body = "chunked";
    else if (head.contentLength >= 0) this.#body = "length";
    else this.#body = this.kind === "request" ? "none" : "until-end";
    this.#chunks.reset();
    if (this.#body === "until-end") this.#message().keepsAlive = false;
    if (this.#body === "none" || (this.#body === "length" && this.#left === 0)) this.#complete();
  }

  #readBody(bytes: Buffer, at: number): number {
    if (this.#body === "chunked") {
      const end = this.#chunks.advance(bytes, at, this);
      if (end < 0) {
        this.ending = { problem: "bad_chunks" };
        return at;
      }
      if (this.#chunks.isDone) {
        this.#message().trailers = fieldsOf(this.#chunks.trailerText);
        this.#complete();
      }
      return end;
    }
    const end = this.#body === "length" ? Math.min(bytes.length, at + this.#left) : bytes.length;
    this.#left -= end - at;
    this.#message().body += bytes.toString("latin1", at, end);
    if (this.#body === "length" && this.#left === 0) this.#complete();
    return end;
  }

  #complete(): void {
    const message = this.#message();
    message.isComplete = true;
    this.ending = this.#isTunnel ? "tunnel" : message.keepsAlive ? "head" : "closed";
  }

  #message(): Message {
    const message = this.messages.at(-1);
    if (message === undefined) throw new Error("there is no message");
    return message;
  }
}

function fieldsOf(text: string): string[] {
  return text
    .split("\r\n")
    .slice(0, -1)
    .flatMap((line) => {
      const colonAt = line.indexOf(":");
      return [line.slice(0, colonAt), line.slice(colonAt + 1).replace(/^[ \t]+|[ \t]+$/g, "")];
    });
}
