import type { Read } from "./reader.ts";
import type { Tables } from "./tables.ts";

/**
 * Remembers reads until something that they watch changes. Thousands of watchers of one service then share one value
 * (the same object, so that whoever serialises it can remember that too). A read is current exactly as long as the index
 * of its watch keys stands still.
 */
export interface ReadCache {
  read<T>(slot: ReadSlot<T>, name: string, watch: readonly string[], compute: () => T): Read<T>;
  /** For a value that tells what it depends on only when it is computed: each key that decides which others it reads is among them. */
  follow<T>(slot: ReadSlot<T>, name: string, compute: () => Pick<Read<T>, "value" | "watch">): Read<T>;
}

/** The remembered reads of one query, by the name asked for. */
export interface ReadSlot<T> {
  readonly reads: Map<string, Read<T>>;
}

/** Names remembered per query; past it the slot starts over. */
const maxNamesPerSlot = 4096;

export function createReadSlot<T>(): ReadSlot<T> {
  return { reads: new Map() };
}

export function createReadCache(tables: Pick<Tables, "indexes">): ReadCache {
  const keep = <T>(slot: ReadSlot<T>, name: string, fresh: Read<T>): Read<T> => {
    if (slot.reads.size >= maxNamesPerSlot) slot.reads.clear();
    slot.reads.set(name, fresh);
    return fresh;
  };
  return {
    read(slot, name, watch, compute) {
      const index = tables.indexes.latest(watch);
      const known = slot.reads.get(name);
      return known?.index === index ? known : keep(slot, name, { index, value: compute(), watch });
    },
    follow(slot, name, compute) {
      const known = slot.reads.get(name);
      if (known !== undefined && tables.indexes.latest(known.watch) === known.index) return known;
      const { value, watch } = compute();
      return keep(slot, name, { index: tables.indexes.latest(watch), value, watch });
    },
  };
}
