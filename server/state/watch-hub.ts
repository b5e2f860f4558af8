import { AtollError } from "../../lib/contract/error-codes.ts";
import { createPrefixLengths } from "./prefix-lengths.ts";
import { kvFamily, kvUnderFamily } from "./watch-keys.ts";

/** Blocked queries and subscriptions together; one more is refused rather than taking the server's memory. */
export const defaultMaxWatches = 200_000;

/** Who waits for a change of what. A commit wakes those who watch a key that it touched, and nobody else. */
export interface WatchHub {
  /**
   * Calls back at every wake-up that touched one of `keys`, once however many of them it touched, until cancelled. Throws
   * `RATE_LIMITED` when too many watch already.
   */
  watch(keys: readonly string[], onTouched: () => void): Watch;
  wake(touched: Iterable<string>): void;
  /** Wakes everybody: the whole state was replaced. */
  wakeAll(): void;
  watchCount(): number;
}

export interface Watch {
  /** Idempotent; afterwards the callback never runs. */
  cancel(): void;
}

interface Entry {
  readonly keys: readonly string[];
  readonly onTouched: () => void;
  isActive: boolean;
}

export function createWatchHub(options: { readonly maxWatches?: number } = {}): WatchHub {
  const maxWatches = options.maxWatches ?? defaultMaxWatches;
  const byKey = new Map<string, Set<Entry>>();
  /** Of the prefixes of keys that are watched. */
  const prefixes = createPrefixLengths();
  let count = 0;

  const leave = (entry: Entry): void => {
    if (!entry.isActive) return;
    entry.isActive = false;
    count--;
    for (const key of entry.keys) {
      const entries = byKey.get(key);
      if (entries?.delete(entry) !== true || entries.size > 0) continue;
      byKey.delete(key);
      if (key.startsWith(kvUnderFamily)) prefixes.remove(key.slice(kvUnderFamily.length));
    }
  };
  const collect = (woken: Set<Entry>, touched: string): void => {
    for (const entry of byKey.get(touched) ?? []) woken.add(entry);
    if (!touched.startsWith(kvFamily)) return;
    const key = touched.slice(kvFamily.length);
    for (const length of prefixes.upTo(key)) {
      for (const entry of byKey.get(kvUnderFamily + key.slice(0, length)) ?? []) woken.add(entry);
    }
  };

  return {
    watch(keys, onTouched) {
      if (count >= maxWatches) {
        throw new AtollError(
          "RATE_LIMITED",
          `too many blocking queries: ${count} are waiting (limits.max_blocking_queries); ask again later`,
        );
      }
      const entry: Entry = { keys, onTouched, isActive: true };
      count++;
      for (const key of keys) {
        const entries = byKey.get(key);
        if (entries !== undefined) {
          entries.add(entry);
          continue;
        }
        byKey.set(key, new Set([entry]));
        if (key.startsWith(kvUnderFamily)) prefixes.add(key.slice(kvUnderFamily.length));
      }
      return { cancel: () => leave(entry) };
    },
    wake(touched) {
      // Collected before anyone is called: a callback may cancel others or watch anew, and then has read already.
      const woken = new Set<Entry>();
      for (const key of touched) collect(woken, key);
      for (const entry of woken) if (entry.isActive) entry.onTouched();
    },
    wakeAll() {
      const woken = new Set<Entry>();
      for (const entries of byKey.values()) for (const entry of entries) woken.add(entry);
      for (const entry of woken) if (entry.isActive) entry.onTouched();
    },
    watchCount: () => count,
  };
}
