import { describe, expect, test } from "bun:test";
import type { Effect } from "../../../../server/raft/replica/replica-api.ts";
import { type Batches, createBatches } from "../../../../server/raft/replica/batches.ts";
import { command } from "./messages.ts";
import { membershipOf } from "./test-cluster.ts";

const hardState = { term: 1, vote: "", commit: 1 };
const effect: Effect = { type: "send-snapshot", to: "r2", term: 1 };

function fresh(): Batches {
  return createBatches({
    hardState,
    first: { index: 1, term: 1 },
    entries: [command(2, 1, "a=1")],
    appliedIndex: 1,
    membership: membershipOf(["r1"]),
  });
}

describe("batches", () => {
  test("are handed out one at a time", () => {
    const batches = fresh();
    batches.noteEntries([command(3, 1, "b=1")]);
    expect(batches.next({ isFlushDue: true })?.batchId).toBe(1);
    batches.noteEntries([command(4, 1, "c=1")]);
    expect(batches.next({ isFlushDue: true })).toBeUndefined();
    batches.stored(1);
    expect(batches.next({ isFlushDue: false })).toMatchObject({ batchId: 2, entries: [{ index: 4 }] });
  });

  test("carry the whole hard state, membership and applied index every time", () => {
    const batches = fresh();
    batches.noteHardState({ term: 2, vote: "r1", commit: 2 });
    batches.noteApplied(2, [{ table: "kv", key: "a", value: 1 }]);
    batches.requireSync();
    expect(batches.next({ isFlushDue: false })).toEqual({
      batchId: 1,
      entries: [],
      hardState: { term: 2, vote: "r1", commit: 2 },
      rows: [{ table: "kv", key: "a", value: 1 }],
      appliedIndex: 2,
      membership: membershipOf(["r1"]),
      compactTo: 1,
      mustSync: true,
    });
    batches.stored(1);
    batches.requireSync();
    expect(batches.next({ isFlushDue: false })).toMatchObject({
      hardState: { term: 2, vote: "r1" },
      appliedIndex: 2,
      rows: [],
    });
  });

  test("hold the last value of a row that changed often", () => {
    const batches = fresh();
    batches.noteHardState({ ...hardState, commit: 9 });
    batches.noteApplied(2, [
      { table: "kv", key: "a", value: 1 },
      { table: "kv", key: "b", value: 1 },
    ]);
    batches.noteApplied(3, [
      { table: "kv", key: "a", value: 2 },
      { table: "kv", key: "b" },
    ]);
    expect(batches.next({ isFlushDue: true })?.rows).toEqual([
      { table: "kv", key: "a", value: 2 },
      { table: "kv", key: "b" },
    ]);
  });

  test("refuse an applied index beyond the commit index, and entries with a gap", () => {
    const batches = fresh();
    batches.noteApplied(2, []);
    expect(() => batches.next({ isFlushDue: true })).toThrow("beyond the commit index");
    expect(() => fresh().noteEntries([command(4, 1, "c=1")])).toThrow("without a gap");
    expect(() => fresh().stored(1)).toThrow("not outstanding");
  });

  test("let an effect go at once only when nothing that it rests on is unwritten", () => {
    const batches = fresh();
    expect(batches.hold(effect)).toBe(false);
    batches.noteHardState({ ...hardState, commit: 2 });
    expect(batches.hold(effect)).toBe(false);
    expect(batches.hold(effect, { restsOnRows: true })).toBe(true);
    expect(batches.next({ isFlushDue: false })).toMatchObject({ batchId: 1 });
    expect(batches.stored(1).released).toEqual([effect]);
  });

  test("hold an effect with the outstanding batch when the open one has nothing to sync", () => {
    const batches = fresh();
    batches.noteEntries([command(3, 1, "b=1")]);
    batches.next({ isFlushDue: false });
    expect(batches.hold(effect)).toBe(true);
    expect(batches.holdMark({ index: 3, term: 1 })).toBe(true);
    expect(batches.stored(1)).toEqual({ released: [effect], mark: { index: 3, term: 1 } });
    expect(batches.holdMark({ index: 3, term: 1 })).toBe(false);
  });

  test("count entries as durable only while nothing asks to cut them off", () => {
    const batches = fresh();
    expect(batches.durableIndex).toBe(2);
    batches.noteEntries([command(3, 1, "b=1"), command(4, 1, "c=1")]);
    expect(batches.durableIndex).toBe(2);
    batches.next({ isFlushDue: false });
    batches.noteEntries([command(3, 2, "b=2")]);
    batches.stored(1);
    expect(batches.durableIndex).toBe(2);
    expect(batches.next({ isFlushDue: false })).toMatchObject({ truncateFrom: 3, entries: [{ index: 3, term: 2 }] });
    batches.stored(2);
    expect(batches.durableIndex).toBe(3);
  });

  test("keep the lowest cut of several that merge", () => {
    const batches = fresh();
    batches.noteEntries([command(3, 1, "b=1"), command(4, 1, "c=1"), command(5, 1, "d=1")]);
    batches.next({ isFlushDue: false });
    batches.noteEntries([command(4, 2, "c=2"), command(5, 2, "d=2")]);
    batches.noteEntries([command(3, 3, "b=3"), command(4, 3, "c=3")]);
    batches.noteEntries([command(4, 4, "c=4")]);
    batches.stored(1);
    const second = batches.next({ isFlushDue: false });
    expect(second?.truncateFrom).toBe(3);
    expect(second?.entries.map(({ index, term }) => [index, term])).toEqual([
      [3, 3],
      [4, 4],
    ]);
  });
});
