/**
 * One server's disk: identity, hard state, log, rows and staged snapshots in one LevelDB database, one atomic batch per
 * store effect of the replica, at most one in flight. A write that fails ends the server: after a failed sync nobody
 * knows what is on the disk.
 */
import { join } from "node:path";
import { assert, mustGet } from "../../../lib/base/assert.ts";
import type { RangedStore, StoreOperation } from "../../log/durable-store.ts";
import type { RowDigest } from "../../log/row-digest.ts";
import { sealJson } from "../../log/sealed-value.ts";
import type { HardState, LogIndex, SnapshotMeta, StoredLog } from "../core/types.ts";
import type { Row, StoreBatch } from "../replica/replica-api.ts";
import { type Bounds, boundsKey, entryKey, generationPrefix, type Identity } from "./disk-layout.ts";
import { encodeRuns } from "./entry-codec.ts";
import { type LogPlaces, createLogPlaces } from "./log-places.ts";
import { createLogRuns } from "./log-runs.ts";
import { type ExpectedIdentity, type RecoveredLog, recoverLog } from "./recover-log.ts";
import { sealRow } from "./row-seal.ts";
import { openSnapshotReader, type SnapshotReader } from "./snapshot-reader.ts";
import { readStagedRows, type SnapshotStage, startStage } from "./snapshot-stage.ts";
import { format2, upgradeFormat2 } from "./upgrade-format-2.ts";
import { type Ballot, openVoteFile, type VoteFile } from "./vote-file.ts";

export interface LevelLog {
  readonly identity: Identity;
  /** What the replica starts from. */
  readonly stored: StoredLog;
  /** Of the state at the start. */
  readonly rowCount: number;
  /** Whether the state has rows of a table at the start. */
  hasRows(table: string): boolean;
  /** The rows of the state at the applied index; the first call gives them away, since they are as large as the state. */
  takeRows(): readonly Row[];
  /** Writes one batch; resolves when it is as durable as it asks to be. Never called while another one runs. */
  write(batch: StoreBatch): Promise<void>;
  /** The state at the applied index on disk, as of now, also while a batch is being written. The caller closes it. */
  openSnapshot(): Promise<SnapshotReader>;
  /** Begins to receive a snapshot beside the state; what an earlier attempt left is dropped. */
  stage(): Promise<SnapshotStage>;
  /** Makes the sealed stage the state, in one synced batch, with an empty log behind it; returns its rows. */
  install(install: { readonly snapshot: SnapshotMeta; readonly hardState: HardState }): Promise<readonly Row[]>;
  close(): Promise<void>;
}

export interface LevelLogOptions {
  readonly store: RangedStore;
  /** Holds the vote file; named in error messages. */
  readonly directory: string;
  readonly expected: ExpectedIdentity;
}

/** Undefined for an empty database: see bootstrap. Rejects with `DATA_CORRUPT`, `DATA_VERSION` or `WRONG_CLUSTER`. */
export async function openLevelLog(options: LevelLogOptions): Promise<LevelLog | undefined> {
  let recovered = await recoverLog(options.store, options);
  if (recovered?.identity.formatVersion === format2) {
    await upgradeFormat2(options.store, recovered);
    recovered = await recoverLog(options.store, options);
  }
  if (recovered === undefined) return undefined;
  const path = join(options.directory, "vote");
  const voteFile = await openVoteFile({ path, nodeId: recovered.identity.nodeId });
  if (recovered.hasLeftovers) await clearOtherGenerations(options.store, recovered.bounds.generation);
  return createLevelLog({ ...options, recovered, voteFile });
}

function createLevelLog(
  parts: LevelLogOptions & { readonly recovered: RecoveredLog; readonly voteFile: VoteFile },
): LevelLog {
  const { store, recovered, voteFile, directory } = parts;
  const hardState = newestHardState(recovered.bounds.hardState, voteFile.found);
  const places: LogPlaces = createLogPlaces(recovered.bounds.first, recovered.places);
  const runs = createLogRuns(recovered.runs);
  let digest: RowDigest = recovered.digest;
  let bounds: Bounds = recovered.bounds;
  let ballot: Ballot | undefined = voteFile.found;
  const tables = new Set(recovered.rows.map((row) => row.table));
  let rows: readonly Row[] = recovered.rows;
  let isWriting = false;
  let stage: SnapshotStage | undefined;

  const exclusively = async <T>(work: () => Promise<T>): Promise<T> => {
    assert(!isWriting, "one batch is in flight at any time");
    isWriting = true;
    const result = await work();
    // Only after success: a store that failed once takes nothing more.
    isWriting = false;
    return result;
  };
  const saveBallot = async ({ term, vote }: HardState): Promise<void> => {
    if (ballot?.term === term && ballot.vote === vote) return;
    await voteFile.write({ term, vote });
    ballot = { term, vote };
  };
  const logOperations = (batch: StoreBatch): StoreOperation[] => {
    const operations: StoreOperation[] = [];
    const cutFrom = batch.truncateFrom ?? batch.entries[0]?.index;
    if (cutFrom !== undefined && cutFrom <= places.last().index) {
      operations.push(...runs.truncate(cutFrom).map(deleteRun));
      places.truncate(cutFrom);
    }
    for (const run of encodeRuns(batch.entries, places.last().crc)) {
      const first = places.last().index + 1;
      for (const place of run.places) {
        assert(place.index === places.last().index + 1, `entry ${place.index} would leave a gap in the log`);
        places.append(place);
      }
      operations.push({ type: "put", key: entryKey(first), value: run.bytes });
      runs.append({ first, last: places.last().index });
    }
    if (batch.compactTo > places.first().index) {
      operations.push(...runs.compact(batch.compactTo).map(deleteRun));
      places.compact(batch.compactTo);
    }
    return operations;
  };
  const rowOperations = (changed: readonly Row[]): StoreOperation[] => {
    const prefix = generationPrefix(bounds.generation);
    return changed.map((row): StoreOperation => {
      const key = `${prefix}${row.table}/${row.key}`;
      if (row.value === undefined) {
        digest.remove(row.table, row.key);
        return { type: "del", key };
      }
      const { bytes, checksum } = sealRow(row);
      digest.put(row.table, row.key, checksum);
      return { type: "put", key, value: bytes };
    });
  };

  return {
    identity: recovered.identity,
    stored: {
      hardState,
      first: { index: recovered.bounds.first.index, term: recovered.bounds.first.term },
      entries: recovered.entries,
      appliedIndex: recovered.bounds.appliedIndex,
      membership: recovered.bounds.membership,
    },
    rowCount: recovered.bounds.rowCount,
    hasRows: (table) => tables.has(table),
    takeRows() {
      const taken = rows;
      rows = [];
      return taken;
    },
    write: (batch) =>
      exclusively(async () => {
        const operations = [...logOperations(batch), ...rowOperations(batch.rows)];
        bounds = {
          hardState: batch.hardState,
          first: places.first(),
          last: places.last(),
          appliedIndex: batch.appliedIndex,
          appliedTerm: places.termAt(batch.appliedIndex),
          membership: batch.membership,
          generation: bounds.generation,
          rowCount: digest.count(),
          rowDigest: digest.value(),
        };
        operations.push(putBounds(bounds));
        // The ballot first: the copy may be ahead of the database, never behind it.
        await saveBallot(batch.hardState);
        if (batch.mustSync) await store.write(operations);
        else await store.writeUnsynced(operations);
      }),
    openSnapshot: () => openSnapshotReader({ view: store.view(), directory }),
    async stage() {
      await clearOtherGenerations(store, bounds.generation);
      stage = startStage({ store, generation: bounds.generation + 1 });
      return stage;
    },
    install: ({ snapshot, hardState: installed }) =>
      exclusively(async () => {
        const staged = mustGet(stage?.sealed(), "a snapshot is installed after it was staged whole");
        stage = undefined;
        assert(staged.meta.index === snapshot.index, "the snapshot that is installed is the one that was staged");
        const installedRows = await readStagedRows({ store, staged, directory });
        const operations = runs.clear().map(deleteRun);
        places.reset({ index: snapshot.index, term: snapshot.term, crc: 0 });
        const replaced = bounds.generation;
        digest = staged.digest;
        bounds = {
          hardState: installed,
          first: places.first(),
          last: places.last(),
          appliedIndex: snapshot.index,
          appliedTerm: snapshot.term,
          membership: snapshot.membership,
          generation: staged.generation,
          rowCount: digest.count(),
          rowDigest: digest.value(),
        };
        await saveBallot(installed);
        await store.write([...operations, putBounds(bounds)]);
        await store.clear(rangeOf(replaced));
        return installedRows;
      }),
    async close() {
      await store.close();
      await voteFile.close();
    },
  };
}

function deleteRun(first: LogIndex): StoreOperation {
  return { type: "del", key: entryKey(first) };
}

/** The copy wins when it is newer, and when it has a vote that the database lost within the same term. */
function newestHardState(stored: HardState, found: Ballot | undefined): HardState {
  if (found === undefined || found.term < stored.term) return stored;
  if (found.term === stored.term && stored.vote !== "") return stored;
  return { ...stored, term: found.term, vote: found.vote };
}

async function clearOtherGenerations(store: RangedStore, kept: number): Promise<void> {
  await store.clear({ from: generationPrefix(0), before: generationPrefix(kept) });
  await store.clear({ from: generationPrefix(kept + 1), before: "state0" });
}

function rangeOf(generation: number): { readonly from: string; readonly before: string } {
  return { from: generationPrefix(generation), before: generationPrefix(generation + 1) };
}

function putBounds(bounds: Bounds): StoreOperation {
  return { type: "put", key: boundsKey, value: sealJson(boundsKey, JSON.stringify(bounds)).bytes };
}
