import { describe, expect, test } from "bun:test";
import type { Effect, ReplicaLimits } from "../../../../server/raft/replica/replica-api.ts";
import { createSnapshotSending } from "../../../../server/raft/replica/snapshots.ts";
import { append, batchesOf, command, sent, voteRequest } from "./messages.ts";
import { createTestCluster, membershipOf } from "./test-cluster.ts";

const row = { table: "kv", key: "a", value: { value: "snap", count: 3 } };

function installsOf(effects: readonly Effect[]) {
  return effects.filter(({ type }) => type === "install-snapshot");
}

/** r1 with nothing but a network that loses everything; r2 streams it a snapshot. */
function receiver(limits: Partial<ReplicaLimits> = {}) {
  const cluster = createTestCluster({ limits });
  cluster.dropWhere(() => true);
  cluster.holdDisk("r1");
  const { disk } = cluster.server("r1");
  const membership = membershipOf(["r1", "r2", "r3"]);
  return {
    cluster,
    disk,
    stage: (index: number, term: number, members = membership) =>
      cluster.input("r1", {
        type: "snapshot-staged",
        from: "r2",
        term,
        snapshot: { index, term, membership: members },
      }),
    installed: (index: number, term: number) =>
      cluster.input("r1", { type: "snapshot-installed", snapshot: { index, term, membership }, rows: [row] }),
    store(effects: readonly Effect[]) {
      const [batch] = batchesOf(effects);
      if (batch === undefined) throw new Error("no batch was handed out");
      disk.write(batch);
      return cluster.input("r1", { type: "stored", batchId: batch.batchId });
    },
  };
}

describe("a staged snapshot", () => {
  test("is installed when the term it came with is stored, then restored from and acknowledged", () => {
    const { cluster, stage, installed, store } = receiver();
    const staged = stage(50, 3);
    expect(batchesOf(staged)).toMatchObject([{ hardState: { term: 3 } }]);
    expect(installsOf(staged)).toEqual([]);
    // The test cluster answers nothing here: its disk is held.
    const stored = store(staged);
    expect(installsOf(stored)).toMatchObject([
      { snapshot: { index: 50, term: 3 }, hardState: { term: 3, commit: 50 } },
    ]);
    expect(sent(stored, "append-response")).toEqual([]);
    const done = installed(50, 3);
    expect(sent(done)).toMatchObject([{ type: "append-response", to: "r2", index: 50, isRejected: false }]);
    const { replica, machine } = cluster.server("r1");
    expect(machine.get("a")).toBe("snap");
    expect(replica.status).toMatchObject({ appliedIndex: 50, commitIndex: 50, lastIndex: 50, firstIndex: 51 });
  });

  test("waits for the outstanding batch and lets nothing be written until it is installed", () => {
    const { cluster, stage, installed, store } = receiver();
    const first = cluster.input("r1", append({ term: 3, prevIndex: 1, prevTerm: 1, entries: [command(2, 3, "b=1")] }));
    expect(installsOf(stage(50, 3))).toEqual([]);
    const stored = store(first);
    expect(installsOf(stored)).toHaveLength(1);
    const asked = cluster.input("r1", voteRequest(9));
    const ticked = cluster.input("r1", { type: "tick" });
    expect(batchesOf([...asked, ...ticked])).toEqual([]);
    expect(sent([...asked, ...ticked], "vote-response")).toEqual([]);
    const done = installed(50, 3);
    expect(batchesOf(done)).toMatchObject([{ hardState: { term: 9, commit: 50 }, appliedIndex: 50, compactTo: 50 }]);
    expect(sent(store(done), "vote-response")).toHaveLength(1);
  });

  test("takes no appends while it is installed, and goes on behind it afterwards", () => {
    const { cluster, stage, installed, store } = receiver();
    store(stage(50, 3));
    const early = cluster.input("r1", append({ term: 3, prevIndex: 1, prevTerm: 1, entries: [command(2, 3, "b=1")] }));
    expect([...batchesOf(early), ...sent(early)]).toEqual([]);
    installed(50, 3);
    const next = cluster.input(
      "r1",
      append({ term: 3, prevIndex: 50, prevTerm: 3, entries: [command(51, 3, "b=1")], commit: 51 }),
    );
    const [batch] = batchesOf(next);
    expect(batch).toMatchObject({ entries: [{ index: 51 }], compactTo: 50 });
    expect(batch).not.toHaveProperty("truncateFrom");
    cluster.input("r1", { type: "stored", batchId: batch?.batchId ?? 0 });
    expect(cluster.server("r1").machine.applied).toEqual(["b=1"]);
  });

  test("takes the old log out of what compaction counts", () => {
    const { cluster, stage, installed, store } = receiver({ maxLogBytes: 20_000 });
    const entries = Array.from({ length: 20 }, (_, i) => command(2 + i, 2, "x".repeat(5_000)));
    store(cluster.input("r1", append({ term: 2, prevIndex: 1, prevTerm: 1, entries })));
    store(stage(50, 3));
    installed(50, 3);
    const [batch] = batchesOf(cluster.input("r1", { type: "tick" }));
    expect(batch?.compactTo ?? 50).toBe(50);
    expect(cluster.server("r1").replica.status.firstIndex).toBe(51);
  });

  test("is refused when it is older than what is committed, and the leader is told how far the log reaches", () => {
    const { cluster, stage, store } = receiver();
    const entries = [command(2, 3, "b=1"), command(3, 3, "c=1")];
    store(cluster.input("r1", append({ term: 3, prevIndex: 1, prevTerm: 1, entries, commit: 3 })));
    const staged = stage(2, 3);
    expect(staged.filter(({ type }) => type === "discard-snapshot")).toHaveLength(1);
    expect(installsOf(staged)).toEqual([]);
    expect(sent(staged, "append-response")).toMatchObject([{ index: 3, isRejected: false }]);
    expect(cluster.server("r1").machine.applied).toEqual(["b=1", "c=1"]);
  });

  test("keeps a log that agrees with it", () => {
    const { cluster, stage, store } = receiver();
    const entries = [command(2, 3, "b=1"), command(3, 3, "c=1")];
    store(cluster.input("r1", append({ term: 3, prevIndex: 1, prevTerm: 1, entries })));
    const staged = stage(2, 3);
    expect(staged.filter(({ type }) => type === "discard-snapshot")).toHaveLength(1);
    expect(cluster.server("r1").replica.status).toMatchObject({ lastIndex: 3, commitIndex: 2, appliedIndex: 2 });
  });

  test("of an old leader is refused", () => {
    const { cluster, stage, store } = receiver();
    store(cluster.input("r1", voteRequest(9)));
    const staged = stage(50, 3);
    expect(staged.map(({ type }) => type)).toContain("discard-snapshot");
    expect(installsOf(staged)).toEqual([]);
  });

  test("is refused by a server that is not in its membership", () => {
    const { stage, store } = receiver();
    const staged = stage(50, 3, membershipOf(["r2", "r3"]));
    expect(staged.map(({ type }) => type)).toContain("discard-snapshot");
    expect(installsOf(store(staged))).toEqual([]);
  });

  test("that arrives twice is installed once", () => {
    const { stage, store } = receiver();
    const stored = store(stage(50, 3));
    const again = stage(50, 3);
    expect(installsOf([...stored, ...again])).toHaveLength(1);
    expect(again.map(({ type }) => type)).not.toContain("discard-snapshot");
  });
});

describe("a follower behind the kept log", () => {
  test("gets a snapshot and follows the log from there, through its own restart", () => {
    const cluster = createTestCluster({ limits: { trailingEntries: 0 } });
    cluster.elect("r1");
    cluster.crash("r3");
    for (let i = 0; i < 300; i++) cluster.propose("r1", `k${i}=v`);
    cluster.tick(60);
    expect(cluster.server("r1").replica.status.firstIndex).toBeGreaterThan(200);
    cluster.restart("r3");
    cluster.tick(10);
    expect(cluster.server("r3").machine.get("k0")).toBe("v");
    cluster.propose("r1", "later=1");
    cluster.tick(3);
    cluster.crash("r3");
    cluster.restart("r3");
    cluster.tick(3);
    expect(cluster.server("r3").machine.get("later")).toBe("1");
    expect(cluster.server("r3").machine.get("k299")).toBe("v");
  });

  test("is sent a snapshot only when the disk holds a state that reaches the kept log", () => {
    const cluster = createTestCluster({ limits: { trailingEntries: 0 } });
    cluster.elect("r1");
    cluster.crash("r3");
    for (let i = 0; i < 300; i++) cluster.propose("r1", `k${i}=v`);
    cluster.tick(60);
    const before = cluster.server("r1").effects.length;
    cluster.restart("r3");
    cluster.tick(5);
    const effects = cluster.server("r1").effects.slice(before);
    expect(effects.filter(({ type }) => type === "send-snapshot")).toHaveLength(1);
    const { index } = cluster.server("r1").disk.snapshot().meta;
    expect(index + 1).toBeGreaterThanOrEqual(cluster.server("r1").replica.status.firstIndex);
  });
});

describe("snapshots that leave", () => {
  test("are one per follower and two in all; others wait for their turn", () => {
    const sending = createSnapshotSending();
    sending.want(["a", "b", "c"]);
    expect(sending.start(10)).toEqual(["a", "b"]);
    sending.want(["a"]);
    expect(sending.start(20)).toEqual([]);
    sending.finished("a");
    expect(sending.start(30)).toEqual(["c"]);
    expect(sending.neededBehind()).toBe(10);
    sending.finished("b");
    // "a" was asked for again while it was under way: the core asks anew when that did not help.
    expect(sending.start(40)).toEqual([]);
    expect(sending.neededBehind()).toBe(30);
    sending.finished("c");
    expect(sending.neededBehind()).toBe(Number.POSITIVE_INFINITY);
  });

  test("that wait are forgotten with the leadership", () => {
    const sending = createSnapshotSending();
    sending.want(["a", "b", "c"]);
    sending.forgetWaiting();
    expect(sending.start(10)).toEqual([]);
  });
});
