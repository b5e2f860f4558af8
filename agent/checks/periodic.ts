import type { Timer } from "../../lib/base/clock.ts";
import { withDeadline } from "../../lib/base/deadline.ts";
import type { Runtime } from "../../lib/base/runtime.ts";

export interface PeriodicOptions {
  readonly runtime: Runtime;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** One attempt; must not reject. `signal` is aborted when its time is over or the check is stopped. */
  readonly run: (signal: AbortSignal) => Promise<void>;
}

/**
 * Runs an attempt again and again until stopped: the first after a random part of the interval, so that the checks of an
 * agent that just started do not all run at once, each later one an interval after the one before has ended.
 */
export function startPeriodic(options: PeriodicOptions): { stop(): void } {
  const { clock, random } = options.runtime;
  const stopping = new AbortController();
  let timer: Timer;
  const runOnce = async (): Promise<void> => {
    await withDeadline({ clock, timeoutMs: options.timeoutMs, signal: stopping.signal }, options.run);
    if (!stopping.signal.aborted) arm(options.intervalMs);
  };
  const arm = (delayMs: number): void => {
    timer = clock.after(delayMs, () => void runOnce());
  };
  arm(random.float() * options.intervalMs);
  return {
    stop() {
      timer.cancel();
      stopping.abort();
    },
  };
}
