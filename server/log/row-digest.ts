/**
 * A running sum over the rows on disk: their number and the exclusive or of their checksums. It is stored with every
 * batch and computed again at the start, so a row that LevelDB lost, kept in an old version or brought back is noticed,
 * which the checksum of the single row cannot do. Costs one map entry per row; the keys are the rows' own.
 */
export interface RowDigest {
  put(table: string, key: string, checksum: number): void;
  remove(table: string, key: string): void;
  count(): number;
  value(): number;
}

export function createRowDigest(): RowDigest {
  const tables = new Map<string, Map<string, number>>();
  let count = 0;
  let digest = 0;
  return {
    put(table, key, checksum) {
      let checksums = tables.get(table);
      if (checksums === undefined) {
        checksums = new Map();
        tables.set(table, checksums);
      }
      const previous = checksums.get(key);
      if (previous === undefined) count++;
      // What is not there counts as zero, which exclusive or leaves as it is.
      digest = (digest ^ (previous ?? 0) ^ checksum) >>> 0;
      checksums.set(key, checksum);
    },
    remove(table, key) {
      const checksums = tables.get(table);
      const previous = checksums?.get(key);
      if (checksums === undefined || previous === undefined) return;
      checksums.delete(key);
      count--;
      digest = (digest ^ previous) >>> 0;
    },
    count: () => count,
    value: () => digest,
  };
}
