import type { ConnectionProblem } from "./error-codes.ts";
import type { Http2Limits } from "./limits.ts";
import { RateBucket } from "./rate-bucket.ts";

/** What a peer could make us do for free, counted: see {@link Http2Limits}. Each check says what to end the connection for. */
export class FloodGuard {
  nowMs = 0;
  readonly #resets: RateBucket;
  readonly #provoked: RateBucket;
  readonly #control: RateBucket;
  readonly #priority: RateBucket;
  readonly #windowUpdates: RateBucket;
  readonly #empty: RateBucket;

  constructor(limits: Http2Limits) {
    this.#resets = new RateBucket(limits.resets);
    this.#provoked = new RateBucket(limits.provokedResets);
    this.#control = new RateBucket(limits.control);
    this.#priority = new RateBucket(limits.priority);
    this.#windowUpdates = new RateBucket(limits.windowUpdates);
    this.#empty = new RateBucket(limits.emptyFrames);
  }

  onReset(): ConnectionProblem | undefined {
    return this.#resets.take(this.nowMs) ? undefined : "reset_flood";
  }

  onProvokedReset(): ConnectionProblem | undefined {
    return this.#provoked.take(this.nowMs) ? undefined : "provoked_reset_flood";
  }

  onControlFrame(): ConnectionProblem | undefined {
    return this.#control.take(this.nowMs) ? undefined : "control_flood";
  }

  onPriority(): ConnectionProblem | undefined {
    return this.#priority.take(this.nowMs) ? undefined : "priority_flood";
  }

  onWindowUpdate(): ConnectionProblem | undefined {
    return this.#windowUpdates.take(this.nowMs) ? undefined : "window_update_flood";
  }

  onEmptyFrame(): ConnectionProblem | undefined {
    return this.#empty.take(this.nowMs) ? undefined : "empty_frame_flood";
  }

  allowForStream(): void {
    this.#priority.allow(2);
    this.#windowUpdates.allow(2);
  }

  allowForDataSent(): void {
    this.#control.allow(1);
    this.#windowUpdates.allow(10);
  }

  allowForDataReceived(): void {
    this.#control.allow(1);
  }
}
