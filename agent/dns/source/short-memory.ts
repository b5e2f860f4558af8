import type { Clock } from "../../../lib/base/clock.ts";
import type { Found, Outcome } from "../dns-catalog.ts";

/** Answers that are not followed, kept for a moment, since whoever logs addresses asks for the same ones again. */
export interface ShortMemory<T> {
  get(key: string, fetch: () => Promise<Outcome<T>>): Found<T>;
}

const maxKeys = 1_024;

export function createShortMemory<T>(clock: Pick<Clock, "monotonicMs">, maxAgeMs: number): ShortMemory<T> {
  const kept = new Map<string, { readonly untilMs: number; found: Found<T> }>();
  return {
    get(key, fetch) {
      const known = kept.get(key);
      if (known !== undefined && clock.monotonicMs() < known.untilMs) return known.found;
      kept.delete(key);
      const [oldest] = kept.keys();
      if (kept.size >= maxKeys && oldest !== undefined) kept.delete(oldest);
      const fetched = fetch().then((outcome) => {
        // What could not be asked is asked again at once.
        if (outcome.state !== "known" && kept.get(key) === entry) kept.delete(key);
        else entry.found = outcome;
        return outcome;
      });
      const entry = { untilMs: clock.monotonicMs() + maxAgeMs, found: fetched as Found<T> };
      kept.set(key, entry);
      return fetched;
    },
  };
}
