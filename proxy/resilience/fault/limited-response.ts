import { ByteQueue } from "../../exchange/byte-queue.ts";
import type { Expiring } from "../../exchange/deadlines.ts";
import type { Upstream, UpstreamLoss } from "../../exchange/ends.ts";
import { PassThrough } from "../../exchange/stage.ts";
import type { FieldBlock } from "../../message/field-block.ts";
import type { ResponseHead } from "../../message/response-head.ts";
import type { StageContext } from "../stage-context.ts";

const tickMs = 50;
/** What a pause of the server may be made up for with. */
const maxBurstMs = 1_000;
const nothing = Buffer.alloc(0);

/**
 * Lets the body of a response through no faster than so many KiB per second, in pieces about every 50 ms. What waits here has not been
 * taken as far as its source knows, which therefore stops; trailers and the end come behind it.
 */
export class LimitedResponse extends PassThrough implements Expiring {
  readonly #bytesPerMs: number;
  /** Counts responses under way. */
  readonly #active: { active: number };
  readonly #context: StageContext;
  readonly #held: ByteQueue;
  #hasEnded = false;
  #trailers: FieldBlock | undefined;
  #allowedBytes = 0;
  #refilledMs = 0;
  #slot = -1;
  #isCounted = false;
  #isFlowing = false;

  private constructor(upstream: Upstream, limitKbps: number, active: { active: number }, context: StageContext) {
    super(upstream);
    this.#bytesPerMs = (limitKbps * 1_024) / 1_000;
    this.#active = active;
    this.#context = context;
    this.#held = new ByteQueue(context.memory);
  }

  static stage(limitKbps: number, active: { active: number }, context: StageContext): (upstream: Upstream) => Upstream {
    return (upstream) => new LimitedResponse(upstream, limitKbps, active, context);
  }

  override onResponse(head: ResponseHead, isEnd: boolean): void {
    if (!isEnd) {
      this.#isCounted = true;
      this.#active.active++;
      this.#refilledMs = this.#context.clock.monotonicMs();
      this.#allowedBytes = this.#bytesPerMs * tickMs;
    }
    super.onResponse(head, isEnd);
  }

  override onResponseData(bytes: Buffer, start: number, end: number, isEnd: boolean): void {
    this.#held.append(bytes, start, end);
    this.#hasEnded ||= isEnd;
    this.#flow();
  }

  override onResponseTrailers(block: FieldBlock): void {
    this.#hasEnded = true;
    this.#trailers = block;
    this.#flow();
  }

  override onUpstreamLost(loss: UpstreamLoss): void {
    this.#clear();
    super.onUpstreamLost(loss);
  }

  override abort(): void {
    this.#clear();
    super.abort();
  }

  protected override forget(): void {
    this.#clear();
    super.forget();
  }

  onDeadline(): void {
    this.#slot = -1;
    this.#flow();
  }

  #flow(): void {
    // Whoever takes a piece may make room for the next, or call it all off.
    if (this.#isFlowing || this.#slot >= 0) return;
    this.#isFlowing = true;
    this.#refill();
    for (let piece = this.#held.first; piece !== undefined && this.#allowedBytes >= 1; piece = this.#held.first) {
      const { bytes, start } = piece;
      const count = Math.min(piece.end - start, Math.floor(this.#allowedBytes));
      this.#held.advance(count);
      this.#allowedBytes -= count;
      this.receiver?.onResponseData(bytes, start, start + count, false);
    }
    this.#isFlowing = false;
    if (!this.#held.isEmpty) this.#slot = this.#context.deadlines.add(tickMs, this);
    else if (this.#hasEnded && this.#isCounted) this.#deliverEnd();
  }

  #deliverEnd(): void {
    const trailers = this.#trailers;
    this.#finish();
    if (trailers === undefined) this.receiver?.onResponseData(nothing, 0, 0, true);
    else this.receiver?.onResponseTrailers(trailers);
  }

  #refill(): void {
    const nowMs = this.#context.clock.monotonicMs();
    const most = this.#bytesPerMs * maxBurstMs;
    // A byte at a time is the slowest.
    this.#allowedBytes = Math.min(
      Math.max(1, most),
      this.#allowedBytes + (nowMs - this.#refilledMs) * this.#bytesPerMs,
    );
    this.#refilledMs = nowMs;
  }

  #finish(): void {
    if (this.#isCounted) this.#active.active--;
    this.#isCounted = false;
  }

  #clear(): void {
    this.#finish();
    this.#held.clear();
    this.#hasEnded = false;
    this.#trailers = undefined;
    if (this.#slot >= 0) this.#context.deadlines.remove(this.#slot, this);
    this.#slot = -1;
  }
}
