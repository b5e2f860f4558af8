import type { ResponseReceiver, UpstreamConnection, UpstreamLoss, UpstreamStream } from "../exchange/ends.ts";
import type { FieldBlock } from "../message/field-block.ts";
import type { RequestHead } from "../message/request-head.ts";
import type { ResponseHead } from "../message/response-head.ts";
import type { CheckFailure, Probe } from "../resilience/health-check/probe.ts";
import type { EndpointPool } from "./endpoint-pool.ts";

/** Of an answer so much is read, for what it says and so that its connection can be used again. */
const maxAnswerBytes = 64 * 1024;

export interface RequestProbeOptions {
  readonly head: RequestHead;
  readonly body: Buffer | undefined;
  /** What an answer means, the first {@link maxAnswerBytes} of it. */
  readonly judge: (head: ResponseHead, body: Buffer, trailers: FieldBlock | undefined) => CheckFailure | undefined;
}

/** One request that asks an endpoint how it is. */
export class RequestProbe implements Probe, ResponseReceiver {
  readonly #pool: EndpointPool;
  readonly #options: RequestProbeOptions;
  readonly #onResult: (failure: CheckFailure | undefined) => void;
  #stream: UpstreamStream | undefined;
  #sent = 0;
  #response: ResponseHead | undefined;
  #answer: Buffer[] = [];
  #answerBytes = 0;
  #hasResent = false;
  #isOver = false;

  constructor(pool: EndpointPool, options: RequestProbeOptions, onResult: (failure: CheckFailure | undefined) => void) {
    this.#pool = pool;
    this.#options = options;
    this.#onResult = onResult;
    this.#begin();
  }

  cancel(): void {
    this.#isOver = true;
    this.#stream?.abort();
  }

  onInform(): void {
    // The answer follows.
  }

  onResponse(head: ResponseHead, isEnd: boolean): void {
    this.#response = head;
    if (isEnd) this.#judge(undefined);
  }

  onResponseData(bytes: Buffer, start: number, end: number, isEnd: boolean): void {
    if (this.#answerBytes + end - start > maxAnswerBytes) {
      const stream = this.#stream;
      this.#judge(undefined);
      stream?.abort();
      return;
    }
    this.#answerBytes += end - start;
    if (end > start) {
      this.#answer.push(Buffer.from(bytes.subarray(start, end)));
      this.#stream?.consumeResponse(end - start);
    }
    if (isEnd) this.#judge(undefined);
  }

  onResponseTrailers(block: FieldBlock): void {
    this.#judge(block);
  }

  onUpstreamLost({ isUnprocessed, wasReused }: UpstreamLoss): void {
    this.#stream = undefined;
    if (this.#isOver) return;
    // A connection that its server has given up in the meantime says nothing about the server.
    if (this.#response !== undefined || this.#hasResent || !(isUnprocessed || wasReused)) {
      this.#end("lost");
      return;
    }
    this.#hasResent = true;
    this.#sent = 0;
    // Its pool may be told after us that there is room.
    queueMicrotask(() => {
      if (!this.#isOver) this.#begin();
    });
  }

  onUpstreamWritable(): void {
    const { body } = this.#options;
    if (body === undefined || this.#stream === undefined || this.#sent === body.length) return;
    // What is sent is the sink's from then on.
    const rest = Buffer.from(body.subarray(this.#sent));
    this.#sent += this.#stream.data(rest, 0, rest.length, true);
  }

  #begin(): void {
    const connection = this.#pool.take(this.#hasResent);
    if (connection !== undefined && this.#send(connection)) return;
    if (!this.#pool.hasRoom) {
      queueMicrotask(() => this.#end("connect"));
      return;
    }
    this.#pool.open((opened) => {
      if (typeof opened === "string") this.#end("connect");
      else if (this.#isOver) this.#pool.giveBack(opened);
      else if (!this.#send(opened)) this.#end("connect");
    });
  }

  #send(connection: UpstreamConnection): boolean {
    const { head, body } = this.#options;
    this.#stream = connection.send(head, body === undefined, this);
    if (this.#stream === undefined) return false;
    this.onUpstreamWritable();
    return true;
  }

  #judge(trailers: FieldBlock | undefined): void {
    if (this.#response === undefined) return;
    this.#end(this.#options.judge(this.#response, Buffer.concat(this.#answer), trailers));
  }

  #end(failure: CheckFailure | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#stream = undefined;
    this.#onResult(failure);
  }
}
