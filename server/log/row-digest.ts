/**
 * A running sum over the rows on disk: their number and the exclusive or of their checksums. It is stored with every
 * batch and computed again at the start, so a row that LevelDB lost, kept in an old version or brought back is noticed,
 * which the checksum of the single row cannot do. Costs one map entry per row.
 */
export interface RowDigest {
  put(key: string, checksum: number): void;
  remove(key: string): void;
  count(): number;
  value(): number;
}

export function createRowDigest(): RowDigest {
  const checksums = new Map<string, number>();
  let digest = 0;
  const drop = (key: string): void => {
    const previous = checksums.get(key);
    if (previous === undefined) return;
    checksums.delete(key);
    digest = (digest ^ previous) >>> 0;
  };
  return {
    put(key, checksum) {
      // What is not there counts as zero, which exclusive or leaves as it is.
      digest = (digest ^ (checksums.get(key) ?? 0) ^ checksum) >>> 0;
      checksums.set(key, checksum);
    },
    remove: drop,
    count: () => checksums.size,
    value: () => digest,
  };
}
