/**
 * Records in the order of their keys, for reads below a prefix: chunks of a few hundred keys, so that an insertion moves few
 * of them and a prefix is found by two binary searches. Each chunk knows the highest index in it, so that the index of a
 * prefix costs a look at the chunks and not at the records. Order is that of code units.
 */
export interface SortedRecords<T> {
  get(key: string): T | undefined;
  readonly size: number;
  set(key: string, record: T): void;
  delete(key: string): void;
  deleteUnder(prefix: string): void;
  /** Those whose keys begin with `prefix`, in order. */
  under(prefix: string): T[];
  /** Keys below `prefix`; those that go on after a `separator` are one entry that ends with it. Whole groups are passed over. */
  keysUnder(prefix: string, separator: string): string[];
  /** The highest index below `prefix`; 0 when nothing is there. */
  highestUnder(prefix: string): number;
  hasUnder(prefix: string): boolean;
  all(): Iterable<T>;
}

interface Chunk<T> {
  readonly keys: string[];
  readonly records: T[];
  highest: number;
}

interface Place {
  chunk: number;
  at: number;
}

const maxChunkKeys = 512;

export function createSortedRecords<T>(indexOf: (record: T) => number): SortedRecords<T> {
  const byKey = new Map<string, T>();
  const chunks: Chunk<T>[] = [];

  /** The chunk that has the first key for which `isBehind` holds, or the last chunk: keys before it do not have it. */
  const findChunk = (isBehind: (key: string) => boolean): number => {
    let low = 0;
    let high = chunks.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (isBehind(chunks[middle]?.keys.at(-1) ?? "")) high = middle;
      else low = middle + 1;
    }
    return low;
  };
  /** The first place whose key is behind; `isBehind` is false for all keys up to some point and true from there on. */
  const find = (isBehind: (key: string) => boolean): Place => {
    const chunk = findChunk(isBehind);
    const keys = chunks[chunk]?.keys ?? [];
    let low = 0;
    let high = keys.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (isBehind(keys[middle] ?? "")) high = middle;
      else low = middle + 1;
    }
    return { chunk, at: low };
  };
  const startOf = (prefix: string): Place => find((key) => key >= prefix);
  const endOf = (prefix: string): Place => find((key) => key > prefix && !key.startsWith(prefix));
  const highestOf = ({ records }: Chunk<T>, from: number, before: number): number => {
    let highest = 0;
    for (let at = from; at < before; at++) {
      const record = records[at];
      if (record !== undefined) highest = Math.max(highest, indexOf(record));
    }
    return highest;
  };
  const split = (chunk: Chunk<T>, number: number): void => {
    const half = chunk.keys.length >> 1;
    const next = { keys: chunk.keys.splice(half), records: chunk.records.splice(half), highest: 0 };
    next.highest = highestOf(next, 0, next.keys.length);
    chunk.highest = highestOf(chunk, 0, chunk.keys.length);
    chunks.splice(number + 1, 0, next);
  };
  const forEachUnder = (prefix: string, visit: (chunk: Chunk<T>, from: number, before: number) => void): void => {
    const start = startOf(prefix);
    const end = endOf(prefix);
    for (let number = start.chunk; number <= end.chunk; number++) {
      const chunk = chunks[number];
      if (chunk === undefined) return;
      const from = number === start.chunk ? start.at : 0;
      const before = number === end.chunk ? end.at : chunk.keys.length;
      if (from < before) visit(chunk, from, before);
    }
  };
  const keyAt = (place: Place): string | undefined => {
    const keys = chunks[place.chunk]?.keys;
    if (keys === undefined || place.at < keys.length) return keys?.[place.at];
    return chunks[place.chunk + 1]?.keys[0];
  };

  return {
    get: (key) => byKey.get(key),
    get size() {
      return byKey.size;
    },
    set(key, record) {
      const isKnown = byKey.has(key);
      byKey.set(key, record);
      const { chunk: number, at } = startOf(key);
      let chunk = chunks[number];
      if (chunk === undefined) {
        chunk = { keys: [], records: [], highest: 0 };
        chunks.push(chunk);
      }
      if (isKnown) {
        chunk.records[at] = record;
      } else {
        chunk.keys.splice(at, 0, key);
        chunk.records.splice(at, 0, record);
      }
      // A record may also be put back to an older one.
      if (indexOf(record) >= chunk.highest) chunk.highest = indexOf(record);
      else if (isKnown) chunk.highest = highestOf(chunk, 0, chunk.keys.length);
      if (chunk.keys.length > maxChunkKeys) split(chunk, number);
    },
    delete(key) {
      const record = byKey.get(key);
      if (record === undefined) return;
      byKey.delete(key);
      const { chunk: number, at } = startOf(key);
      const chunk = chunks[number];
      if (chunk === undefined) return;
      chunk.keys.splice(at, 1);
      chunk.records.splice(at, 1);
      if (chunk.keys.length === 0) chunks.splice(number, 1);
      else if (indexOf(record) === chunk.highest) chunk.highest = highestOf(chunk, 0, chunk.keys.length);
    },
    deleteUnder(prefix) {
      forEachUnder(prefix, (chunk, from, before) => {
        for (const key of chunk.keys.splice(from, before - from)) byKey.delete(key);
        chunk.records.splice(from, before - from);
        chunk.highest = highestOf(chunk, 0, chunk.keys.length);
      });
      const kept = chunks.filter(({ keys }) => keys.length > 0);
      if (kept.length < chunks.length) chunks.splice(0, chunks.length, ...kept);
    },
    under(prefix) {
      const found: T[] = [];
      forEachUnder(prefix, ({ records }, from, before) => {
        for (const record of records.slice(from, before)) found.push(record);
      });
      return found;
    },
    keysUnder(prefix, separator) {
      const found: string[] = [];
      if (separator === "") {
        forEachUnder(prefix, ({ keys }, from, before) => {
          for (const key of keys.slice(from, before)) found.push(key);
        });
        return found;
      }
      const place = startOf(prefix);
      for (let key = keyAt(place); key?.startsWith(prefix) === true; key = keyAt(place)) {
        const separatorAt = key.indexOf(separator, prefix.length);
        if (separatorAt === -1) {
          found.push(key);
          const isLastOfChunk = place.at >= (chunks[place.chunk]?.keys.length ?? 0);
          Object.assign(place, isLastOfChunk ? { chunk: place.chunk + 1, at: 1 } : { at: place.at + 1 });
        } else {
          const group = key.slice(0, separatorAt + separator.length);
          found.push(group);
          Object.assign(place, endOf(group));
        }
      }
      return found;
    },
    highestUnder(prefix) {
      let highest = 0;
      forEachUnder(prefix, (chunk, from, before) => {
        const isWhole = from === 0 && before === chunk.keys.length;
        highest = Math.max(highest, isWhole ? chunk.highest : highestOf(chunk, from, before));
      });
      return highest;
    },
    hasUnder: (prefix) => keyAt(startOf(prefix))?.startsWith(prefix) === true,
    *all() {
      for (const { records } of chunks) yield* records;
    },
  };
}
