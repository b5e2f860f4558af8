/**
 * Decides how much of the applied log is kept: enough trailing entries for followers that lag or restart, all that a
 * recently active follower or a snapshot under way still needs, and never more than the cap in size, which goes before
 * everything else: a follower that is cut off gets a snapshot.
 */
import type { Entry, LogIndex } from "../core/types.ts";

/** Fewer entries than this are not worth a deletion. */
const minCompactedEntries = 64;

export interface Compaction {
  /** Follows the log: `entries` replace everything from the first one's index on. */
  noteEntries(entries: readonly Entry[]): void;
  /** The log is empty and begins behind `index`. */
  reset(index: LogIndex): void;
  /** Up to where entries may go now; `undefined` when not worth it. What it returns counts as gone. */
  next(bounds: CompactionBounds): LogIndex | undefined;
}

export interface CompactionBounds {
  readonly appliedIndex: LogIndex;
  /** The smallest index that others need entries behind of: recently active followers, snapshots under way. */
  readonly neededBehind: LogIndex;
}

export interface CompactionOptions {
  readonly trailingEntries: number;
  readonly maxLogBytes: number;
  /** The last index that is no longer kept, and everything kept behind it. */
  readonly firstIndex: LogIndex;
  readonly entries: readonly Entry[];
}

export function createCompaction(options: CompactionOptions): Compaction {
  const { trailingEntries, maxLogBytes } = options;
  let compacted = options.firstIndex;
  /** Bytes of the entries behind `compacted`, in order. */
  let sizesBytes: number[] = [];
  let logBytes = 0;

  const noteEntries = (entries: readonly Entry[]): void => {
    const first = entries[0];
    if (first === undefined) return;
    const kept = first.index - compacted - 1;
    for (let i = kept; i < sizesBytes.length; i++) logBytes -= sizesBytes[i] ?? 0;
    sizesBytes.length = kept;
    for (const entry of entries) {
      const sizeBytes = entrySizeBytes(entry);
      sizesBytes.push(sizeBytes);
      logBytes += sizeBytes;
    }
  };
  noteEntries(options.entries);

  /** How far the cap in bytes alone wants to go. */
  const overCap = (): LogIndex => {
    let index = compacted;
    for (let left = logBytes; left > maxLogBytes && index - compacted < sizesBytes.length; index++) {
      left -= sizesBytes[index - compacted] ?? 0;
    }
    return index;
  };

  return {
    noteEntries,
    reset(index) {
      compacted = index;
      sizesBytes = [];
      logBytes = 0;
    },
    next({ appliedIndex, neededBehind }) {
      const wanted = Math.min(appliedIndex - trailingEntries, neededBehind);
      const forced = logBytes > maxLogBytes ? overCap() : 0;
      const to = Math.min(appliedIndex, Math.max(wanted, forced));
      if (to < compacted + (forced > compacted ? 1 : minCompactedEntries)) return undefined;
      for (const sizeBytes of sizesBytes.splice(0, to - compacted)) logBytes -= sizeBytes;
      compacted = to;
      return to;
    },
  };
}

/** Characters stand for bytes: the bound is about memory and disk in the large. */
function entrySizeBytes(entry: Entry): number {
  const overheadBytes = 64;
  return overheadBytes + (entry.kind === "command" ? entry.data.length : 0);
}
