import { describe, expect, test } from "bun:test";
import { createCompaction } from "../../../../server/raft/replica/compaction.ts";
import { createFollowerNeeds } from "../../../../server/raft/replica/follower-needs.ts";
import { command } from "./messages.ts";
import { createTestCluster } from "./test-cluster.ts";

const entries = (from: number, count: number, text = "a=1") =>
  Array.from({ length: count }, (_, i) => command(from + i, 1, text));
const farAhead = Number.POSITIVE_INFINITY;

describe("compaction", () => {
  test("keeps the trailing entries", () => {
    const compaction = createCompaction({
      trailingEntries: 100,
      maxLogBytes: 1e9,
      firstIndex: 0,
      entries: entries(1, 500),
    });
    expect(compaction.next({ appliedIndex: 500, neededBehind: farAhead })).toBe(400);
    expect(compaction.next({ appliedIndex: 500, neededBehind: farAhead })).toBeUndefined();
  });

  test("does not bother for a handful of entries", () => {
    const compaction = createCompaction({
      trailingEntries: 100,
      maxLogBytes: 1e9,
      firstIndex: 0,
      entries: entries(1, 110),
    });
    expect(compaction.next({ appliedIndex: 110, neededBehind: farAhead })).toBeUndefined();
  });

  test("keeps what others need", () => {
    const compaction = createCompaction({
      trailingEntries: 100,
      maxLogBytes: 1e9,
      firstIndex: 0,
      entries: entries(1, 500),
    });
    expect(compaction.next({ appliedIndex: 500, neededBehind: 200 })).toBe(200);
  });

  test("gives way to the cap in bytes, but never to what is not applied", () => {
    const big = entries(1, 500, "x".repeat(10_000));
    const compaction = createCompaction({ trailingEntries: 400, maxLogBytes: 1_100_000, firstIndex: 0, entries: big });
    const to = compaction.next({ appliedIndex: 500, neededBehind: 0 });
    expect(to).toBeGreaterThan(380);
    expect(to).toBeLessThan(400);
    const pinned = createCompaction({ trailingEntries: 400, maxLogBytes: 1_100_000, firstIndex: 0, entries: big });
    expect(pinned.next({ appliedIndex: 30, neededBehind: 0 })).toBe(30);
  });

  test("follows a log whose end is replaced", () => {
    const compaction = createCompaction({ trailingEntries: 0, maxLogBytes: 10_000, firstIndex: 0, entries: [] });
    compaction.noteEntries(entries(1, 10, "x".repeat(5_000)));
    compaction.noteEntries(entries(2, 1));
    // What was replaced no longer counts: the rest is under the cap, so nothing is forced.
    expect(compaction.next({ appliedIndex: 2, neededBehind: 0 })).toBeUndefined();
  });

  test("begins anew behind a snapshot", () => {
    const big = entries(1, 10, "x".repeat(5_000));
    const compaction = createCompaction({ trailingEntries: 0, maxLogBytes: 10_000, firstIndex: 0, entries: big });
    compaction.reset(50);
    compaction.noteEntries(entries(51, 1));
    expect(compaction.next({ appliedIndex: 51, neededBehind: 0 })).toBeUndefined();
    compaction.noteEntries(entries(52, 100));
    expect(compaction.next({ appliedIndex: 151, neededBehind: 140 })).toBe(140);
  });

  test("of a leader waits for a follower that answers, not for one that is gone", () => {
    const cluster = createTestCluster({ limits: { trailingEntries: 0 } });
    cluster.elect("r1");
    cluster.tick(5);
    // r3 answers heartbeats and gets no entries.
    cluster.dropWhere(({ type, to }) => type === "append" && to === "r3");
    for (let i = 0; i < 300; i++) cluster.propose("r1", `k${i}=v`);
    cluster.tick(50);
    expect(cluster.server("r1").replica.status.firstIndex).toBeLessThan(10);
    cluster.server("r3").isCutOff = true;
    cluster.tick(60);
    expect(cluster.server("r1").replica.status.firstIndex).toBeGreaterThan(200);
  });

  test("reaches the disk in the same batch as the applied index that allows it", () => {
    const cluster = createTestCluster({ limits: { trailingEntries: 0 } });
    cluster.elect("r1");
    for (let i = 0; i < 300; i++) cluster.propose("r1", `k${i}=v`);
    cluster.tick(10);
    for (const { disk } of cluster.servers) {
      expect(disk.batches.at(-1)?.compactTo).toBeGreaterThan(200);
      expect(disk.batches.every(({ compactTo, appliedIndex }) => compactTo <= appliedIndex)).toBe(true);
    }
  });
});

describe("what followers need", () => {
  const member = (node: string, match: number, isRecentlyActive = true) =>
    ({ node, match, next: match + 1, state: "replicate", isRecentlyActive, isLearner: false }) as const;

  test("is everything behind the slowest that is within reach of the log", () => {
    const needs = createFollowerNeeds({ patienceTicks: 2 });
    expect(needs.tick([member("a", 90), member("b", 50)], 10)).toBe(50);
    expect(needs.tick([member("a", 90), member("b", 5)], 10)).toBe(90);
    expect(needs.tick([{ ...member("a", 90), state: "snapshot" }], 10)).toBe(farAhead);
  });

  test("counts one that fell silent for a while only", () => {
    const needs = createFollowerNeeds({ patienceTicks: 2 });
    const silent = () => needs.tick([member("a", 90), member("b", 50, false)], 10);
    expect([silent(), silent(), silent()]).toEqual([50, 50, 90]);
    needs.tick([member("a", 90), member("b", 50)], 10);
    expect(silent()).toBe(50);
  });
});
