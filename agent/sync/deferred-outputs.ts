import type { Timer } from "../../lib/base/clock.ts";
import type { Runtime } from "../../lib/base/runtime.ts";

/**
 * Check outputs that changed while the status stayed. Many checks print a time or a counter, and a catalog write for each
 * of those would wake every watcher of the service, so they wait until the check is written anyway or their time is up.
 */
export interface DeferredOutputs {
  /** Starts the wait for a check unless it waits already. */
  defer(checkId: string): void;
  cancel(checkId: string): void;
  waiting(): ReadonlySet<string>;
  stop(): void;
}

export function createDeferredOutputs(options: {
  readonly runtime: Runtime;
  /** The wait is random between a half and one and a half of it. */
  readonly intervalMs: number;
  readonly onDue: (checkId: string) => void;
}): DeferredOutputs {
  const { runtime, intervalMs, onDue } = options;
  const timers = new Map<string, Timer>();
  const cancel = (checkId: string): void => {
    timers.get(checkId)?.cancel();
    timers.delete(checkId);
  };
  return {
    defer(checkId) {
      if (timers.has(checkId)) return;
      const delayMs = intervalMs / 2 + runtime.random.float() * intervalMs;
      const timer = runtime.clock.after(delayMs, () => {
        timers.delete(checkId);
        onDue(checkId);
      });
      timers.set(checkId, timer);
    },
    cancel,
    waiting: () => new Set(timers.keys()),
    stop() {
      for (const checkId of [...timers.keys()]) cancel(checkId);
    },
  };
}
