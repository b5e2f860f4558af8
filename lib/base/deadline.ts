import type { Clock } from "./clock.ts";

export interface DeadlineOptions {
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** Ends the call early as well. */
  readonly signal: AbortSignal;
}

/** Runs `call` with a signal that is aborted when `signal` is or when the time is over; the timer is gone afterwards. */
export async function withDeadline<T>(options: DeadlineOptions, call: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  const timer = options.clock.after(options.timeoutMs, abort);
  options.signal.addEventListener("abort", abort, { once: true });
  if (options.signal.aborted) abort();
  try {
    return await call(controller.signal);
  } finally {
    timer.cancel();
    options.signal.removeEventListener("abort", abort);
  }
}
