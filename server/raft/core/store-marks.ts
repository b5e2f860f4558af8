import type { HardState, LogIndex, StoreMark, Term } from "./types.ts";

interface IssuedMark extends StoreMark {
  readonly hardState: Pick<HardState, "term" | "vote">;
  /** Up to here the entries of this write are still those of the log; falls when a conflict replaces some of them. */
  durableIndex: LogIndex;
}

/** What became durable. */
export interface Settled {
  readonly index: LogIndex;
  readonly hardState: Pick<HardState, "term" | "vote">;
}

/**
 * The writes that were asked for and not reported yet. A report "(index, term) is on disk" is ambiguous: an entry can be
 * asked for, be replaced by another leader's and come back with the next leader's append, while the first write is reported
 * (etcd's "append ABA race", rule 17). Here every write remembers how much of it the log still holds, so that a report never
 * vouches for bytes that a later write is about to put there.
 */
export class StoreMarks {
  #issued: IssuedMark[] = [];
  #sequence = 0;

  /** The mark of the latest write; of one that needs nothing of its own, too. */
  latest(last: { readonly index: LogIndex; readonly term: Term }): StoreMark {
    return { index: last.index, term: last.term, sequence: this.#sequence };
  }

  issue(last: { readonly index: LogIndex; readonly term: Term }, hardState: IssuedMark["hardState"]): StoreMark {
    this.#sequence += 1;
    const mark = { index: last.index, term: last.term, sequence: this.#sequence };
    this.#issued.push({ ...mark, hardState: { ...hardState }, durableIndex: last.index });
    return mark;
  }

  /** The log no longer holds what was asked for behind `index`. */
  cutBehind(index: LogIndex): void {
    for (const mark of this.#issued) mark.durableIndex = Math.min(mark.durableIndex, index);
  }

  /**
   * Takes the reported write and all before it off the list. Without a sequence the oldest write that ended with this entry
   * is meant: too little is believed then, never too much.
   */
  settle(reported: Omit<StoreMark, "sequence"> & { readonly sequence?: number }): Settled | undefined {
    const { index, term, sequence } = reported;
    const isReported = (mark: IssuedMark): boolean =>
      sequence === undefined ? mark.index === index && mark.term === term : mark.sequence === sequence;
    const position = this.#issued.findIndex(isReported);
    const found = this.#issued[position];
    if (found === undefined) return undefined;
    const settled = this.#issued.splice(0, position + 1);
    return { index: Math.max(...settled.map((mark) => mark.durableIndex)), hardState: found.hardState };
  }
}
