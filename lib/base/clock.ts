/**
 * Time as a value that is handed in, so that every component can run on a virtual clock.
 * `nowMs` is wall-clock milliseconds since the epoch; `monotonicMs` never goes back and has no meaning outside the process.
 */
export interface Clock {
  nowMs(): number;
  monotonicMs(): number;
  /** Calls `callback` once after `delayMs`. The returned timer belongs to the caller, who must cancel it when it closes. */
  after(delayMs: number, callback: () => void): Timer;
}

export interface Timer {
  /** Idempotent; after it returns the callback never runs. */
  cancel(): void;
}

/** The real clock of this machine. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, callback) {
    const handle = setTimeout(callback, delayMs);
    return { cancel: () => clearTimeout(handle) };
  },
};

/** Resolves after `delayMs`, or early (without an error) when `signal` is aborted. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) {
      resolve();
      return;
    }
    const finish = (): void => {
      timer.cancel();
      signal?.removeEventListener("abort", finish);
      resolve();
    };
    const timer = clock.after(delayMs, finish);
    signal?.addEventListener("abort", finish, { once: true });
  });
}
