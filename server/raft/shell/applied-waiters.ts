import type { LogIndex } from "../core/types.ts";

/** Those who wait for entries to be applied here: reads of a follower that has to catch up with its leader first. */
export interface AppliedWaiters {
  /** Resolves with true once `index` is applied, with false when the signal is aborted or nothing more will be applied. */
  wait(index: LogIndex, signal: AbortSignal): Promise<boolean>;
  /** Everything up to `index` is applied. */
  noteApplied(index: LogIndex): void;
  /** Nothing more will be. */
  endAll(): void;
}

export function createAppliedWaiters(): AppliedWaiters {
  const waiting = new Set<{ readonly index: LogIndex; readonly finish: (isApplied: boolean) => void }>();
  let applied: LogIndex = 0;
  let isEnded = false;
  return {
    wait(index, signal) {
      if (index <= applied) return Promise.resolve(true);
      if (isEnded || signal.aborted) return Promise.resolve(false);
      return new Promise((resolve) => {
        const onAbort = (): void => waiter.finish(false);
        const waiter = {
          index,
          finish(isApplied: boolean): void {
            waiting.delete(waiter);
            signal.removeEventListener("abort", onAbort);
            resolve(isApplied);
          },
        };
        waiting.add(waiter);
        signal.addEventListener("abort", onAbort, { once: true });
      });
    },
    noteApplied(index) {
      applied = index;
      for (const waiter of waiting) if (waiter.index <= index) waiter.finish(true);
    },
    endAll() {
      isEnded = true;
      for (const waiter of waiting) waiter.finish(false);
    },
  };
}
