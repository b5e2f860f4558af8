import { errorMessage } from "../lib/base/errors.ts";

const pollMs = 20;

/**
 * Calls `look` until it gives something; what it throws counts as "not yet" and is told when the time is up. Programs
 * that are only just starting have no better way to be waited for.
 */
export async function waitFor<T>(
  what: string,
  options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
  look: () => Promise<T | undefined>,
): Promise<T> {
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
    await Bun.sleep(pollMs);
  }
  throw new Error(`${what}: not within ${options.timeoutMs} ms${last}`);
}
