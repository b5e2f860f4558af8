/**
 * Reads a database of format 1 for the one who takes it over (raft/shell/migrate.ts), and for nobody else: the databases
 * that servers run on are read by raft/shell/recover-log.ts.
 */
import type { Command } from "../../lib/contract/commands.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { RowChange } from "../state/row-change.ts";
import {
  bootstrapIndex,
  type DatabaseIdentity,
  decodeKey,
  entryKey,
  formatVersion,
  identityKey,
  type Progress,
  parseIdentity,
  parseProgress,
  progressKey,
} from "./data-layout.ts";
import type { DurableStore } from "./durable-store.ts";
import { createRowDigest, type RowDigest } from "./row-digest.ts";
import { unseal } from "./sealed-value.ts";

/** What the configuration says about the cluster that a database must belong to. */
export interface ExpectedIdentity {
  readonly datacenter: string;
  /** Absent: any. */
  readonly clusterId?: string;
}

export interface Recovered {
  /** Undefined for an empty database. */
  readonly identity: DatabaseIdentity | undefined;
  readonly progress: Progress;
  /** The state at `progress.appliedIndex`. */
  readonly rows: readonly RowChange[];
  /** What came after it, in order, without gaps. */
  readonly replay: readonly { readonly index: number; readonly command: Command }[];
}

/**
 * Reads and verifies a whole database. Nothing is ever repaired: rejects with `DATA_CORRUPT`, naming the key, when a
 * checksum is wrong, an entry is missing or the rows do not add up, and with `WRONG_CLUSTER` or `DATA_VERSION` when the
 * data are sound but not ours. (LevelDB drops damaged parts of its own log without an error; a lost *tail* of acknowledged
 * entries is what a single copy cannot notice.)
 */
export async function recover(
  store: DurableStore,
  options: { readonly directory: string; readonly expected: ExpectedIdentity },
): Promise<Recovered> {
  const { directory, expected } = options;
  const rows: RowChange[] = [];
  const entries = new Map<number, unknown>();
  const digest = createRowDigest();
  const meta = new Map<string, unknown>();
  await store.scan((key, sealed) => {
    const opened = unseal(key, sealed);
    if (!opened.ok) throw corrupt(directory, key, "its checksum is wrong");
    const decoded = decodeKey(key);
    switch (decoded.kind) {
      case "entry":
        entries.set(decoded.index, opened.value);
        return;
      case "row":
        rows.push({ table: decoded.table, key: decoded.key, value: opened.value });
        digest.put("", key, opened.checksum);
        return;
      case "identity":
      case "progress":
        meta.set(key, opened.value);
        return;
      case "unknown":
        throw corrupt(directory, key, "no such key is ever written");
    }
  });
  const isEmpty = meta.size === 0 && rows.length === 0 && entries.size === 0;
  if (isEmpty) return { identity: undefined, progress: emptyProgress, rows, replay: [] };
  const identity = checkIdentity(meta.get(identityKey), directory, expected);
  const progress = parseProgress(meta.get(progressKey));
  if (progress === undefined) throw corrupt(directory, progressKey, "it is missing or incomplete");
  checkRows(progress, digest, directory);
  return { identity, progress, rows, replay: checkEntries(progress, entries, directory) };
}

export const emptyProgress: Progress = {
  appliedIndex: bootstrapIndex,
  firstIndex: bootstrapIndex + 1,
  lastIndex: bootstrapIndex,
  rowCount: 0,
  rowDigest: 0,
};

function checkIdentity(value: unknown, directory: string, expected: ExpectedIdentity): DatabaseIdentity {
  const identity = parseIdentity(value);
  if (identity === undefined) throw corrupt(directory, identityKey, "it is missing or incomplete");
  if (identity.formatVersion !== formatVersion) {
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
  return identity;
}

function checkRows(progress: Progress, digest: RowDigest, directory: string): void {
  if (digest.count() === progress.rowCount && digest.value() === progress.rowDigest) return;
  const found = digest.count() === progress.rowCount ? "with other contents" : `but ${digest.count()} are there`;
  throw corrupt(directory, progressKey, `it promises ${progress.rowCount} rows, ${found}`);
}

function checkEntries(
  progress: Progress,
  entries: ReadonlyMap<number, unknown>,
  directory: string,
): Recovered["replay"] {
  const { appliedIndex, firstIndex, lastIndex } = progress;
  if (appliedIndex > lastIndex || firstIndex > appliedIndex + 1) {
    throw corrupt(directory, progressKey, "its indexes contradict each other");
  }
  const replay: { index: number; command: Command }[] = [];
  for (let index = firstIndex; index <= lastIndex; index++) {
    const value = entries.get(index);
    if (!isCommand(value)) throw corrupt(directory, entryKey(index), "the entry is missing");
    if (index > appliedIndex) replay.push({ index, command: value });
  }
  const expectedCount = lastIndex - firstIndex + 1;
  if (entries.size !== expectedCount) {
    throw corrupt(directory, progressKey, `it promises ${expectedCount} entries, but ${entries.size} are there`);
  }
  return replay;
}

/** The decoder of entries: the checksum has been verified, so what has the shape of a command is one that we wrote. */
function isCommand(value: unknown): value is Command {
  return typeof value === "object" && value !== null && "type" in value && typeof value.type === "string";
}

function corrupt(directory: string, key: string, problem: string): AtollError {
  return new AtollError(
    "DATA_CORRUPT",
    `data directory ${directory} is damaged at key ${JSON.stringify(key)}: ${problem}; ` +
      "restore it from a backup, or move it away to start empty",
  );
}

function wrongCluster(directory: string, what: string, found: string, expected: string): AtollError {
  return new AtollError(
    "WRONG_CLUSTER",
    `data directory ${directory} belongs to ${what} "${found}", but this server is configured for "${expected}": ` +
      "point --data-dir at the right directory, or correct the configuration",
  );
}
