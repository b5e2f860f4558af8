import { AtollError } from "../../lib/contract/error-codes.ts";

/** Blocked queries and subscriptions together; one more is refused rather than taking the server's memory. */
export const defaultMaxWaiters = 200_000;

/** Who waits for a change of what. A commit wakes the waiters of the keys that it touched, and nobody else. */
export interface WatchHub {
  /**
   * Calls back once, at the first wake-up that touched one of `keys`, unless cancelled before. Throws `RATE_LIMITED`
   * when too many wait already.
   */
  wait(keys: readonly string[], onTouched: () => void): Waiter;
  /** Wakes the waiters of `touched`, each once however many of its keys are in there. */
  wake(touched: Iterable<string>): void;
  waiterCount(): number;
}

export interface Waiter {
  /** Idempotent; afterwards the callback never runs. */
  cancel(): void;
}

interface Entry {
  readonly keys: readonly string[];
  readonly onTouched: () => void;
  isWaiting: boolean;
}

export function createWatchHub(options: { readonly maxWaiters?: number } = {}): WatchHub {
  const maxWaiters = options.maxWaiters ?? defaultMaxWaiters;
  const byKey = new Map<string, Set<Entry>>();
  let count = 0;

  const leave = (entry: Entry): void => {
    if (!entry.isWaiting) return;
    entry.isWaiting = false;
    count--;
    for (const key of entry.keys) {
      const entries = byKey.get(key);
      if (entries?.delete(entry) === true && entries.size === 0) byKey.delete(key);
    }
  };

  return {
    wait(keys, onTouched) {
      if (count >= maxWaiters) {
        throw new AtollError("RATE_LIMITED", `too many blocking queries: ${count} are waiting; ask again later`);
      }
      const entry: Entry = { keys, onTouched, isWaiting: true };
      count++;
      for (const key of keys) {
        const entries = byKey.get(key);
        if (entries === undefined) byKey.set(key, new Set([entry]));
        else entries.add(entry);
      }
      return { cancel: () => leave(entry) };
    },
    wake(touched) {
      // Collected before anyone is called: a callback usually waits again on the same keys.
      const woken = new Set<Entry>();
      for (const key of touched) for (const entry of byKey.get(key) ?? []) woken.add(entry);
      for (const entry of woken) {
        if (!entry.isWaiting) continue;
        leave(entry);
        entry.onTouched();
      }
    },
    waiterCount: () => count,
  };
}
