import { type Clock, sleep, type Timer } from "../lib/base/clock.ts";
import type { Subscription } from "../lib/client/server-link.ts";
import { AtollError } from "../lib/contract/error-codes.ts";
import type { IntentionsValue } from "../lib/contract/topics.ts";
import type { IntentionSource } from "./intention-source.ts";

/**
 * The intentions of destinations that are asked for on this host: kept up to date from the first question on until nobody has asked
 * for a while, so that an application may ask for every connection.
 */
export interface IntentionCache {
  /** Rejects with `UNAVAILABLE` when no server has sent them in time. */
  read(destination: string, signal: AbortSignal): Promise<IntentionsValue>;
  close(): void;
}

/** More destinations than a host has; a caller who makes up names must not fill the memory. */
const maxDestinations = 1_024;
const keepMs = 10 * 60_000;
const firstValueMs = 10_000;

interface Entry {
  value: IntentionsValue | undefined;
  subscription: Subscription | undefined;
  timer: Timer | undefined;
  readonly arrived: AbortController;
}

export function createIntentionCache(options: {
  readonly source: IntentionSource;
  readonly clock: Clock;
}): IntentionCache {
  const { source, clock } = options;
  const entries = new Map<string, Entry>();
  const drop = (destination: string): void => {
    const entry = entries.get(destination);
    entries.delete(destination);
    entry?.timer?.cancel();
    entry?.subscription?.close();
    entry?.arrived.abort();
  };
  const open = (destination: string): Entry => {
    const [oldest] = entries.keys();
    if (entries.size >= maxDestinations && oldest !== undefined) drop(oldest);
    const entry: Entry = {
      value: undefined,
      subscription: undefined,
      timer: undefined,
      arrived: new AbortController(),
    };
    entries.set(destination, entry);
    entry.subscription = source(destination, (value) => {
      entry.value = value;
      entry.arrived.abort();
    });
    return entry;
  };
  return {
    async read(destination, signal) {
      const entry = entries.get(destination) ?? open(destination);
      entry.timer?.cancel();
      entry.timer = clock.after(keepMs, () => drop(destination));
      if (entry.value === undefined) {
        await sleep(clock, firstValueMs, AbortSignal.any([signal, entry.arrived.signal]));
      }
      if (entry.value !== undefined) return entry.value;
      throw new AtollError("UNAVAILABLE", `no server has sent the intentions of "${destination}" yet: try again`);
    },
    close() {
      for (const destination of [...entries.keys()]) drop(destination);
    },
  };
}
