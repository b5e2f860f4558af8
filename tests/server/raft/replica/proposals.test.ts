import { describe, expect, test } from "bun:test";
import { defaultCoreConfig } from "../../../../server/raft/core/types.ts";
import { createProposals } from "../../../../server/raft/replica/proposals.ts";
import { createTestCluster, type TestCluster } from "./test-cluster.ts";

function elected(limits = {}): TestCluster {
  const cluster = createTestCluster({ limits });
  cluster.elect("r1");
  return cluster;
}

describe("the answer to a write", () => {
  test("is `not-leader` with the leader's id on a follower", () => {
    const cluster = elected();
    cluster.tick(1);
    const write = cluster.propose("r2", "a=1");
    expect(cluster.outcome(write)).toMatchObject({ ok: false, reason: "not-leader", leader: "r1" });
  });

  test("is `dropped` when another leader's entry was committed in its place", () => {
    const cluster = elected();
    cluster.server("r1").isCutOff = true;
    const lost = cluster.propose("r1", "a=lost");
    cluster.settle();
    cluster.elect("r2");
    cluster.propose("r2", "a=kept");
    cluster.settle();
    expect(cluster.outcome(lost)).toBeUndefined();
    cluster.server("r1").isCutOff = false;
    cluster.tick(5);
    expect(cluster.outcome(lost)).toMatchObject({ ok: false, reason: "dropped", leader: "r2" });
    expect(cluster.server("r1").machine.get("a")).toBe("kept");
  });

  test("is ok on a deposed leader when its successor commits the entry", () => {
    const cluster = elected();
    // The entry reaches r2, the answers do not come back.
    cluster.dropWhere(({ type, to }) => type === "append-response" && to === "r1");
    const write = cluster.propose("r1", "a=1");
    cluster.settle();
    cluster.elect("r2");
    cluster.dropWhere(() => false);
    cluster.tick(5);
    expect(cluster.server("r1").replica.status.role).toBe("follower");
    expect(cluster.outcome(write)).toMatchObject({ ok: true, result: { count: 1 } });
  });

  test("is `unknown` when leadership was lost and nothing decides the entry for an election timeout", () => {
    const cluster = elected();
    cluster.server("r1").isCutOff = true;
    const write = cluster.propose("r1", "a=1");
    for (let i = 0; cluster.server("r1").replica.status.role === "leader" && i < 100; i++) cluster.tick(1);
    expect(cluster.server("r1").replica.status.role).toBe("follower");
    expect(cluster.outcome(write)).toBeUndefined();
    cluster.tick(defaultCoreConfig.electionTicks);
    expect(cluster.outcome(write)).toMatchObject({ ok: false, reason: "unknown" });
  });

  test("is `unknown` when a snapshot jumps over the entry", () => {
    const cluster = elected({ trailingEntries: 0 });
    cluster.server("r1").isCutOff = true;
    const write = cluster.propose("r1", "a=1");
    cluster.elect("r2");
    for (let i = 0; i < 300; i++) cluster.propose("r2", `k${i}=v`);
    cluster.settle();
    // r1 does not tick, so its patience does not run out.
    for (let i = 0; i < 60; i++) {
      cluster.input("r2", { type: "tick" });
      cluster.settle();
    }
    expect(cluster.server("r2").replica.status.firstIndex).toBeGreaterThan(200);
    cluster.server("r1").isCutOff = false;
    for (let i = 0; i < 6; i++) {
      cluster.input("r2", { type: "tick" });
      cluster.settle();
    }
    expect(cluster.server("r1").machine.get("k0")).toBe("v");
    expect(cluster.outcome(write)).toMatchObject({ ok: false, reason: "unknown" });
  });

  test("is `refused` over the bound of waiting writes", () => {
    const cluster = elected({ maxQueuedProposals: 2 });
    cluster.server("r1").isCutOff = true;
    cluster.propose("r1", "a=1");
    cluster.propose("r1", "b=1");
    expect(cluster.outcome(cluster.propose("r1", "c=1"))).toMatchObject({ ok: false, reason: "refused" });
  });

  test("never comes once it was cancelled, and its place is free again", () => {
    const cluster = elected({ maxQueuedProposals: 1 });
    cluster.server("r1").isCutOff = true;
    const cancelled = cluster.propose("r1", "a=1");
    cluster.input("r1", { type: "cancel", id: cancelled });
    const next = cluster.propose("r1", "b=1");
    expect(cluster.outcome(next)).toBeUndefined();
    cluster.server("r1").isCutOff = false;
    cluster.tick(5);
    expect(cluster.outcome(cancelled)).toBeUndefined();
    expect(cluster.outcome(next)).toMatchObject({ ok: true });
    expect(cluster.server("r1").machine.get("a")).toBe("1");
  });

  test("is `refused` for a request id that cannot be a key", () => {
    const cluster = elected();
    expect(cluster.outcome(cluster.propose("r1", "a=1", "x\ny"))).toMatchObject({ ok: false, reason: "refused" });
    expect(cluster.outcome(cluster.propose("r1", "a=1", "x".repeat(129)))).toMatchObject({ reason: "refused" });
  });
});

describe("the table of waiting proposals", () => {
  test("lets a retry wait for the first only in the same term", () => {
    const proposals = createProposals({ patienceTicks: 5, leader: () => "r1" });
    proposals.add({ id: 1, index: 7, term: 3, requestId: "x" });
    expect(proposals.join({ id: 2, requestId: "x", term: 4 })).toBe(false);
    expect(proposals.join({ id: 2, requestId: "x", term: 3 })).toBe(true);
    expect(proposals.size).toBe(2);
    const outcome = { ok: true, index: 7, result: 1 } as const;
    expect(proposals.settle({ index: 7, term: 3 }, outcome)).toEqual([
      { id: 1, outcome },
      { id: 2, outcome },
    ]);
    expect(proposals.size).toBe(0);
    expect(proposals.join({ id: 3, requestId: "x", term: 3 })).toBe(false);
  });

  test("tells two terms at one index apart", () => {
    const proposals = createProposals({ patienceTicks: 5, leader: () => "r1" });
    proposals.add({ id: 1, index: 7, term: 3, requestId: "" });
    proposals.add({ id: 2, index: 7, term: 5, requestId: "" });
    const outcome = { ok: true, index: 7, result: 1 } as const;
    expect(proposals.settle({ index: 7, term: 5 }, outcome)).toMatchObject([
      { id: 1, outcome: { ok: false, reason: "dropped" } },
      { id: 2, outcome },
    ]);
  });

  test("waits on as long as leadership is regained in time", () => {
    const proposals = createProposals({ patienceTicks: 2, leader: () => "" });
    proposals.add({ id: 1, index: 7, term: 3, requestId: "" });
    proposals.noteLeadership(false);
    expect(proposals.tick()).toEqual([]);
    proposals.noteLeadership(true);
    expect(proposals.tick()).toEqual([]);
    proposals.noteLeadership(false);
    expect(proposals.tick()).toEqual([]);
    expect(proposals.tick()).toMatchObject([{ id: 1, outcome: { reason: "unknown" } }]);
  });
});

describe("membership changes", () => {
  test("are answered when applied, stored with a sync and kept by a restart", () => {
    const cluster = elected();
    const change = { type: "change", steps: [{ action: "add-learner", node: "r4", address: "r4:8300" }] } as const;
    cluster.input("r1", { type: "propose-change", id: 99, change });
    cluster.settle();
    expect(cluster.outcome(99)).toMatchObject({ ok: true });
    const { disk } = cluster.server("r1");
    expect(disk.stored.membership.learners).toEqual(["r4"]);
    expect(disk.batches.at(-1)).toMatchObject({ mustSync: true, membership: { learners: ["r4"] } });
    cluster.crash("r1");
    cluster.restart("r1");
    expect(cluster.server("r1").replica.status.membership.learners).toEqual(["r4"]);
  });

  test("take effect in order with the commands around them", () => {
    const cluster = elected();
    const remove = { type: "change", steps: [{ action: "remove", node: "r3" }] } as const;
    cluster.input(
      "r1",
      { type: "propose", id: 91, requestId: "", data: "a=1" },
      { type: "propose-change", id: 92, change: remove },
      { type: "propose", id: 93, requestId: "", data: "a=2" },
    );
    cluster.settle();
    cluster.tick(3);
    expect([91, 92, 93].map((id) => cluster.outcome(id)?.ok)).toEqual([true, true, true]);
    expect(cluster.server("r2").replica.status.membership).toMatchObject({ voters: ["r1", "r2"], removed: ["r3"] });
    expect(cluster.server("r2").machine.get("a")).toBe("2");
  });
});

describe("a transfer of leadership", () => {
  test("is answered when the target leads", () => {
    const cluster = elected();
    cluster.input("r1", { type: "transfer", id: 50, to: "r2" });
    cluster.settle();
    cluster.tick(2);
    expect(cluster.leader().id).toBe("r2");
    expect(cluster.outcome(50)).toMatchObject({ ok: true });
  });

  test("is refused when the target does not take over in time", () => {
    const cluster = elected();
    cluster.server("r3").isCutOff = true;
    cluster.input("r1", { type: "transfer", id: 50, to: "r3" });
    cluster.tick(2 * defaultCoreConfig.electionTicks);
    expect(cluster.outcome(50)).toMatchObject({ ok: false, reason: "refused" });
    expect(cluster.leader().id).toBe("r1");
  });
});
