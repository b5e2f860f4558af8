/**
 * The order of writing. One batch is outstanding at any time; everything produced meanwhile merges into the open one,
 * which is sealed when the outstanding one is stored. What may leave only after it is durable (answers to votes and
 * appends) is held with the batch that was open when it was made. Rows and the applied index ride along: memory was
 * changed first, which is safe because their entries are durable and are applied again after a crash.
 */
import { assert } from "../../../lib/base/assert.ts";
import type {
  Entry,
  HardState,
  LogIndex,
  Membership,
  SnapshotMeta,
  StoredLog,
  StoreMark,
  Term,
} from "../core/types.ts";
import { createNewestRows, type NewestRows } from "./newest-rows.ts";
import type { Effect, Row, StoreBatch } from "./replica-api.ts";

/** Rows that wait for company at most; more are written without delay. */
const maxLazyRows = 4_096;

interface LogPosition {
  readonly index: LogIndex;
  readonly term: Term;
}

export interface Batches {
  readonly isOutstanding: boolean;
  /** Nothing outstanding, nothing to write. */
  readonly isIdle: boolean;
  readonly hardState: HardState;
  /** The newest entry that is certainly on the disk and was not asked to be cut off since. */
  readonly durableIndex: LogIndex;
  noteEntries(entries: readonly Entry[]): void;
  noteHardState(hardState: HardState): void;
  /** What was noted needs a synced write without delay. */
  requireSync(): void;
  noteApplied(index: LogIndex, rows: readonly Row[]): void;
  noteMembership(membership: Membership): void;
  noteCompacted(to: LogIndex): void;
  /**
   * Keeps `effect` until all that was noted so far is stored; false when nothing it rests on is unwritten, so that it may
   * leave at once. `restsOnRows` is for effects that need the applied rows on the disk too.
   */
  hold(effect: Effect, options?: { readonly restsOnRows: boolean }): boolean;
  /** The same for a mark of the core; the newest one of a batch stands for all. */
  holdMark(mark: StoreMark): boolean;
  /** Seals the open batch when there is something that should be written now, or anything at all if `isFlushDue`. */
  next(options: { readonly isFlushDue: boolean }): StoreBatch | undefined;
  /** Returns what the batch's storing lets go. */
  stored(batchId: number): StoredBatch;
  /** On the disk the log was dropped and the state replaced. */
  replaceBySnapshot(snapshot: SnapshotMeta): void;
}

export interface StoredBatch {
  readonly released: readonly Effect[];
  readonly mark: StoreMark | undefined;
}

interface OpenBatch {
  truncateFrom: LogIndex | undefined;
  entries: Entry[];
  rows: NewestRows;
  held: Effect[];
  mark: StoreMark | undefined;
  isChanged: boolean;
  mustSync: boolean;
}

interface SealedBatch {
  readonly batchId: number;
  readonly mustSync: boolean;
  readonly held: Effect[];
  mark: StoreMark | undefined;
  readonly lastIndex: LogIndex;
}

export function createBatches(stored: StoredLog): Batches {
  let { hardState, appliedIndex, membership } = stored;
  let compactTo = stored.first.index;
  let open = emptyBatch();
  let outstanding: SealedBatch | undefined;
  /** The log's end on the disk once the outstanding batch is stored. */
  let issued: LogPosition = stored.entries.at(-1) ?? stored.first;
  let durableIndex = issued.index;
  let nextBatchId = 1;

  const seal = (): StoreBatch => {
    const { truncateFrom, entries, mustSync } = open;
    const batchId = nextBatchId++;
    issued = entries.at(-1) ?? issued;
    outstanding = { batchId, mustSync, held: open.held, mark: open.mark, lastIndex: issued.index };
    const rows = [...open.rows];
    open = emptyBatch();
    assert(hardState.commit >= appliedIndex, "a batch never stores an applied index beyond the commit index");
    return {
      batchId,
      ...(truncateFrom === undefined ? {} : { truncateFrom }),
      entries,
      hardState,
      rows,
      appliedIndex,
      membership,
      compactTo,
      mustSync,
    };
  };

  return {
    get isOutstanding() {
      return outstanding !== undefined;
    },
    get isIdle() {
      return outstanding === undefined && !open.isChanged;
    },
    get hardState() {
      return hardState;
    },
    get durableIndex() {
      return durableIndex;
    },
    noteEntries(entries) {
      const from = entries[0]?.index;
      if (from === undefined) return;
      const firstOpen = open.entries[0]?.index ?? issued.index + 1;
      assert(from <= firstOpen + open.entries.length, "entries follow each other without a gap");
      // Cutting off what is on its way to the disk takes a truncation; what is still open is simply replaced.
      if (from <= issued.index) open.truncateFrom = Math.min(open.truncateFrom ?? from, from);
      open.entries.length = Math.max(0, from - firstOpen);
      open.entries.push(...entries);
      durableIndex = Math.min(durableIndex, from - 1);
      open.isChanged = true;
      open.mustSync = true;
    },
    noteHardState(next) {
      hardState = next;
      open.isChanged = true;
    },
    requireSync() {
      open.isChanged = true;
      open.mustSync = true;
    },
    noteApplied(index, rows) {
      appliedIndex = index;
      open.isChanged = true;
      for (const row of rows) open.rows.note(row);
    },
    noteMembership(next) {
      membership = next;
      open.isChanged = true;
      open.mustSync = true;
    },
    noteCompacted(to) {
      assert(to > compactTo && to <= appliedIndex, `entries up to ${to} cannot go after those up to ${compactTo}`);
      compactTo = to;
      open.isChanged = true;
    },
    hold(effect, { restsOnRows } = { restsOnRows: false }) {
      if (open.mustSync || (restsOnRows && open.isChanged)) {
        open.mustSync = true;
        open.held.push(effect);
        return true;
      }
      if (outstanding === undefined || !(outstanding.mustSync || restsOnRows)) return false;
      outstanding.held.push(effect);
      return true;
    },
    holdMark(mark) {
      if (open.mustSync) open.mark = mark;
      else if (outstanding?.mustSync === true) outstanding.mark = mark;
      else return false;
      return true;
    },
    next({ isFlushDue }) {
      const isUrgent = open.mustSync || open.rows.size > maxLazyRows;
      if (outstanding !== undefined || !(isUrgent || (isFlushDue && open.isChanged))) return undefined;
      return seal();
    },
    stored(batchId) {
      assert(outstanding?.batchId === batchId, `batch ${batchId} was reported stored but is not outstanding`);
      const { held: released, mark, lastIndex } = outstanding;
      outstanding = undefined;
      durableIndex = Math.min(lastIndex, (open.truncateFrom ?? Number.POSITIVE_INFINITY) - 1);
      return { released, mark };
    },
    replaceBySnapshot(snapshot) {
      assert(outstanding === undefined, "a snapshot is installed with no batch outstanding");
      assert(open.entries.length === 0, "no entries are taken while a snapshot is installed");
      open.rows = createNewestRows();
      issued = { index: snapshot.index, term: snapshot.term };
      durableIndex = snapshot.index;
      appliedIndex = snapshot.index;
      compactTo = snapshot.index;
      membership = snapshot.membership;
      hardState = { ...hardState, commit: Math.max(hardState.commit, snapshot.index) };
    },
  };
}

function emptyBatch(): OpenBatch {
  return {
    truncateFrom: undefined,
    entries: [],
    rows: createNewestRows(),
    held: [],
    mark: undefined,
    isChanged: false,
    mustSync: false,
  };
}
