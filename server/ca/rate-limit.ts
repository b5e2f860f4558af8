import type { Clock } from "../../lib/base/clock.ts";

/** A token bucket: `perSecond` on average, and as many at once after a quiet second. */
export interface RateLimit {
  /** Takes one token; false when there is none. */
  tryTake(): boolean;
}

export function createRateLimit(options: { readonly perSecond: number; readonly clock: Clock }): RateLimit {
  let tokens = options.perSecond;
  let filledAtMs = options.clock.monotonicMs();
  return {
    tryTake() {
      const nowMs = options.clock.monotonicMs();
      tokens = Math.min(options.perSecond, tokens + ((nowMs - filledAtMs) / 1000) * options.perSecond);
      filledAtMs = nowMs;
      if (tokens < 1) return false;
      tokens -= 1;
      return true;
    },
  };
}
