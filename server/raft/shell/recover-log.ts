/**
 * Reads and verifies everything that a server finds on its disk, before anything is done with it. Nothing is ever
 * repaired: what does not add up is refused with the key and the way out (reference: Ongaro 2014, section 3.8; LevelDB was
 * seen to drop and alter rows without an error).
 */
import { AtollError } from "../../../lib/contract/error-codes.ts";
import type { DurableStore } from "../../log/durable-store.ts";
import { createRowDigest, type RowDigest } from "../../log/row-digest.ts";
import { unseal } from "../../log/sealed-value.ts";
import type { Entry, LogIndex } from "../core/types.ts";
import type { Row } from "../replica/replica-api.ts";
import {
  type Bounds,
  boundsKey,
  decodeKey,
  entryKey,
  formatVersion,
  type Identity,
  identityKey,
  type LogPlace,
  parseBounds,
  parseIdentity,
  stateKey,
} from "./disk-layout.ts";
import { decodeRecord, splitRun } from "./entry-codec.ts";
import type { LogRun } from "./log-runs.ts";
import { unsealRow } from "./row-seal.ts";
import { decodeEntryOfFormat2, format2 } from "./upgrade-format-2.ts";

/** What the configuration says about the cluster that a database must belong to. */
export interface ExpectedIdentity {
  readonly datacenter: string;
  /** Absent: any. */
  readonly clusterId?: string;
}

export interface RecoveredLog {
  readonly identity: Identity;
  readonly bounds: Bounds;
  /** From right behind `bounds.first` to `bounds.last`, with the places that the chain runs through. */
  readonly entries: readonly Entry[];
  readonly places: readonly LogPlace[];
  /** The values that hold them; of format 2, with one entry each. */
  readonly runs: readonly LogRun[];
  /** The state at `bounds.appliedIndex`. */
  readonly rows: readonly Row[];
  readonly digest: RowDigest;
  /** Rows of a replaced state or of an unfinished snapshot are there and may go. */
  readonly hasLeftovers: boolean;
}

interface RawContents {
  readonly meta: Map<string, unknown>;
  /** By the index in the key, in order. */
  readonly entries: Map<LogIndex, Uint8Array>;
  readonly rows: { readonly generation: number; readonly table: string; readonly key: string; bytes: Uint8Array }[];
}

/** Undefined for an empty database. Rejects with `DATA_CORRUPT`, `DATA_VERSION` or `WRONG_CLUSTER`. */
export async function recoverLog(
  store: DurableStore,
  options: { readonly directory: string; readonly expected: ExpectedIdentity },
): Promise<RecoveredLog | undefined> {
  const { directory } = options;
  const raw = await readAll(store, directory);
  if (raw.meta.size === 0 && raw.entries.size === 0 && raw.rows.length === 0) return undefined;
  const identity = parseIdentity(raw.meta.get(identityKey));
  if (identity === undefined) throw corrupt(directory, identityKey, "it is missing or incomplete");
  checkIdentity(identity, options);
  const bounds = parseBounds(raw.meta.get(boundsKey));
  if (bounds === undefined) throw corrupt(directory, boundsKey, "it is missing or incomplete");
  checkBounds(bounds, directory);
  const isFormat2 = identity.formatVersion === format2;
  const log = isFormat2
    ? checkChain({ bounds, directory, decode: decodeEntryOfFormat2, ...singleEntries(raw.entries) })
    : checkChain({ bounds, directory, decode: decodeRecord, ...openRuns(raw.entries, directory) });
  const state = checkRows(bounds, raw.rows, directory);
  return { identity, bounds, ...log, ...state, hasLeftovers: raw.rows.length > state.rows.length };
}

async function readAll(store: DurableStore, directory: string): Promise<RawContents> {
  const raw: RawContents = { meta: new Map(), entries: new Map(), rows: [] };
  await store.scan((key, bytes) => {
    const decoded = decodeKey(key);
    switch (decoded.kind) {
      case "entry":
        raw.entries.set(decoded.index, bytes);
        return;
      case "row":
        raw.rows.push({ generation: decoded.generation, table: decoded.table, key: decoded.key, bytes });
        return;
      case "identity":
      case "bounds": {
        const opened = unseal(key, bytes);
        if (!opened.ok) throw corrupt(directory, key, "its checksum is wrong");
        raw.meta.set(key, opened.value);
        return;
      }
      case "unknown":
        throw corrupt(directory, key, "no such key is ever written");
    }
  });
  return raw;
}

export function checkIdentity(
  identity: Pick<Identity, "formatVersion" | "clusterId" | "datacenter">,
  options: { readonly directory: string; readonly expected: ExpectedIdentity },
): void {
  const { directory, expected } = options;
  if (identity.formatVersion !== formatVersion && identity.formatVersion !== format2) {
    throw new AtollError(
      "DATA_VERSION",
      `data directory ${directory} has format version ${identity.formatVersion}, this program reads ${formatVersion}: ` +
        "run the version of Atoll that wrote it",
    );
  }
  if (identity.datacenter !== expected.datacenter) {
    throw wrongCluster(directory, "datacenter", identity.datacenter, expected.datacenter);
  }
  if (expected.clusterId !== undefined && identity.clusterId !== expected.clusterId) {
    throw wrongCluster(directory, "cluster", identity.clusterId, expected.clusterId);
  }
}

function checkBounds({ first, last, appliedIndex, hardState }: Bounds, directory: string): void {
  if (first.index <= appliedIndex && appliedIndex <= last.index && last.term <= hardState.term) return;
  throw corrupt(directory, boundsKey, "its indexes and terms contradict each other");
}

interface StoredEntry {
  readonly index: LogIndex;
  readonly key: string;
  readonly bytes: Buffer;
}

interface StoredEntries {
  /** Consecutive within a run; what a later run replaced is left out. */
  readonly stored: readonly StoredEntry[];
  readonly runs: LogRun[];
}

function singleEntries(values: ReadonlyMap<LogIndex, Uint8Array>): StoredEntries {
  const stored = [...values].map(([index, value]) => ({ index, key: entryKey(index), bytes: asBuffer(value) }));
  return { stored, runs: stored.map(({ index }) => ({ first: index, last: index })) };
}

function asBuffer(value: Uint8Array): Buffer {
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}

/** A run holds the entries from its key's index up to where the next run begins: what is behind was overwritten. */
function openRuns(values: ReadonlyMap<LogIndex, Uint8Array>, directory: string): StoredEntries {
  const stored: StoredEntry[] = [];
  const runs: LogRun[] = [];
  for (const [first, value] of values) {
    const key = entryKey(first);
    const records = splitRun(value);
    if (records === undefined) throw corrupt(directory, key, "its lengths do not add up");
    while ((stored.at(-1)?.index ?? 0) >= first) stored.pop();
    const before = runs.at(-1);
    if (before !== undefined) before.last = Math.min(before.last, first - 1);
    for (const [i, bytes] of records.entries()) stored.push({ index: first + i, key, bytes });
    runs.push({ first, last: first + records.length - 1 });
  }
  return { stored, runs };
}

/** The entries must be exactly those that the bounds promise, each continuing the chain of the one before. */
function checkChain(
  log: StoredEntries & {
    readonly bounds: Bounds;
    readonly directory: string;
    readonly decode: (index: LogIndex, bytes: Buffer, previousCrc: number) => { entry: Entry; crc: number } | undefined;
  },
): Pick<RecoveredLog, "entries" | "places" | "runs"> {
  const { bounds, directory, stored, runs } = log;
  const { first, last } = bounds;
  const entries: Entry[] = [];
  const places: LogPlace[] = [];
  let previous = first;
  let at = stored.findIndex(({ index }) => index > first.index);
  for (let index = first.index + 1; index <= last.index; index++, at++) {
    const found = stored[at];
    if (found?.index !== index) throw corrupt(directory, entryKey(index), "the entry is missing");
    const decoded = log.decode(index, found.bytes, previous.crc);
    if (decoded === undefined) throw corrupt(directory, placeOf(found), "it does not follow from the entry before it");
    if (decoded.entry.term < previous.term) throw corrupt(directory, placeOf(found), "its term goes back");
    previous = { index, term: decoded.entry.term, crc: decoded.crc };
    entries.push(decoded.entry);
    places.push(previous);
  }
  if (previous.crc !== last.crc || previous.term !== last.term) {
    throw corrupt(directory, boundsKey, `entry ${last.index} is not the one that it names as the last`);
  }
  const stray = runs.find((run) => run.first > last.index || run.last <= first.index);
  if (stray !== undefined) {
    const promised = `entries ${first.index + 1} to ${last.index}`;
    throw corrupt(directory, boundsKey, `it promises ${promised}, but ${entryKey(stray.first)} is there`);
  }
  const end = runs.at(-1);
  if (end !== undefined) end.last = Math.min(end.last, last.index);
  return { entries, places, runs };
}

/** An entry by its own name, and by that of the value in which it lies. */
function placeOf({ index, key }: StoredEntry): string {
  const own = entryKey(index);
  return own === key ? own : `${own} in ${key}`;
}

function checkRows(
  bounds: Bounds,
  stored: RawContents["rows"],
  directory: string,
): Pick<RecoveredLog, "rows" | "digest"> {
  const digest = createRowDigest();
  const rows: Row[] = [];
  for (const { generation, table, key, bytes } of stored) {
    if (generation !== bounds.generation) continue;
    const opened = unsealRow({ table, key }, bytes);
    if (opened === undefined)
      throw corrupt(directory, stateKey(generation, { table, key }), "the row's checksum is wrong");
    rows.push(opened.row);
    digest.put(table, key, opened.checksum);
  }
  if (digest.count() === bounds.rowCount && digest.value() === bounds.rowDigest) return { rows, digest };
  const found = digest.count() === bounds.rowCount ? "with other contents" : `but ${digest.count()} are there`;
  throw corrupt(directory, boundsKey, `it promises ${bounds.rowCount} rows, ${found}`);
}

export function corrupt(directory: string, key: string, problem: string): AtollError {
  return new AtollError(
    "DATA_CORRUPT",
    `data directory ${directory} is damaged at key ${JSON.stringify(key)}: ${problem}; move the directory away and ` +
      "start this server again with -join: it joins its cluster under a new id. Without other servers, restore it from a backup",
  );
}

function wrongCluster(directory: string, what: string, found: string, expected: string): AtollError {
  return new AtollError(
    "WRONG_CLUSTER",
    `data directory ${directory} belongs to ${what} "${found}", but this server is configured for "${expected}": ` +
      "point --data-dir at the right directory, or correct the configuration",
  );
}
