import { assert } from "../../../../lib/base/assert.ts";
import type { Entry, HardState, Membership, SnapshotMeta, StoredLog } from "../../../../server/raft/core/types.ts";
import type { Row, StoreBatch } from "../../../../server/raft/replica/replica-api.ts";

/** What `store` effects have put on one server's disk; batches are checked for gaps as the real store does. */
export interface TestDisk {
  readonly stored: StoredLog;
  readonly rows: readonly Row[];
  readonly batches: readonly StoreBatch[];
  write(batch: StoreBatch): void;
  install(snapshot: SnapshotMeta, rows: readonly Row[], hardState: HardState): void;
  /** The state as a snapshot at the stored applied index. */
  snapshot(): { readonly meta: SnapshotMeta; readonly rows: readonly Row[] };
}

export function createTestDisk(membership: Membership): TestDisk {
  let log: StoredLog = {
    hardState: { term: 1, vote: "", commit: 1 },
    first: { index: 1, term: 1 },
    entries: [],
    appliedIndex: 1,
    membership,
  };
  let rows = new Map<string, Row>();
  const batches: StoreBatch[] = [];
  const keyOf = (row: Row): string => `${row.table}/${row.key}`;

  return {
    get stored() {
      return log;
    },
    get rows() {
      return [...rows.values()];
    },
    batches,
    write(batch) {
      batches.push(batch);
      const kept = log.entries.filter(({ index }) => index < (batch.truncateFrom ?? Number.POSITIVE_INFINITY));
      const entries: Entry[] = [...kept, ...batch.entries];
      entries.forEach((entry, i) => {
        assert(entry.index === log.first.index + 1 + i, `the stored log has a gap at ${entry.index}`);
      });
      const first = entries.find(({ index }) => index === batch.compactTo) ?? log.first;
      for (const row of batch.rows) {
        if (row.value === undefined) rows.delete(keyOf(row));
        else rows.set(keyOf(row), JSON.parse(JSON.stringify(row)));
      }
      const { hardState, appliedIndex, membership } = batch;
      log = {
        hardState,
        first: { index: first.index, term: first.term },
        entries: entries.filter(({ index }) => index > first.index),
        appliedIndex,
        membership,
      };
    },
    install(snapshot, staged, hardState) {
      const { index, term, membership } = snapshot;
      log = { hardState, first: { index, term }, entries: [], appliedIndex: index, membership };
      rows = new Map(staged.map((row) => [keyOf(row), row]));
    },
    snapshot() {
      const { appliedIndex: index, membership } = log;
      const term = [log.first, ...log.entries].find((entry) => entry.index === index)?.term;
      assert(term !== undefined, "the entry at the applied index is kept");
      return { meta: { index, term, membership }, rows: [...rows.values()] };
    },
  };
}
