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

export interface Periodic {
  /** Makes the next attempt now instead of later; does nothing while one is under way. */
  runSoon(): void;
  stop(): void;
}

/** A new check tells something soon, however long its interval is. */
const maxFirstDelayMs = 1_000;

/**
 * Runs an attempt again and again until stopped: the first within a second, the second after a random part of the
 * interval, so that the checks of an agent that just started spread out, each later one an interval after the one before
 * has ended.
 */
export function startPeriodic(options: PeriodicOptions): Periodic {
  const { clock, random } = options.runtime;
  const stopping = new AbortController();
  let timer: Timer;
  let isRunning = false;
  let attempts = 0;
  const runOnce = async (): Promise<void> => {
    isRunning = true;
    await withDeadline({ clock, timeoutMs: options.timeoutMs, signal: stopping.signal }, options.run);
    isRunning = false;
    const isFirst = attempts++ === 0;
    if (!stopping.signal.aborted) arm(isFirst ? random.float() * options.intervalMs : options.intervalMs);
  };
  const arm = (delayMs: number): void => {
    timer = clock.after(delayMs, () => void runOnce());
  };
  arm(random.float() * Math.min(options.intervalMs, maxFirstDelayMs));
  return {
    runSoon() {
      if (isRunning || stopping.signal.aborted) return;
      timer.cancel();
      void runOnce();
    },
    stop() {
      timer.cancel();
      stopping.abort();
    },
  };
}
