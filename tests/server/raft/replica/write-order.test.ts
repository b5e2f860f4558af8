import { describe, expect, test } from "bun:test";
import { append, batchesOf, command, messageInput, sent, voteRequest } from "./messages.ts";
import { createTestCluster } from "./test-cluster.ts";

/** One server of three; what it sends is lost and its disk is driven by hand. */
function loneFollower() {
  const cluster = createTestCluster();
  cluster.dropWhere(() => true);
  cluster.holdDisk("r1");
  const { disk } = cluster.server("r1");
  const handed = (effects: ReturnType<typeof cluster.input>) => batchesOf(effects)[0];
  return {
    cluster,
    input: (...inputs: Parameters<typeof cluster.input> extends [string, ...infer Rest] ? Rest : never) =>
      cluster.input("r1", ...inputs),
    /** Writes what was handed out and reports it. */
    store(effects: ReturnType<typeof cluster.input>) {
      const batch = handed(effects);
      if (batch === undefined) throw new Error("no batch was handed out");
      disk.write(batch);
      return cluster.input("r1", { type: "stored", batchId: batch.batchId });
    },
  };
}

describe("write before promise", () => {
  test("a granted vote leaves after the term and the vote are stored", () => {
    const { input, store } = loneFollower();
    const asked = input(voteRequest(5));
    expect(sent(asked)).toEqual([]);
    expect(batchesOf(asked)).toMatchObject([{ hardState: { term: 5, vote: "r2" }, mustSync: true }]);
    expect(sent(store(asked))).toMatchObject([{ type: "vote-response", to: "r2", isGranted: true }]);
  });

  test("a refused vote waits for the vote it rests on as well", () => {
    const { input, store } = loneFollower();
    const asked = input(voteRequest(5, "r2"), voteRequest(5, "r3"));
    expect(sent(asked)).toEqual([]);
    expect(sent(store(asked)).map((message) => [message.to, "isGranted" in message && message.isGranted])).toEqual([
      ["r2", true],
      ["r3", false],
    ]);
  });

  test("an append is answered after its entries are stored", () => {
    const { input, store } = loneFollower();
    const entries = [command(2, 2, "a=1")];
    const appended = input(append({ term: 2, prevIndex: 1, prevTerm: 1, entries }));
    expect(sent(appended)).toEqual([]);
    expect(batchesOf(appended)).toMatchObject([{ entries, hardState: { term: 2 }, mustSync: true }]);
    expect(sent(store(appended))).toMatchObject([{ type: "append-response", index: 2, isRejected: false }]);
  });

  test("what comes while a batch is outstanding merges into one next batch and is answered with it", () => {
    const { input, store } = loneFollower();
    const first = input(append({ term: 2, prevIndex: 1, prevTerm: 1, entries: [command(2, 2, "a=1")] }));
    const meanwhile = [
      ...input(append({ term: 2, prevIndex: 2, prevTerm: 2, entries: [command(3, 2, "b=1")] })),
      ...input(append({ term: 2, prevIndex: 3, prevTerm: 2, entries: [command(4, 2, "c=1")] })),
    ];
    expect(batchesOf(meanwhile)).toEqual([]);
    expect(sent(meanwhile)).toEqual([]);
    const afterFirst = store(first);
    expect(sent(afterFirst)).toMatchObject([{ index: 2 }]);
    expect(batchesOf(afterFirst)).toMatchObject([{ entries: [{ index: 3 }, { index: 4 }] }]);
    expect(sent(store(afterFirst)).map((message) => "index" in message && message.index)).toEqual([3, 4]);
  });

  test("a candidate asks for votes only when its own is stored", () => {
    const { input, store } = loneFollower();
    input({ type: "campaign" });
    const toUs = { from: "r2", to: "r1", commit: 0, commitTerm: 0 };
    const granted = input(messageInput({ ...toUs, type: "pre-vote-response", term: 2, isGranted: true }));
    expect(sent(granted, "vote")).toEqual([]);
    expect(batchesOf(granted)).toMatchObject([{ hardState: { term: 2, vote: "r1" }, mustSync: true }]);
    expect(sent(store(granted), "vote").map(({ to }) => to)).toEqual(["r2", "r3"]);
  });

  test("heartbeats are answered while the disk is busy", () => {
    const { input } = loneFollower();
    input(append({ term: 2, prevIndex: 1, prevTerm: 1, entries: [command(2, 2, "a=1")] }));
    const heard = input(messageInput({ type: "heartbeat", from: "r2", to: "r1", term: 2, commit: 1, round: 9 }));
    expect(sent(heard)).toMatchObject([{ type: "heartbeat-response", round: 9 }]);
  });

  test("a commit index alone is written with the next tick, without a sync", () => {
    const { input, store, cluster } = loneFollower();
    const appended = input(append({ term: 2, prevIndex: 1, prevTerm: 1, entries: [command(2, 2, "a=1")] }));
    store(appended);
    const told = input(messageInput({ type: "heartbeat", from: "r2", to: "r1", term: 2, commit: 2, round: 1 }));
    expect(batchesOf(told)).toEqual([]);
    expect(cluster.server("r1").machine.get("a")).toBe("1");
    expect(batchesOf(input({ type: "tick" }))).toMatchObject([
      { mustSync: false, appliedIndex: 2, hardState: { commit: 2 }, rows: [{ table: "kv", key: "a" }] },
    ]);
  });
});

describe("entries that are replaced", () => {
  test("a stored suffix of an old leader is cut off in the batch of the new entries", () => {
    const { input, store } = loneFollower();
    const old = [command(2, 2, "a=old"), command(3, 2, "b=old")];
    store(input(append({ term: 2, prevIndex: 1, prevTerm: 1, entries: old })));
    const replaced = input(
      append({ from: "r3", term: 3, prevIndex: 1, prevTerm: 1, entries: [command(2, 3, "a=new")] }),
    );
    expect(batchesOf(replaced)).toMatchObject([{ truncateFrom: 2, entries: [{ index: 2, term: 3 }] }]);
  });

  test("a suffix that no batch has taken yet never reaches the disk", () => {
    const { input, store } = loneFollower();
    const first = input(append({ term: 2, prevIndex: 1, prevTerm: 1, entries: [command(2, 2, "a=1")] }));
    input(append({ term: 2, prevIndex: 2, prevTerm: 2, entries: [command(3, 2, "b=old"), command(4, 2, "c=old")] }));
    input(append({ from: "r3", term: 3, prevIndex: 2, prevTerm: 2, entries: [command(3, 3, "b=new")] }));
    const [second] = batchesOf(store(first));
    expect(second?.entries.map(({ index, term }) => [index, term])).toEqual([[3, 3]]);
    expect(second).not.toHaveProperty("truncateFrom");
  });

  test("a report about a replaced entry does not make the entry in its place count as stored", () => {
    const { input, store, cluster } = loneFollower();
    const first = input(append({ term: 2, prevIndex: 1, prevTerm: 1, entries: [command(2, 2, "a=old")] }));
    input(append({ from: "r3", term: 3, prevIndex: 1, prevTerm: 1, entries: [command(2, 3, "a=new")], commit: 2 }));
    const second = store(first);
    // Committed by the others, but only the old bytes are on this disk.
    expect(cluster.server("r1").machine.applied).toEqual([]);
    store(second);
    expect(cluster.server("r1").machine.applied).toEqual(["a=new"]);
  });

  test("an entry that was replaced and came back counts as stored with its last write only", () => {
    const { input, store, cluster } = loneFollower();
    const original = command(2, 2, "a=1");
    const first = input(append({ term: 2, prevIndex: 1, prevTerm: 1, entries: [original] }));
    input(append({ from: "r3", term: 3, prevIndex: 1, prevTerm: 1, entries: [command(2, 3, "a=2")] }));
    const second = store(first);
    expect(batchesOf(second)).toMatchObject([{ truncateFrom: 2, entries: [{ term: 3 }] }]);
    input(append({ from: "r2", term: 4, prevIndex: 1, prevTerm: 1, entries: [original], commit: 2 }));
    const third = store(second);
    expect(cluster.server("r1").machine.applied).toEqual([]);
    expect(batchesOf(third)).toMatchObject([{ truncateFrom: 2, entries: [original] }]);
    store(third);
    expect(cluster.server("r1").machine.applied).toEqual(["a=1"]);
  });
});

describe("a leader", () => {
  test("sends entries before its own disk has them", () => {
    const cluster = createTestCluster();
    cluster.elect("r1");
    cluster.holdDisk("r1");
    const effects = cluster.input("r1", { type: "propose", id: 1, requestId: "", data: "a=1" });
    expect(sent(effects, "append").map(({ to }) => to)).toEqual(["r2", "r3"]);
    expect(batchesOf(effects)).toHaveLength(1);
  });

  test("answers only when its own disk has the entry, even when the others have committed it", () => {
    const cluster = createTestCluster();
    cluster.elect("r1");
    cluster.holdDisk("r1");
    const write = cluster.propose("r1", "a=1");
    cluster.settle();
    const { replica, machine } = cluster.server("r1");
    expect(replica.status.commitIndex).toBe(replica.status.lastIndex);
    expect(cluster.outcome(write)).toBeUndefined();
    expect(machine.get("a")).toBeUndefined();
    cluster.releaseDisk("r1");
    cluster.settle();
    expect(cluster.outcome(write)).toMatchObject({ ok: true });
    expect(machine.get("a")).toBe("1");
  });

  test("alone in its cluster does not commit what it has not stored", () => {
    const cluster = createTestCluster({ ids: ["r1"] });
    cluster.tick(1);
    cluster.holdDisk("r1");
    const write = cluster.propose("r1", "a=1");
    cluster.settle();
    expect(cluster.server("r1").replica.status.commitIndex).toBeLessThan(cluster.server("r1").replica.status.lastIndex);
    expect(cluster.outcome(write)).toBeUndefined();
    cluster.crash("r1");
    cluster.restart("r1");
    cluster.tick(1);
    expect(cluster.server("r1").machine.get("a")).toBeUndefined();
  });

  test("puts all proposals of one turn into one batch and one message per follower", () => {
    const cluster = createTestCluster();
    cluster.elect("r1");
    const effects = cluster.input(
      "r1",
      ...[1, 2, 3].map((id) => ({ type: "propose", id, requestId: "", data: `k${id}=v` }) as const),
    );
    expect(batchesOf(effects).map(({ entries }) => entries.length)).toEqual([3]);
    expect(sent(effects, "append")).toHaveLength(2);
  });
});
