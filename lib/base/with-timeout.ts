import type { Clock } from "./clock.ts";

export interface CallLimits {
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** Ends the call early. */
  readonly signal: AbortSignal;
}

/** Runs `call` with a signal that is aborted by the caller's own or after `timeoutMs`, whichever comes first. */
export async function withTimeout<T>(limits: CallLimits, call: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  if (limits.signal.aborted) abort();
  limits.signal.addEventListener("abort", abort, { once: true });
  const timer = limits.clock.after(limits.timeoutMs, abort);
  try {
    return await call(controller.signal);
  } finally {
    timer.cancel();
    limits.signal.removeEventListener("abort", abort);
  }
}
