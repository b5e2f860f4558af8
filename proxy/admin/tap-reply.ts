import { mustGet } from "../../lib/base/assert.ts";
import type { ResponseReceiver, UpstreamStream } from "../exchange/ends.ts";
import type { Decision } from "../exchange/policy.ts";
import { FieldBlock } from "../message/field-block.ts";
import type { RequestHead } from "../message/request-head.ts";
import { checkResponse, ResponseHead } from "../message/response-head.ts";
import type { TapListener, TapSubscription } from "../telemetry/tap/tap-hub.ts";
import { answeredBy } from "./own-upstream.ts";

/** What comes as lines, for as long as somebody reads. */
export interface LineSource {
  open(listener: TapListener): TapSubscription;
}

export interface TapReplyOptions {
  readonly source: LineSource;
  /** Lines after which the answer ends. */
  readonly limit: number;
  /** Called once, when the answer is over for whatever reason. */
  readonly onClosed: () => void;
}

/** Bytes that a reader may be behind; what comes beyond is left out and told. */
const maxUnreadBytes = 64 * 1024;

/** Answers with lines of JSON until the reader has enough or goes. */
export function tapReply(head: RequestHead, options: TapReplyOptions): Decision {
  return answeredBy(head, (request, receiver) => new TapStream(options, request, receiver));
}

class TapStream implements UpstreamStream, TapListener {
  readonly #options: TapReplyOptions;
  readonly #isHead: boolean;
  #receiver: ResponseReceiver | undefined;
  #subscription: TapSubscription | undefined;
  #left: number;
  #unreadBytes = 0;
  #dropped = 0;

  constructor(options: TapReplyOptions, { method }: RequestHead, receiver: ResponseReceiver) {
    this.#options = options;
    this.#receiver = receiver;
    this.#isHead = method === "HEAD";
    this.#left = options.limit;
    // A receiver is told nothing before it has its stream.
    queueMicrotask(() => this.#begin());
  }

  onLine(line: string): void {
    const isFull = this.#unreadBytes + line.length > maxUnreadBytes;
    if (isFull) {
      this.#dropped++;
      return;
    }
    this.#tellDropped();
    this.#left--;
    this.#write(line, this.#left === 0);
    if (this.#left === 0) this.#close();
  }

  onDropped(count: number): void {
    this.#dropped += count;
    if (this.#unreadBytes < maxUnreadBytes) this.#tellDropped();
  }

  /** Whoever reads sees that the stream is alive: an empty line, which readers of JSON pass over. */
  onQuiet(): void {
    if (this.#unreadBytes === 0) this.#write("\n", false);
  }

  /** The request's body is read and dropped. */
  data(_bytes: Buffer, start: number, end: number): number {
    return end - start;
  }

  trailers(_block: FieldBlock): void {
    // Dropped with the body.
  }

  consumeResponse(count: number): void {
    this.#unreadBytes -= count;
  }

  abort(): void {
    this.#close();
  }

  #begin(): void {
    if (this.#receiver === undefined) return;
    if (!this.#isHead) this.#subscription = this.#options.source.open(this);
    this.#receiver.onResponse(linesHead, this.#isHead);
    if (this.#isHead) this.#close();
  }

  #tellDropped(): void {
    const dropped = this.#dropped;
    this.#dropped = 0;
    if (dropped > 0) this.#write(`{"dropped":${dropped}}\n`, false);
  }

  #write(text: string, isEnd: boolean): void {
    const bytes = Buffer.from(text, "utf8");
    this.#unreadBytes += bytes.length;
    this.#receiver?.onResponseData(bytes, 0, bytes.length, isEnd);
  }

  #close(): void {
    if (this.#receiver === undefined) return;
    this.#receiver = undefined;
    this.#subscription?.close();
    this.#options.onClosed();
  }
}

const block = new FieldBlock([":status", "200", "content-type", "application/x-ndjson"]);
block.isShared = true;
const checked = checkResponse(block);
const linesHead = mustGet(checked instanceof ResponseHead ? checked : undefined, "a reply of our own is a response");
