import { errorMessage } from "../lib/base/errors.ts";

const defaultPollMs = 20;

export interface WaitOptions {
  readonly timeoutMs: number;
  /** Ends the wait with its reason. */
  readonly signal?: AbortSignal;
  /** Pause between two looks. */
  readonly pollMs?: number;
}

/**
 * Calls `look` until it gives something; what it throws counts as "not yet" and is told when the time is up. Programs
 * that are only just starting have no better way to be waited for.
 */
export async function waitFor<T>(what: string, options: WaitOptions, look: () => Promise<T | undefined>): Promise<T> {
  const deadlineMs = performance.now() + options.timeoutMs;
  let last = "";
  while (performance.now() < deadlineMs) {
    options.signal?.throwIfAborted();
    try {
      const found = await look();
      if (found !== undefined) return found;
      last = "";
    } catch (thrown) {
      last = `; last error: ${errorMessage(thrown)}`;
    }
    await Bun.sleep(options.pollMs ?? defaultPollMs);
  }
  throw new Error(`${what}: not within ${options.timeoutMs} ms${last}`);
}
