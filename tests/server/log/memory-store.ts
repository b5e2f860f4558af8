import type { RangedStore, StoreOperation } from "../../../server/log/durable-store.ts";

/** A store whose writes finish when the test says so, and that can be looked into, damaged and copied. */
export interface MemoryStore extends RangedStore {
  readonly entries: Map<string, Uint8Array>;
  /** Every batch so far, in order, synced or not. */
  readonly batches: (readonly StoreOperation[])[];
  /** Holds back writes until `release`, or makes the next ones fail. */
  hold(): void;
  release(): void;
  failWith(error: Error): void;
  maxInFlight(): number;
  isClosed(): boolean;
}

export function createMemoryStore(batches: Iterable<readonly StoreOperation[]> = []): MemoryStore {
  const entries = new Map<string, Uint8Array>();
  const written: (readonly StoreOperation[])[] = [];
  let failure: Error | undefined;
  let held: (() => void)[] | undefined;
  let inFlight = 0;
  let maxInFlight = 0;
  let isClosed = false;

  const commit = (operations: readonly StoreOperation[]): void => {
    for (const operation of operations) {
      if (operation.type === "del") entries.delete(operation.key);
      else entries.set(operation.key, operation.value);
    }
    written.push(operations);
  };
  for (const batch of batches) commit(batch);
  const write = async (operations: readonly StoreOperation[]): Promise<void> => {
    inFlight++;
    maxInFlight = Math.max(maxInFlight, inFlight);
    await new Promise<void>((resolve) => {
      if (held === undefined) resolve();
      else held.push(resolve);
    });
    inFlight--;
    if (failure !== undefined) throw failure;
    commit(operations);
  };

  return {
    entries,
    batches: written,
    write,
    writeUnsynced: write,
    async clear({ from, before }) {
      for (const key of [...entries.keys()]) if (key >= from && key < before) entries.delete(key);
    },
    view() {
      const seen = [...entries].toSorted(([a], [b]) => (a < b ? -1 : 1));
      return {
        async *read({ from, before }) {
          yield seen.filter(([key]) => key >= from && key < before);
        },
        close: async () => undefined,
      };
    },
    async scan(onEntry) {
      for (const key of [...entries.keys()].sort()) {
        const value = entries.get(key);
        if (value !== undefined) onEntry(key, value);
      }
    },
    async close() {
      isClosed = true;
    },
    hold() {
      held = [];
    },
    release() {
      const waiting = held ?? [];
      held = undefined;
      for (const resolve of waiting) resolve();
    },
    failWith(error) {
      failure = error;
    },
    maxInFlight: () => maxInFlight,
    isClosed: () => isClosed,
  };
}
