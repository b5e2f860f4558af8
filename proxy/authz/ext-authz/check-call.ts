import type { Deadlines, Expiring } from "../../exchange/deadlines.ts";
import type {
  ResponseReceiver,
  Upstream,
  UpstreamConnection,
  UpstreamFailure,
  UpstreamLoss,
  UpstreamStream,
  UpstreamWaiter,
} from "../../exchange/ends.ts";
import type { FieldBlock } from "../../message/field-block.ts";
import type { RequestHead } from "../../message/request-head.ts";
import type { ResponseHead } from "../../message/response-head.ts";
import { type CheckFailure, failed } from "./answer.ts";
import type { CheckReply } from "./check-protocol.ts";

/** Times that one check is sent again: it is safe to ask twice, and a connection that its server gave up says nothing about it. */
const maxResends = 2;
/** Interim responses (1xx) of one check. */
const maxInterims = 10;

export interface CheckCallOptions {
  readonly upstream: Upstream;
  readonly head: RequestHead;
  readonly body: Buffer | undefined;
  readonly deadlines: Deadlines;
  readonly timeoutMs: number;
  readonly maxResponseBytes: number;
  /** Called once, unless cancelled; maybe before `start` returns. */
  readonly onDone: (result: CheckReply | CheckFailure) => void;
}

/** One request to an authorizer and its whole answer, bounded in time and size. */
export class CheckCall implements UpstreamWaiter, ResponseReceiver, Expiring {
  readonly #options: CheckCallOptions;
  #slot = -1;
  #stream: UpstreamStream | undefined;
  #sent = 0;
  #head: ResponseHead | undefined;
  readonly #chunks: Buffer[] = [];
  #size = 0;
  #resends = 0;
  #interims = 0;
  #isDone = false;

  constructor(options: CheckCallOptions) {
    this.#options = options;
  }

  start(): void {
    const { deadlines, timeoutMs, upstream } = this.#options;
    this.#slot = deadlines.add(timeoutMs, this);
    upstream.acquire(this, false);
  }

  /** Nobody wants the answer any more. */
  cancel(): void {
    if (this.#isDone) return;
    this.#end();
    this.#stop();
  }

  onUpstream(connection: UpstreamConnection): void {
    const { head, body, upstream } = this.#options;
    if (this.#isDone) return;
    this.#sent = 0;
    const stream = connection.send(head, body === undefined, this);
    this.#stream = stream;
    if (stream === undefined) upstream.acquire(this, false);
    else this.onUpstreamWritable();
  }

  onNoUpstream(failure: UpstreamFailure): void {
    this.#finish(failed(failures[failure]));
  }

  onUpstreamWritable(): void {
    const { body } = this.#options;
    if (body === undefined || this.#sent === body.length) return;
    this.#sent += this.#stream?.data(body, this.#sent, body.length, true) ?? 0;
  }

  onInform(): void {
    if (++this.#interims > maxInterims) this.#finish(failed("it answers with interim responses only"));
  }

  onResponse(head: ResponseHead, isEnd: boolean): void {
    this.#head = head;
    if (isEnd) this.#answer(undefined);
  }

  onResponseData(bytes: Buffer, start: number, end: number, isEnd: boolean): void {
    this.#size += end - start;
    if (this.#size > this.#options.maxResponseBytes) {
      this.#finish(failed(`its answer has more than ${this.#options.maxResponseBytes} bytes`));
      return;
    }
    if (end > start) this.#chunks.push(Buffer.from(bytes.subarray(start, end)));
    const stream = this.#stream;
    if (isEnd) this.#answer(undefined);
    stream?.consumeResponse(end - start);
  }

  onResponseTrailers(block: FieldBlock): void {
    this.#answer(block);
  }

  onUpstreamLost(loss: UpstreamLoss): void {
    if (this.#isDone) return;
    this.#stream = undefined;
    const canResend = (loss.isUnprocessed || loss.wasReused) && this.#head === undefined;
    // A server of gRPC may also give a call up without a word when its time is over.
    if (loss.reason === "cancelled" && !loss.isUnprocessed) {
      this.#finish({ kind: "timeout" });
      return;
    }
    if (!canResend || ++this.#resends > maxResends) {
      this.#finish(failed(loss.isMalformed ? "its answer could not be read" : "it ended the connection"));
      return;
    }
    this.#options.upstream.acquire(this, loss.wasReused);
  }

  onDeadline(): void {
    this.#slot = -1;
    this.#finish({ kind: "timeout" });
  }

  #answer(trailers: FieldBlock | undefined): void {
    const head = this.#head;
    if (this.#isDone || head === undefined) return;
    const stream = this.#stream;
    const isSent = this.#options.body === undefined || this.#sent === this.#options.body.length;
    this.#end();
    this.#options.onDone({ head, body: Buffer.concat(this.#chunks), trailers });
    // One that answers before it has been asked completely shall not wait for the rest.
    if (!isSent) stream?.abort();
  }

  #finish(failure: CheckFailure): void {
    if (this.#isDone) return;
    this.#end();
    this.#stop();
    this.#options.onDone(failure);
  }

  #end(): void {
    this.#isDone = true;
    if (this.#slot >= 0) this.#options.deadlines.remove(this.#slot, this);
    this.#slot = -1;
  }

  #stop(): void {
    const stream = this.#stream;
    this.#stream = undefined;
    this.#options.upstream.cancel(this);
    stream?.abort();
  }
}

const failures: Readonly<Record<UpstreamFailure, string>> = {
  no_healthy_upstream: "it cannot be reached",
  connect_failure: "it cannot be reached",
  overflow: "there is no connection left to it",
  concurrency_limit: "it is asked too much at once",
};
