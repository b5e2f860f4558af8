import type { Entry, HardState, LogIndex, NodeId, Term } from "../../../server/raft/core/types.ts";
import type { StoreBatch } from "../../../server/raft/replica/replica-api.ts";
import type { DiskImage } from "../disk-image.ts";
import { hashText } from "../random.ts";

export interface SeenEntry {
  readonly index: LogIndex;
  readonly term: Term;
  readonly hash: number;
  readonly isConfig: boolean;
}

/**
 * What one server has asked its disk to keep, as far as it got: the log as of the last batch it issued, and how much of it
 * survives a crash. It outlives the server, since what a lost server had stored still counts for what was committed.
 */
export class LogView {
  readonly id: NodeId;
  readonly slot: number;
  first: SeenEntry = { index: 0, term: 0, hash: 0, isConfig: false };
  entries: SeenEntry[] = [];
  /** As of the last batch issued. */
  hardState: HardState = { term: 0, vote: "", commit: 0 };
  appliedIndex: LogIndex = 0;
  durableLastIndex: LogIndex = 0;
  durable: HardState = { term: 0, vote: "", commit: 0 };
  /** Entries up to here were compared with what the cluster has committed. */
  comparedTo: LogIndex = 0;

  constructor(id: NodeId, slot: number) {
    this.id = id;
    this.slot = slot;
  }

  get lastIndex(): LogIndex {
    return this.entries.at(-1)?.index ?? this.first.index;
  }

  at(index: LogIndex): SeenEntry | undefined {
    return this.entries[index - this.first.index - 1];
  }

  /** Index 0 and what a snapshot covers count as known, with the term where it is. */
  holds(index: LogIndex, term: Term): boolean {
    if (index <= this.first.index) return true;
    return this.at(index)?.term === term;
  }

  holdsDurably(index: LogIndex, term: Term): boolean {
    return index <= this.durableLastIndex && this.holds(index, term);
  }

  open(image: DiskImage): void {
    this.first = { index: image.first.index, term: image.first.term, hash: 0, isConfig: false };
    this.entries = image.readEntries().map(seen);
    this.hardState = image.hardState;
    this.appliedIndex = image.appliedIndex;
    this.durableLastIndex = image.lastIndex;
    this.durable = image.hardState;
    this.comparedTo = image.first.index;
  }

  issue(batch: StoreBatch): void {
    if (batch.truncateFrom !== undefined) {
      this.entries.length = Math.max(0, Math.min(this.entries.length, batch.truncateFrom - this.first.index - 1));
      this.durableLastIndex = Math.min(this.durableLastIndex, batch.truncateFrom - 1);
    }
    for (const entry of batch.entries) this.entries.push(seen(entry));
    this.hardState = batch.hardState;
    this.appliedIndex = batch.appliedIndex;
  }

  install(snapshot: { readonly index: LogIndex; readonly term: Term }, hardState: HardState): void {
    this.first = { index: snapshot.index, term: snapshot.term, hash: 0, isConfig: false };
    this.entries = [];
    this.hardState = hardState;
    this.appliedIndex = snapshot.index;
    this.durable = hardState;
    this.durableLastIndex = snapshot.index;
    this.comparedTo = snapshot.index;
  }

  /** The batch under way is on the disk. Only one is under way at a time, so it is the last one issued. */
  stored(isSynced: boolean): void {
    if (!isSynced) return;
    this.durable = this.hardState;
    this.durableLastIndex = this.lastIndex;
  }
}

function seen(entry: Entry): SeenEntry {
  const { index, term, kind } = entry;
  return { index, term, hash: hashText(JSON.stringify(entry)), isConfig: kind === "config" };
}
