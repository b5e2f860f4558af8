import { assert, mustGet } from "../../../lib/base/assert.ts";
import { entryBytes } from "./entry-size.ts";
import { StoreMarks } from "./store-marks.ts";
import type { Entry, LogIndex, StoredLog, Term } from "./types.ts";

/**
 * The kept log, whole in memory, with the offsets that divide it:
 *
 *     first < ... applied <= applying <= commit            (what it means)
 *     first < ... stored  <= handedOut <= last             (where it is)
 *
 * Entries behind `handedOut` have not been given to the disk, entries behind `stored` are not known to be durable. `applying`
 * never passes `stored`: what a crash could take back is not applied (rule 18, etcd #14370: a single voter acknowledged a
 * write in the very step that asked to store it).
 */
export class RaftLog {
  readonly marks = new StoreMarks();
  #first: { readonly index: LogIndex; readonly term: Term };
  #entries: Entry[];
  #stored: LogIndex;
  #handedOut: LogIndex;
  #commit: LogIndex;
  #applied: LogIndex;
  #applying: LogIndex;

  constructor({ first, entries, hardState, appliedIndex }: StoredLog) {
    this.#first = first;
    this.#entries = [...entries];
    this.#entries.forEach((entry, position) => {
      assert(entry.index === first.index + 1 + position, `the stored log has a gap before entry ${entry.index}`);
    });
    this.#stored = this.lastIndex;
    this.#handedOut = this.lastIndex;
    this.#commit = Math.max(hardState.commit, appliedIndex);
    this.#applied = appliedIndex;
    this.#applying = appliedIndex;
    assert(
      appliedIndex >= first.index,
      `applied index ${appliedIndex} lies before the log, which begins at ${first.index}`,
    );
    assert(
      this.#commit <= this.lastIndex,
      `entry ${this.#commit} was committed, the stored log ends at ${this.lastIndex}`,
    );
  }

  /** Index of the oldest kept entry, or of the one that would be it. */
  get firstIndex(): LogIndex {
    return this.#first.index + 1;
  }
  get lastIndex(): LogIndex {
    return this.#first.index + this.#entries.length;
  }
  get lastTerm(): Term {
    return this.#entries.at(-1)?.term ?? this.#first.term;
  }
  get stored(): LogIndex {
    return this.#stored;
  }
  get commit(): LogIndex {
    return this.#commit;
  }
  get applied(): LogIndex {
    return this.#applied;
  }
  get hasUnstored(): boolean {
    return this.#handedOut < this.lastIndex;
  }
  get hasApplicable(): boolean {
    return this.#applying === this.#applied && Math.min(this.#commit, this.#stored) > this.#applied;
  }

  /** Known for the kept entries and for the one before them, which every append check needs. */
  termAt(index: LogIndex): Term | undefined {
    return index === this.#first.index ? this.#first.term : this.entryAt(index)?.term;
  }

  entryAt(index: LogIndex): Entry | undefined {
    return this.#entries[index - this.firstIndex];
  }

  /** From `from` on, at least one, no more than `maxBytes` beyond the first and none behind `to`. */
  slice({ from, to, maxBytes }: { from: LogIndex; to: LogIndex; maxBytes: number }): readonly Entry[] {
    assert(from >= this.firstIndex, `entry ${from} is no longer kept, the log begins at ${this.firstIndex}`);
    let end = from;
    for (let bytes = 0; end <= Math.min(to, this.lastIndex); end++) {
      bytes += entryBytes(mustGet(this.entryAt(end), "an entry of the log"));
      if (bytes > maxBytes && end > from) break;
    }
    return this.#entries.slice(from - this.firstIndex, end - this.firstIndex);
  }

  /** Of two logs the one with the later last term, then the longer one, is more up to date (thesis 3.6.1). */
  isUpToDate(last: { readonly lastIndex: LogIndex; readonly lastTerm: Term }): boolean {
    return last.lastTerm > this.lastTerm || (last.lastTerm === this.lastTerm && last.lastIndex >= this.lastIndex);
  }

  /** A leader's own entries: it never overwrites any (Leader Append-Only). */
  append(entry: Entry): void {
    assert(entry.index === this.lastIndex + 1, `entry ${entry.index} does not follow ${this.lastIndex}`);
    this.#entries.push(entry);
  }

  /**
   * A follower's: keeps what agrees and cuts off from the first conflict on, never more. A delayed append that holds only
   * a prefix of what is there must not shorten the log, since the rest may have been acknowledged already.
   */
  merge(entries: readonly Entry[]): void {
    const firstNew = entries.findIndex((entry) => this.termAt(entry.index) !== entry.term);
    const conflict = entries[firstNew];
    if (conflict === undefined) return;
    assert(
      conflict.index > this.#commit,
      `entry ${conflict.index} conflicts with a committed one (commit ${this.#commit})`,
    );
    this.#cutBehind(conflict.index - 1);
    for (const entry of entries.slice(firstNew)) this.append(entry);
  }

  commitTo(index: LogIndex): void {
    if (index <= this.#commit) return;
    assert(
      index <= this.lastIndex,
      `entry ${index} is committed, the log ends at ${this.lastIndex}: a part of it was lost`,
    );
    this.#commit = index;
  }

  /** What the disk has not been asked for yet; it counts as asked for from now on. */
  takeUnstored(): readonly Entry[] {
    const entries = this.#entries.slice(this.#handedOut - this.#first.index);
    this.#handedOut = this.lastIndex;
    return entries;
  }

  storedTo(index: LogIndex): void {
    assert(index <= this.#handedOut, `entry ${index} cannot be stored: only ${this.#handedOut} was asked for`);
    this.#stored = Math.max(this.#stored, index);
  }

  /** Committed and stored entries, a page at a time: the next page only after the last was reported as applied. */
  takeApplicable(maxBytes: number): readonly Entry[] {
    if (!this.hasApplicable) return [];
    const page = this.slice({ from: this.#applied + 1, to: Math.min(this.#commit, this.#stored), maxBytes });
    this.#applying += page.length;
    return page;
  }

  appliedTo(index: LogIndex): void {
    assert(index >= this.#applied && index <= this.#applying, `entry ${index} was not handed out for applying`);
    this.#applied = index;
  }

  /** Whether a committed configuration change waits to be applied: then this server does not know who may vote (rule 9). */
  hasUnappliedConfig(): boolean {
    for (let index = this.#applied + 1; index <= this.#commit; index++) {
      if (this.entryAt(index)?.kind === "config") return true;
    }
    return false;
  }

  compact(index: LogIndex): void {
    if (index <= this.#first.index) return;
    assert(index <= this.#applied, `entry ${index} is not applied yet and has to be kept`);
    const term = mustGet(this.termAt(index), "the term of a kept entry");
    this.#entries = this.#entries.slice(index - this.#first.index);
    this.#first = { index, term };
  }

  /** Begins anew behind a snapshot; a tail that agrees with it is kept and given to the disk again. */
  restore(snapshot: { readonly index: LogIndex; readonly term: Term }): void {
    const isPrefix = this.termAt(snapshot.index) === snapshot.term;
    this.#entries = isPrefix ? this.#entries.slice(snapshot.index - this.#first.index) : [];
    this.#first = { index: snapshot.index, term: snapshot.term };
    this.#stored = snapshot.index;
    this.#handedOut = snapshot.index;
    this.#commit = Math.max(snapshot.index, isPrefix ? this.#commit : 0);
    this.#applied = snapshot.index;
    this.#applying = snapshot.index;
    this.marks.cutBehind(0);
  }

  /**
   * The last index up to `index` whose term is at most `term`; both sides of a rejected append use it to skip a whole term
   * per message instead of one entry (rule 19). A term that is no longer kept counts as small enough.
   */
  lastIndexWithTermAtMost(index: LogIndex, term: Term): LogIndex {
    let candidate = Math.min(index, this.lastIndex);
    while ((this.termAt(candidate) ?? 0) > term) candidate -= 1;
    return candidate;
  }

  #cutBehind(index: LogIndex): void {
    this.#entries.length = Math.max(0, index - this.#first.index);
    this.#stored = Math.min(this.#stored, index);
    this.#handedOut = Math.min(this.#handedOut, index);
    this.marks.cutBehind(index);
  }
}
