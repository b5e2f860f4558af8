import type { MirrorConfig } from "../../../lib/contract/proxy-mirror.ts";
import type { ResponseReceiver, Upstream, UpstreamLoss, UpstreamStream } from "../../exchange/ends.ts";
import type { Stage } from "../../exchange/policy.ts";
import { PassThrough } from "../../exchange/stage.ts";
import type { FieldBlock } from "../../message/field-block.ts";
import type { RequestHead } from "../../message/request-head.ts";
import { isDrawn, type StageContext } from "../stage-context.ts";
import { Shadow } from "./shadow.ts";
import { shadowHead } from "./shadow-head.ts";

/** Copies a share of the requests to another cluster. Tunnels are not copied: nobody could answer for the other side. */
export class MirrorStage implements Stage {
  readonly config: MirrorConfig;
  readonly #upstream: Upstream;
  readonly #context: StageContext;
  #live = 0;

  constructor(config: MirrorConfig, upstream: Upstream, context: StageContext) {
    this.config = config;
    this.#upstream = upstream;
    this.#context = context;
  }

  before(upstream: Upstream, head: RequestHead): Upstream {
    if (head.isConnect || !isDrawn(this.config.percent, this.#context.random)) return upstream;
    return new MirroredRequest(upstream, this);
  }

  /** A copy of a request that has just been sent; undefined when there are too many. `isEnd` when it has no body. */
  copy(head: RequestHead, isEnd: boolean): Shadow | undefined {
    const { counters, memory } = this.#context;
    const { maxConcurrent, timeoutMs, disableShadowHostSuffixAppend } = this.config;
    if (this.#live >= maxConcurrent || memory.isOverloaded) {
      counters.mirrors.overflow++;
      return undefined;
    }
    this.#live++;
    const copied = disableShadowHostSuffixAppend ? head : shadowHead(head);
    const shadow = new Shadow(copied, isEnd, {
      upstream: this.#upstream.forRequest?.(copied, "") ?? this.#upstream,
      timeoutMs,
      context: this.#context,
      onOver: (outcome) => {
        this.#live--;
        counters.mirrors[outcome]++;
      },
    });
    shadow.start();
    return shadow;
  }
}

/**
 * A request whose first try is copied, its body as its own server takes it. A try that is over before the body is takes the copy with it:
 * nobody knows whether the rest will come.
 */
class MirroredRequest extends PassThrough {
  readonly #stage: MirrorStage;
  /** Until it has the whole request. */
  #shadow: Shadow | undefined;
  #hasBegun = false;

  constructor(upstream: Upstream, stage: MirrorStage) {
    super(upstream);
    this.#stage = stage;
  }

  override send(head: RequestHead, isEnd: boolean, receiver: ResponseReceiver): UpstreamStream | undefined {
    const stream = super.send(head, isEnd, receiver);
    if (stream === undefined || this.#hasBegun) return stream;
    this.#hasBegun = true;
    const shadow = this.#stage.copy(head, isEnd);
    if (!isEnd) this.#shadow = shadow;
    return stream;
  }

  override data(bytes: Buffer, start: number, end: number, isEnd: boolean): number {
    const taken = super.data(bytes, start, end, isEnd);
    const hasEnded = isEnd && start + taken === end;
    if (taken > 0 || hasEnded) this.#shadow?.data(bytes, start, start + taken, hasEnded);
    if (hasEnded) this.#shadow = undefined;
    return taken;
  }

  override trailers(block: FieldBlock): void {
    super.trailers(block);
    this.#shadow?.trailers(block);
    this.#shadow = undefined;
  }

  override abort(): void {
    super.abort();
    this.#cancel();
  }

  override onUpstreamLost(loss: UpstreamLoss): void {
    this.#cancel();
    super.onUpstreamLost(loss);
  }

  protected override forget(): void {
    this.#cancel();
    super.forget();
  }

  #cancel(): void {
    this.#shadow?.cancel();
    this.#shadow = undefined;
  }
}
