import { describe, expect, test } from "bun:test";
import { RaftLog } from "../../../../server/raft/core/log.ts";
import type { Entry, StoredLog } from "../../../../server/raft/core/types.ts";
import { freshLog, members } from "./test-cluster.ts";

function command(index: number, term: number): Entry {
  return { index, term, kind: "command", data: `${index}/${term}` };
}

/** A log of these terms, everything stored. */
function logOf(terms: readonly number[], options: Partial<StoredLog> & { commit?: number } = {}): RaftLog {
  const { commit = 0, ...rest } = options;
  const entries = terms.map((term, i) => command((options.first?.index ?? 0) + i + 1, term));
  const hardState = { term: terms.at(-1) ?? 0, vote: "", commit };
  return new RaftLog({ ...freshLog(members(["a"])), entries, hardState, ...rest });
}

function terms(log: RaftLog): readonly number[] {
  return log
    .slice({ from: log.firstIndex, to: log.lastIndex, maxBytes: Number.POSITIVE_INFINITY })
    .map(({ term }) => term);
}

describe("merging a leader's entries", () => {
  const cases: readonly { name: string; entries: readonly Entry[]; expected: readonly number[]; stored: number }[] = [
    { name: "appends what is new", entries: [command(4, 3)], expected: [1, 1, 2, 3], stored: 3 },
    { name: "keeps what agrees", entries: [command(2, 1), command(3, 2)], expected: [1, 1, 2], stored: 3 },
    { name: "keeps the tail behind an old append", entries: [command(2, 1)], expected: [1, 1, 2], stored: 3 },
    { name: "cuts from the conflict on", entries: [command(2, 1), command(3, 3)], expected: [1, 1, 3], stored: 2 },
    { name: "cuts more than it gets", entries: [command(2, 3)], expected: [1, 3], stored: 1 },
    { name: "takes nothing from nothing", entries: [], expected: [1, 1, 2], stored: 3 },
  ];
  test.each(cases)("$name", ({ entries, expected, stored }) => {
    const log = logOf([1, 1, 2]);
    log.merge(entries);
    expect(terms(log)).toEqual([...expected]);
    expect(log.stored).toBe(stored);
  });

  test("hands what was cut and written anew to the disk from the conflict on", () => {
    const log = logOf([1, 1, 2]);
    log.merge([command(2, 1), command(3, 3), command(4, 3)]);
    expect(log.takeUnstored().map(({ index }) => index)).toEqual([3, 4]);
    expect(log.takeUnstored()).toEqual([]);
  });

  test("a conflict with a committed entry ends everything", () => {
    const log = logOf([1, 1, 2], { commit: 2 });
    expect(() => log.merge([command(2, 3)])).toThrow("conflicts with a committed one");
  });
});

describe("which log is more up to date", () => {
  test.each([
    { lastIndex: 3, lastTerm: 2, isUpToDate: true },
    { lastIndex: 4, lastTerm: 2, isUpToDate: true },
    { lastIndex: 2, lastTerm: 2, isUpToDate: false },
    { lastIndex: 1, lastTerm: 3, isUpToDate: true },
    // The index alone decides nothing: skiff granted votes on it.
    { lastIndex: 99, lastTerm: 1, isUpToDate: false },
  ])("$lastIndex/$lastTerm against 3/2", ({ isUpToDate, ...last }) => {
    expect(logOf([1, 1, 2]).isUpToDate(last)).toBe(isUpToDate);
  });
});

describe("what may be applied", () => {
  test("is committed and stored", () => {
    const log = logOf([1, 1]);
    log.append(command(3, 1));
    log.commitTo(3);
    expect(log.takeApplicable(1_000).map(({ index }) => index)).toEqual([1, 2]);
    log.appliedTo(2);
    expect(log.hasApplicable).toBe(false);
    log.takeUnstored();
    log.storedTo(3);
    expect(log.takeApplicable(1_000).map(({ index }) => index)).toEqual([3]);
  });

  test("comes in pages, the next one when the last is applied", () => {
    const log = logOf([1, 1, 1], { commit: 3 });
    expect(log.takeApplicable(1)).toHaveLength(1);
    expect(log.takeApplicable(1)).toEqual([]);
    log.appliedTo(1);
    expect(log.takeApplicable(1).map(({ index }) => index)).toEqual([2]);
    expect(() => log.appliedTo(3)).toThrow("was not handed out");
  });
});

describe("a compacted log", () => {
  test("knows the term before its first entry and none before that", () => {
    const log = logOf([1, 1, 2], { commit: 3, appliedIndex: 3 });
    log.compact(2);
    expect([log.firstIndex, log.termAt(3), log.termAt(2), log.termAt(1)]).toEqual([3, 2, 1, undefined]);
    log.compact(1);
    expect(log.firstIndex).toBe(3);
    log.compact(3);
    expect([log.firstIndex, log.lastIndex, log.lastTerm]).toEqual([4, 3, 2]);
  });

  test("keeps what is not applied", () => {
    expect(() => logOf([1, 1], { commit: 2, appliedIndex: 1 }).compact(2)).toThrow("has to be kept");
  });

  test("does not give out what it no longer has", () => {
    const log = logOf([1, 1, 2], { commit: 3, appliedIndex: 3 });
    log.compact(2);
    expect(() => log.slice({ from: 2, to: 3, maxBytes: 1 })).toThrow("no longer kept");
  });
});

describe("a snapshot", () => {
  test("replaces a log that does not agree", () => {
    const log = logOf([1, 1, 2]);
    log.restore({ index: 9, term: 4 });
    expect([log.firstIndex, log.lastIndex, log.lastTerm, log.commit, log.applied]).toEqual([10, 9, 4, 9, 9]);
    expect(log.hasUnstored).toBe(false);
  });

  test("keeps a tail that agrees and gives it to the disk again", () => {
    const log = logOf([1, 1, 2, 2]);
    log.restore({ index: 2, term: 1 });
    expect(terms(log)).toEqual([2, 2]);
    expect(log.takeUnstored().map(({ index }) => index)).toEqual([3, 4]);
  });
});

describe("what is on disk is checked at the start", () => {
  test("gaps", () => {
    const stored = { ...freshLog(members(["a"])), entries: [command(1, 1), command(3, 1)] };
    expect(() => new RaftLog(stored)).toThrow("gap before entry 3");
  });
  test("a commit index behind the end", () => {
    expect(() => logOf([1, 1], { commit: 5 })).toThrow("entry 5 was committed");
  });
  test("an applied index before the log", () => {
    expect(() => logOf([1], { first: { index: 5, term: 1 }, appliedIndex: 3 })).toThrow("lies before the log");
  });
});

describe("reported writes", () => {
  test("settle those before them, and count what the log still holds of them", () => {
    const log = logOf([1]);
    const write = (entry: Entry) => {
      log.merge([entry]);
      log.takeUnstored();
      return log.marks.issue({ index: log.lastIndex, term: log.lastTerm }, { term: entry.term, vote: "" });
    };
    const [first, second, third] = [write(command(2, 1)), write(command(2, 2)), write(command(2, 1))];
    expect(log.marks.settle(first)?.index).toBe(1);
    expect(log.marks.settle(second)?.index).toBe(1);
    expect(log.marks.settle(third)?.index).toBe(2);
    expect(log.marks.settle(third)).toBeUndefined();
  });

  test("without a sequence the oldest that ended so is meant", () => {
    const log = logOf([]);
    const hardState = { term: 1, vote: "" };
    log.append(command(1, 1));
    log.takeUnstored();
    log.marks.issue({ index: 1, term: 1 }, hardState);
    log.marks.issue({ index: 1, term: 1 }, { term: 2, vote: "a" });
    expect(log.marks.settle({ index: 1, term: 1 })).toEqual({ index: 1, hardState });
    expect(log.marks.settle({ index: 1, term: 1 })?.hardState.vote).toBe("a");
  });
});
