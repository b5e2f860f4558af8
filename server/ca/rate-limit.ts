import type { Clock } from "../../lib/base/clock.ts";

/** A token bucket: `perSecond` on average, and as many at once after a quiet second. 0 is no limit. */
export interface RateLimit {
  /** Takes one token; false when there is none. */
  tryTake(): boolean;
}

export function createRateLimit(options: { readonly perSecond: () => number; readonly clock: Clock }): RateLimit {
  let tokens = options.perSecond();
  let filledAtMs = options.clock.monotonicMs();
  return {
    tryTake() {
      const nowMs = options.clock.monotonicMs();
      const perSecond = options.perSecond();
      tokens = Math.min(perSecond, tokens + ((nowMs - filledAtMs) / 1000) * perSecond);
      filledAtMs = nowMs;
      if (perSecond === 0) return true;
      if (tokens < 1) return false;
      tokens -= 1;
      return true;
    },
  };
}
