import type { Expiring } from "../../exchange/deadlines.ts";
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
import type { GrpcKind } from "../../message/grpc.ts";
import type { RequestHead } from "../../message/request-head.ts";
import type { ResponseHead } from "../../message/response-head.ts";
import type { HedgeGroup } from "./hedge-group.ts";
import type { KeptBody } from "./kept-body.ts";

/** A response that is not wanted is read so far and so long, as by retries: its connection can be used again. */
const maxDrainBytes = 16 * 1024;
const maxDrainMs = 1_000;
const nothing = Buffer.alloc(0);

/** A request on its way to one endpoint. `isHedge`: it holds a place in the retry budget, and sends its body itself. */
export class HedgeTry implements UpstreamWaiter, ResponseReceiver, Expiring {
  readonly isHedge: boolean;
  connection: UpstreamConnection | undefined;
  stream: UpstreamStream | undefined;
  readonly #group: HedgeGroup;
  readonly #upstream: Upstream;
  #sentMs = 0;
  #grpc: GrpcKind = "";
  #hasResponse = false;
  #hasEnded = false;
  #body: KeptBody | undefined;
  /** Of the body's pieces, and within one. */
  #piece = 0;
  #offset = 0;
  #isSent = true;
  #isDraining = false;
  #drainedBytes = 0;
  #slot = -1;
  #holdsBudget: boolean;

  constructor(group: HedgeGroup, isHedge: boolean) {
    this.#group = group;
    this.#upstream = group.request.upstreamOfTry();
    this.isHedge = isHedge;
    this.#holdsBudget = isHedge;
  }

  acquire(wantsFresh: boolean, tried: readonly object[]): void {
    this.#upstream.acquire(this, wantsFresh, tried);
  }

  onOpening(endpoint: object): void {
    this.#group.request.used.push(endpoint);
  }

  onUpstream(connection: UpstreamConnection): void {
    this.connection = connection;
    this.#group.onConnected(this);
  }

  onNoUpstream(failure: UpstreamFailure): void {
    this.#group.onNoUpstream(this, failure);
  }

  /** The endpoint has all of the request, as far as it lies with this one. */
  get isSent(): boolean {
    return this.#isSent;
  }

  /** False when the connection takes no more requests. */
  send(head: RequestHead, isEnd: boolean): boolean {
    this.stream = this.connection?.send(head, isEnd, this);
    this.#grpc = head.grpc;
    this.#sentMs = this.#group.request.context.clock.monotonicMs();
    return this.stream !== undefined;
  }

  sendWhole(head: RequestHead, body: KeptBody): boolean {
    this.#isSent = body.isAbsent;
    if (!this.send(head, body.isAbsent)) return false;
    this.#body = body;
    this.#feed();
    return true;
  }

  /** Nobody waits for it; `isOutrun` when another was faster. */
  abort(isOutrun: boolean): void {
    this.end();
    if (this.stream === undefined) {
      if (this.isHedge) this.#group.request.hedgesLeft++;
      this.#upstream.cancel(this);
      return;
    }
    if (isOutrun && !this.#hasResponse) this.connection?.observer?.onOutrun?.(this.#sentMs);
    this.stream.abort();
  }

  /** Its response is not the one; `isEnd` when it has no body. */
  drain(isEnd: boolean): void {
    this.end();
    this.#isDraining = true;
    this.stream?.leave?.();
    if (!this.#isSent) this.stream?.abort();
    else if (!isEnd) this.#slot = this.#group.request.context.deadlines.add(maxDrainMs, this);
  }

  /** There is no time left for its answer. */
  tellLate(): void {
    if (this.stream !== undefined && !this.#hasResponse) this.connection?.observer?.onLate();
  }

  /** It does not count any more. */
  end(): void {
    if (this.#holdsBudget) this.#group.request.rules.budget.endRetry();
    this.#holdsBudget = false;
  }

  onDeadline(): void {
    this.#slot = -1;
    this.stream?.abort();
  }

  onInform(head: ResponseHead): void {
    this.#group.onInform(head);
  }

  onResponse(head: ResponseHead, isEnd: boolean): void {
    this.#hasResponse = true;
    this.connection?.observer?.onAnswer(head, this.#sentMs, this.#grpc);
    this.#hasEnded = isEnd;
    this.#group.onResponse(this, head, isEnd);
  }

  onResponseData(bytes: Buffer, start: number, end: number, isEnd: boolean): void {
    this.#hasEnded = isEnd;
    if (!this.#isDraining) {
      this.#group.onResponseData(bytes, start, end, isEnd);
      return;
    }
    this.#drainedBytes += end - start;
    if (isEnd || this.#drainedBytes > maxDrainBytes) this.#stop();
    if (this.#drainedBytes > maxDrainBytes && !isEnd) this.stream?.abort();
    else if (end > start) this.stream?.consumeResponse(end - start);
  }

  onResponseTrailers(block: FieldBlock): void {
    this.#hasEnded = true;
    if (this.#isDraining) this.#stop();
    else this.#group.onResponseTrailers(block);
  }

  onUpstreamLost(loss: UpstreamLoss): void {
    if (this.#isDraining) {
      this.#stop();
      return;
    }
    this.stream = undefined;
    if (!loss.isUnprocessed && !this.#hasEnded) this.connection?.observer?.onLost();
    this.#group.onTryLost(this, loss);
  }

  onUpstreamWritable(): void {
    if (!this.isHedge) this.#group.onWritable();
    else if (!this.#isSent) this.#feed();
  }

  #feed(): void {
    const { stream } = this;
    const body = this.#body;
    if (stream === undefined || body === undefined || this.#isSent) return;
    const { pieces, trailers } = body;
    for (let piece = pieces[this.#piece]; piece !== undefined; piece = pieces[this.#piece]) {
      const isLast = this.#piece === pieces.length - 1 && trailers === undefined;
      const start = piece.start + this.#offset;
      const taken = stream.data(piece.bytes, start, piece.end, isLast);
      this.#offset += taken;
      if (start + taken < piece.end) return;
      this.#piece++;
      this.#offset = 0;
    }
    this.#isSent = true;
    if (trailers !== undefined) stream.trailers(trailers);
    else if (pieces.length === 0) stream.data(nothing, 0, 0, true);
  }

  #stop(): void {
    if (this.#slot >= 0) this.#group.request.context.deadlines.remove(this.#slot, this);
    this.#slot = -1;
  }
}
