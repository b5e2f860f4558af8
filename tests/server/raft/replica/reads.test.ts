import { describe, expect, test } from "bun:test";
import { createTestCluster } from "./test-cluster.ts";

function served(cluster: ReturnType<typeof createTestCluster>, id: string): readonly number[] {
  return cluster.server(id).effects.flatMap((effect) => (effect.type === "serve-read" ? [effect.id] : []));
}

describe("a linearizable read", () => {
  test("is served when a round has confirmed that the leader still leads", () => {
    const cluster = createTestCluster();
    cluster.elect("r1");
    cluster.input("r1", { type: "read", id: 1 });
    expect(served(cluster, "r1")).toEqual([]);
    cluster.settle();
    expect(served(cluster, "r1")).toEqual([1]);
  });

  test("waits until its index is applied", () => {
    const cluster = createTestCluster();
    cluster.elect("r1");
    cluster.holdDisk("r1");
    cluster.propose("r1", "a=1");
    cluster.settle();
    // The others have committed the write; this disk, and so its memory, does not have it yet.
    cluster.input("r1", { type: "read", id: 1 });
    cluster.settle();
    expect(served(cluster, "r1")).toEqual([]);
    cluster.releaseDisk("r1");
    cluster.settle();
    expect(served(cluster, "r1")).toEqual([1]);
    const types = cluster.server("r1").effects.map(({ type }) => type);
    expect(types.lastIndexOf("answer")).toBeLessThan(types.lastIndexOf("serve-read"));
  });

  test("is never served by a leader that is cut off; it is told so when that leader steps down", () => {
    const cluster = createTestCluster();
    cluster.elect("r1");
    cluster.server("r1").isCutOff = true;
    cluster.input("r1", { type: "read", id: 1 });
    cluster.tick(60);
    expect(served(cluster, "r1")).toEqual([]);
    expect(cluster.outcome(1)).toMatchObject({ ok: false, reason: "not-leader" });
  });

  test("is refused by a follower and forgotten when cancelled", () => {
    const cluster = createTestCluster();
    cluster.elect("r1");
    cluster.tick(1);
    cluster.input("r2", { type: "read", id: 1 });
    expect(cluster.outcome(1)).toMatchObject({ ok: false, reason: "not-leader", leader: "r1" });
    cluster.input("r1", { type: "read", id: 2 }, { type: "cancel", id: 2 });
    cluster.settle();
    expect(served(cluster, "r1")).toEqual([]);
    expect(cluster.outcome(2)).toBeUndefined();
  });
});
