/**
 * Runs a request on the app as if it had come over a socket, without one. fastify's `inject` does the same for tests, with
 * a stream, a URL and a whole response of node:http for each request, which costs more than a request over a socket does;
 * its router takes any pair of objects that behave like a request and its response. Answers that are streams need `inject`.
 */
import { EventEmitter } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { HttpApp } from "./http-app.ts";
import type { FastifyRequest } from "fastify";
import type { RelayedAnswer, RelayedRequest, RequestSender } from "./relay.ts";

/** What the app needs to see of them; the rest of the two it does not look at. */
interface Router {
  routing(
    request: Pick<IncomingMessage, "method" | "url" | "headers" | "httpVersionMajor" | "aborted">,
    response: Pick<ServerResponse, "statusCode" | "headersSent" | "writableEnded" | "destroyed">,
  ): void;
}

/**
 * `app` is ready, `request.url` as a router may see it. Rejects when `signal` is aborted before the answer is there; whatever
 * the request waits for is told as when a client goes away.
 */
export function runDirectly(app: HttpApp, request: RelayedRequest, signal: AbortSignal): Promise<RelayedAnswer> {
  const router: Router = app;
  return new Promise((resolve, reject) => {
    const incoming = new DirectRequest(request);
    const response = new DirectResponse(request.method === "HEAD", (answer) => {
      signal.removeEventListener("abort", abort);
      if (answer === undefined) reject(new Error("the request was broken off"));
      else resolve(answer);
    });
    const abort = (): void => {
      incoming.aborted = true;
      response.destroy();
    };
    signal.addEventListener("abort", abort, { once: true });
    router.routing(incoming, response);
    if (signal.aborted) abort();
  });
}

/** Who sent a request on that is run here; undefined for one that came over a socket. No header can say so. */
export function senderOf(request: FastifyRequest): RequestSender | undefined {
  const raw: unknown = request.raw;
  return raw instanceof DirectRequest ? raw.sender : undefined;
}

/** Headers of a connection that there is not. */
const ownHeaders = new Set(["connection", "content-length", "transfer-encoding"]);
/** Requests of other hosts that ask for what only this one may have are refused before they come here. */
const socket = { remoteAddress: "127.0.0.1", destroyed: false } as const;

class DirectRequest extends EventEmitter {
  readonly method: string;
  readonly url: string;
  readonly headers: Record<string, string> = {};
  readonly httpVersion = "1.1";
  readonly httpVersionMajor = 1;
  readonly httpVersionMinor = 1;
  readonly socket = socket;
  readonly sender: RequestSender | undefined;
  aborted = false;
  #body: Buffer | undefined;

  constructor({ method, url, headers, body, sender }: RelayedRequest) {
    super();
    this.sender = sender;
    this.method = method;
    this.url = url;
    for (const name in headers) {
      const lowerCase = name.toLowerCase();
      if (!ownHeaders.has(lowerCase)) this.headers[lowerCase] = headers[name] ?? "";
    }
    if (body.length === 0) return;
    this.headers["content-length"] = String(body.length);
    this.#body = Buffer.isBuffer(body) ? body : Buffer.from(body);
  }

  /** Gives the whole body to who listens, once. */
  resume(): this {
    const body = this.#body;
    this.#body = undefined;
    if (body !== undefined) this.emit("data", body);
    this.emit("end");
    return this;
  }
}

class DirectResponse extends EventEmitter {
  statusCode = 200;
  headersSent = false;
  writableEnded = false;
  destroyed = false;
  readonly #isHead: boolean;
  readonly #headers: Record<string, string> = {};
  readonly #chunks: Buffer[] = [];
  readonly #onEnd: (answer?: RelayedAnswer) => void;

  /** `onEnd` gets nothing when the response was destroyed. */
  constructor(isHead: boolean, onEnd: (answer?: RelayedAnswer) => void) {
    super();
    this.#isHead = isHead;
    this.#onEnd = onEnd;
  }

  setHeader(name: string, value: unknown): this {
    this.#headers[name.toLowerCase()] = String(value);
    return this;
  }
  getHeader(name: string): string | undefined {
    return this.#headers[name.toLowerCase()];
  }
  getHeaders(): Readonly<Record<string, string>> {
    return { ...this.#headers };
  }
  hasHeader(name: string): boolean {
    return Object.hasOwn(this.#headers, name.toLowerCase());
  }
  removeHeader(name: string): void {
    delete this.#headers[name.toLowerCase()];
  }
  writeHead(status: number, headers: Readonly<Record<string, unknown>> = {}): this {
    this.statusCode = status;
    for (const name in headers) this.setHeader(name, headers[name]);
    this.headersSent = true;
    return this;
  }

  write(chunk: string | Uint8Array): boolean {
    this.headersSent = true;
    if (!this.#isHead)
      this.#chunks.push(
        typeof chunk === "string" ? Buffer.from(chunk) : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength),
      );
    return true;
  }

  end(chunk?: string | Uint8Array | null): this {
    if (this.writableEnded || this.destroyed) return this;
    if (chunk !== undefined && chunk !== null) this.write(chunk);
    this.writableEnded = true;
    this.headersSent = true;
    this.emit("finish");
    const [first] = this.#chunks;
    const body = this.#chunks.length === 1 && first !== undefined ? first : Buffer.concat(this.#chunks);
    this.#onEnd({ status: this.statusCode, headers: this.#headers, body });
    this.#close();
    return this;
  }

  destroy(): this {
    if (this.writableEnded || this.destroyed) return this;
    this.#onEnd();
    this.#close();
    return this;
  }

  /** Listeners come after what is at hand, as with a socket. */
  #close(): void {
    this.destroyed = true;
    if (this.listenerCount("close") > 0) queueMicrotask(() => this.emit("close"));
  }
}
