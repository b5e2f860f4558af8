import { BodyPipe } from "../../exchange/body-pipe.ts";
import type { Expiring } from "../../exchange/deadlines.ts";
import type {
  ResponseReceiver,
  Upstream,
  UpstreamConnection,
  UpstreamLoss,
  UpstreamStream,
  UpstreamWaiter,
} from "../../exchange/ends.ts";
import type { FieldBlock } from "../../message/field-block.ts";
import type { RequestHead } from "../../message/request-head.ts";
import type { ResponseHead } from "../../message/response-head.ts";
import type { MirrorOutcome } from "../stage-counters.ts";
import type { StageContext } from "../stage-context.ts";

/**
 * Of a body that its server does not take: a copy that is further behind is given up. As much as HTTP/2 takes of a request at a time, since
 * with less a copy whose server is as fast would be given up for coming a moment later.
 */
export const maxBehindBytes = 256 * 1024;
/** An answer that is dropped is read so far. */
export const maxAnswerBytes = 1024 * 1024;
/** Connections that may turn out to take no request any more. */
const maxSends = 3;

interface ShadowOptions {
  readonly upstream: Upstream;
  readonly timeoutMs: number;
  readonly context: StageContext;
  readonly onOver: (outcome: MirrorOutcome) => void;
}

/** The copy of one request: sent once, its answer read and dropped. Never holds up anybody, and holds little. */
export class Shadow implements UpstreamWaiter, ResponseReceiver, Expiring {
  readonly #head: RequestHead;
  readonly #isBodyless: boolean;
  readonly #options: ShadowOptions;
  readonly #body: BodyPipe;
  #connection: UpstreamConnection | undefined;
  #stream: UpstreamStream | undefined;
  #sends = 0;
  #sentMs = 0;
  #answerBytes = 0;
  #slot = -1;
  #isOver = false;

  constructor(head: RequestHead, isEnd: boolean, options: ShadowOptions) {
    this.#head = head;
    this.#isBodyless = isEnd;
    this.#options = options;
    this.#body = new BodyPipe(options.context.memory, false);
  }

  start(): void {
    this.#slot = this.#options.context.deadlines.add(this.#options.timeoutMs, this);
    this.#options.upstream.acquire(this, false);
  }

  data(bytes: Buffer, start: number, end: number, isEnd: boolean): void {
    if (this.#isOver) return;
    this.#body.data(this.#stream, bytes, start, end, isEnd);
    if (this.#body.heldBytes > maxBehindBytes) this.#end("behind");
  }

  trailers(block: FieldBlock): void {
    if (!this.#isOver) this.#body.trailers(this.#stream, block);
  }

  /** The rest of the request will not come. */
  cancel(): void {
    this.#end("cancelled");
  }

  onUpstream(connection: UpstreamConnection): void {
    const stream = connection.send(this.#head, this.#isBodyless, this);
    if (stream === undefined) {
      if (++this.#sends < maxSends) this.#options.upstream.acquire(this, false);
      else this.#end("unreached");
      return;
    }
    this.#connection = connection;
    this.#stream = stream;
    this.#sentMs = this.#options.context.clock.monotonicMs();
    if (!this.#isBodyless) this.#body.resume(stream);
  }

  onNoUpstream(): void {
    this.#end("unreached");
  }

  onInform(): void {
    // Nobody is there to be informed.
  }

  onResponse(head: ResponseHead, isEnd: boolean): void {
    this.#connection?.observer?.onAnswer(head, this.#sentMs, this.#head.grpc);
    if (isEnd) this.#end("answered");
  }

  onResponseData(_bytes: Buffer, start: number, end: number, isEnd: boolean): void {
    this.#answerBytes += end - start;
    if (this.#answerBytes > maxAnswerBytes && !isEnd) {
      this.#end("too_long");
      return;
    }
    if (end > start) this.#stream?.consumeResponse(end - start);
    if (isEnd) this.#end("answered");
  }

  onResponseTrailers(block: FieldBlock): void {
    if (this.#head.grpc === "grpc") this.#connection?.observer?.onGrpcTrailers(block);
    this.#end("answered");
  }

  onUpstreamLost(loss: UpstreamLoss): void {
    if (!loss.isUnprocessed) this.#connection?.observer?.onLost();
    this.#stream = undefined;
    this.#end("lost");
  }

  onUpstreamWritable(): void {
    if (this.#stream !== undefined) this.#body.resume(this.#stream);
  }

  onDeadline(): void {
    this.#slot = -1;
    this.#end("timeout");
  }

  #end(outcome: MirrorOutcome): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const stream = this.#stream;
    this.#stream = undefined;
    const isSent = this.#isBodyless || this.#body.isDone;
    this.#body.drop();
    if (this.#slot >= 0) this.#options.context.deadlines.remove(this.#slot, this);
    this.#slot = -1;
    if (stream === undefined) this.#options.upstream.cancel(this);
    else if (outcome !== "answered" || !isSent) stream.abort();
    this.#options.onOver(outcome);
  }
}
