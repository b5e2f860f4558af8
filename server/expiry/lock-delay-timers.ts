import type { LockDelay } from "../../lib/contract/sessions.ts";

/**
 * When each lock-delay is over. Every server follows them by its own clock, so that a new leader does not begin anew; one
 * that it meets for the first time begins then.
 */
export interface LockDelayTimers {
  follow(delays: readonly LockDelay[], nowMs: number): void;
  isDelayed(delay: LockDelay | undefined, nowMs: number): boolean;
  ended(delays: readonly LockDelay[], nowMs: number): readonly LockDelay[];
}

export function createLockDelayTimers(): LockDelayTimers {
  let ends = new Map<string, { readonly index: number; readonly atMs: number }>();

  const endOf = ({ key, index, delayMs }: LockDelay, nowMs: number): number => {
    const known = ends.get(key);
    if (known?.index === index) return known.atMs;
    const atMs = nowMs + delayMs;
    ends.set(key, { index, atMs });
    return atMs;
  };
  return {
    follow(delays, nowMs) {
      const followed = delays.map((delay) => [delay.key, { index: delay.index, atMs: endOf(delay, nowMs) }] as const);
      ends = new Map(followed);
    },
    isDelayed: (delay, nowMs) => delay !== undefined && nowMs < endOf(delay, nowMs),
    ended: (delays, nowMs) => delays.filter((delay) => endOf(delay, nowMs) <= nowMs),
  };
}
