import type { Random } from "./random.ts";

export interface BackoffOptions {
  readonly minDelayMs: number;
  readonly maxDelayMs: number;
  readonly random: Random;
}

/** Exponential backoff with full jitter in the upper half: each delay lies in [d/2, d), d doubling from min to max. */
export interface Backoff {
  nextDelayMs(): number;
  reset(): void;
}

export function createBackoff(options: BackoffOptions): Backoff {
  let ceilingMs = options.minDelayMs;
  return {
    nextDelayMs() {
      const delayMs = ceilingMs / 2 + (ceilingMs / 2) * options.random.float();
      ceilingMs = Math.min(ceilingMs * 2, options.maxDelayMs);
      return delayMs;
    },
    reset() {
      ceilingMs = options.minDelayMs;
    },
  };
}
