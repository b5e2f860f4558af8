import { describe, expect, test } from "bun:test";
import { ReadQueue } from "../../../../server/raft/core/read-index.ts";

describe("reads", () => {
  test("are confirmed by a round that began after they came, all at once", () => {
    const reads = new ReadQueue();
    reads.add(1, 5);
    reads.add(2, 6);
    expect(reads.needsRound).toBe(true);
    expect(reads.confirm(reads.round)).toEqual([]);
    const round = reads.startRound();
    expect(reads.needsRound).toBe(false);
    reads.add(3, 7);
    expect(reads.needsRound).toBe(false);
    expect(reads.confirm(round)).toEqual([
      { id: 1, index: 5 },
      { id: 2, index: 6 },
    ]);
    expect(reads.needsRound).toBe(true);
    expect(reads.confirm(reads.startRound())).toEqual([{ id: 3, index: 7 }]);
    expect(reads.size).toBe(0);
  });

  test("a later round confirms earlier reads", () => {
    const reads = new ReadQueue();
    reads.add(1, 5);
    reads.startRound();
    reads.startRound();
    expect(reads.confirm(2)).toHaveLength(1);
  });

  test("held reads get the commit index of their release", () => {
    const reads = new ReadQueue();
    reads.hold(1);
    expect(reads.confirm(reads.startRound())).toEqual([]);
    reads.releaseHeld(9);
    expect(reads.confirm(reads.startRound())).toEqual([{ id: 1, index: 9 }]);
  });

  test("are all refused when leadership ends", () => {
    const reads = new ReadQueue();
    reads.add(2, 5);
    reads.hold(1);
    expect(reads.rejectAll()).toEqual([1, 2]);
    expect(reads.size).toBe(0);
  });
});
