import { describe, expect, test } from "bun:test";
import { defaultCoreConfig } from "../../../../server/raft/core/types.ts";
import { createDiskStall } from "../../../../server/raft/replica/disk-stall.ts";
import { sent } from "./messages.ts";
import { createTestCluster, testLimits } from "./test-cluster.ts";

describe("a leader whose disk hangs", () => {
  test("hands leadership over to a server that can write", () => {
    const cluster = createTestCluster();
    cluster.elect("r1");
    cluster.tick(5);
    cluster.holdDisk("r1");
    cluster.propose("r1", "a=1");
    cluster.tick(testLimits.diskStallTicks);
    expect(cluster.leader().id).toBe("r1");
    cluster.tick(3);
    expect(cluster.leader().id).not.toBe("r1");
    const write = cluster.propose(cluster.leader().id, "b=1");
    cluster.settle();
    expect(cluster.outcome(write)).toMatchObject({ ok: true });
  });

  test("is replaced as well when the hand-over gets lost, and does not come back before its disk", () => {
    const cluster = createTestCluster();
    cluster.elect("r1");
    cluster.tick(5);
    cluster.holdDisk("r1");
    cluster.dropWhere(({ type }) => type === "timeout-now");
    cluster.propose("r1", "a=1");
    cluster.tick(testLimits.diskStallTicks + 1);
    const heartbeats = (): number => sent(cluster.server("r1").effects, "heartbeat").length;
    const sentBefore = heartbeats();
    cluster.tick(3 * defaultCoreConfig.electionTicks);
    expect(heartbeats()).toBe(sentBefore);
    expect(cluster.leader().id).not.toBe("r1");
    const { term } = cluster.leader().replica.status;
    cluster.tick(200);
    expect(cluster.leader().replica.status.term).toBe(term);
    cluster.releaseDisk("r1");
    cluster.tick(20);
    expect(cluster.leader().replica.status.term).toBe(term);
    expect(cluster.server("r1").machine.get("a")).toBe("1");
  });

  test("takes no more writes and says that nothing was changed", () => {
    const cluster = createTestCluster();
    cluster.elect("r1");
    cluster.holdDisk("r1");
    // Nobody is there to take over.
    cluster.server("r1").isCutOff = true;
    cluster.propose("r1", "a=1");
    for (let i = 0; i <= testLimits.diskStallTicks; i++) cluster.input("r1", { type: "tick" });
    const late = cluster.propose("r1", "b=1");
    expect(cluster.outcome(late)?.ok).toBe(false);
    expect(["dropped", "not-leader"]).toContain(failureOf(cluster.outcome(late)));
  });

  test("stays when it is alone: nobody else could lead", () => {
    const cluster = createTestCluster({ ids: ["r1"] });
    cluster.tick(1);
    cluster.holdDisk("r1");
    const write = cluster.propose("r1", "a=1");
    cluster.tick(10 * testLimits.diskStallTicks);
    const late = cluster.propose("r1", "b=1");
    expect(failureOf(cluster.outcome(late))).toBe("dropped");
    cluster.releaseDisk("r1");
    cluster.settle();
    expect(cluster.outcome(write)).toMatchObject({ ok: true });
    expect(cluster.leader().id).toBe("r1");
  });
});

describe("a server whose disk hangs", () => {
  test("asks for no votes, since it could not write its own", () => {
    const cluster = createTestCluster();
    cluster.elect("r1");
    cluster.tick(5);
    cluster.holdDisk("r3");
    cluster.propose("r1", "a=1");
    cluster.tick(testLimits.diskStallTicks + 1);
    const { term } = cluster.server("r3").replica.status;
    cluster.crash("r1");
    // r2 alone can grant r3's pre-votes, and r3 cannot grant r2's.
    cluster.tick(200);
    expect(cluster.server("r3").replica.status).toMatchObject({ term, role: "follower" });
    cluster.releaseDisk("r3");
    cluster.tick(100);
    expect(["r2", "r3"]).toContain(cluster.leader().id);
  });
});

test("a stall hands over first, steps down when that took too long, and ends when the batch is stored", () => {
  const stall = createDiskStall({ stallTicks: 3, transferTicks: 2 });
  const dues = () => Array.from({ length: 8 }, () => stall.tick() ?? "-").join(" ");
  expect(dues()).toBe("- - - hand-over - step-down - -");
  expect(stall.isStalled).toBe(true);
  stall.clear();
  expect(stall.isStalled).toBe(false);
  expect(dues()).toBe("- - - hand-over - step-down - -");
});

function failureOf(outcome: ReturnType<ReturnType<typeof createTestCluster>["outcome"]>): string {
  return outcome === undefined || outcome.ok ? "none" : outcome.reason;
}
