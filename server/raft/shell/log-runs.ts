import type { LogIndex } from "../core/types.ts";

/** One value of the log on disk: the key is that of its first entry. */
export interface LogRun {
  readonly first: LogIndex;
  /** The last of its entries that counts: what a later run or the end of the log cuts off stays in the value. */
  last: LogIndex;
}

/** Which runs hold the log, so that a cut at either end knows which keys to delete. */
export interface LogRuns {
  append(run: LogRun): void;
  /** Entries from `index` on count no more; returns the first entries of the runs that are gone. */
  truncate(index: LogIndex): readonly LogIndex[];
  /** The same for entries up to `index`; a run that reaches beyond it stays whole. */
  compact(index: LogIndex): readonly LogIndex[];
  /** All of them are gone. */
  clear(): readonly LogIndex[];
}

export function createLogRuns(found: readonly LogRun[]): LogRuns {
  let runs = [...found];
  const firstOf = (run: LogRun): LogIndex => run.first;
  return {
    append(run) {
      runs.push(run);
    },
    truncate(index) {
      const kept = runs.findLastIndex(({ first }) => first < index) + 1;
      const gone = runs.splice(kept).map(firstOf);
      const end = runs.at(-1);
      if (end !== undefined) end.last = Math.min(end.last, index - 1);
      return gone;
    },
    compact(index) {
      let count = 0;
      for (const run of runs) {
        if (run.last > index) break;
        count++;
      }
      return runs.splice(0, count).map(firstOf);
    },
    clear() {
      const gone = runs.map(firstOf);
      runs = [];
      return gone;
    },
  };
}
