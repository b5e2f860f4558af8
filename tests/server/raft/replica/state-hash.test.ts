import { describe, expect, test } from "bun:test";
import type { Entry } from "../../../../server/raft/core/types.ts";
import { createStateHashes } from "../../../../server/raft/replica/state-hash.ts";
import { haltReasons } from "./messages.ts";
import { createTestCluster } from "./test-cluster.ts";

function writes(cluster: ReturnType<typeof createTestCluster>, count: number): void {
  const { lastIndex } = cluster.leader().replica.status;
  for (let i = lastIndex; i < lastIndex + count; i++) {
    cluster.propose(cluster.leader().id, `k${i}=v`, `req-${i}`);
    cluster.settle();
  }
  cluster.tick(3);
}

describe("hashes of the state", () => {
  test("agree on members that applied the same, and nobody stops", () => {
    const cluster = createTestCluster({ limits: { stateHashEvery: 10 } });
    cluster.elect("r1");
    writes(cluster, 60);
    for (const { effects, disk } of cluster.servers) {
      expect(haltReasons(effects)).toEqual([]);
      expect(disk.rows.filter(({ table }) => table === "state-hashes").length).toBeGreaterThan(1);
    }
  });

  test("stop the member that differs, with the reason, and the others go on", () => {
    const cluster = createTestCluster({ limits: { stateHashEvery: 10 } });
    cluster.elect("r1");
    writes(cluster, 5);
    cluster.server("r3").machine.corrupt();
    writes(cluster, 20);
    const [reason] = haltReasons(cluster.server("r3").effects);
    expect(reason).toStartWith("the state at index 10 differs from the leader's: hash ids2-v1:corrupt");
    expect(reason).toContain(
      "stop this server, wipe its data and let it join again; but when most of the servers say so",
    );
    expect(haltReasons(cluster.server("r2").effects)).toEqual([]);
    const write = cluster.propose("r1", "a=1");
    cluster.settle();
    expect(cluster.outcome(write)).toMatchObject({ ok: true });
  });

  test("stop the member again after a restart", () => {
    const cluster = createTestCluster({ limits: { stateHashEvery: 10 } });
    cluster.elect("r1");
    writes(cluster, 5);
    cluster.server("r3").machine.corrupt();
    // Its own hash is stored with a tick; the leader's arrives later.
    cluster.dropWhere((message) => message.type === "append" && message.to === "r3" && reaches(message.entries, 11));
    writes(cluster, 3);
    expect(haltReasons(cluster.server("r3").effects)).toEqual([]);
    cluster.dropWhere(() => false);
    cluster.tick(10);
    expect(haltReasons(cluster.server("r3").effects)).toHaveLength(1);
    cluster.restart("r3");
    cluster.tick(10);
    expect(haltReasons(cluster.server("r3").effects)).toHaveLength(2);
  });

  test("of another algorithm or of an index that this member did not hash are not compared", () => {
    const hashes = createStateHashes({ every: 10 });
    hashes.remember(10, "v1:abc");
    expect(hashes.compare({ index: 10, hash: "v2:xyz" })).toBeUndefined();
    expect(hashes.compare({ index: 20, hash: "v1:xyz" })).toBeUndefined();
    expect(hashes.compare({ index: 10, hash: "v1:xyz" })).toContain("differs");
  });

  test("are kept for the last few indexes", () => {
    const hashes = createStateHashes({ every: 10 });
    for (let index = 10; index <= 40; index += 10) hashes.remember(index, "v1:a");
    expect(hashes.remember(50, "v1:a")).toEqual([
      { table: "state-hashes", key: "50", value: "v1:a" },
      { table: "state-hashes", key: "10" },
    ]);
  });
});

function reaches(entries: readonly Entry[], index: number): boolean {
  return entries.some((entry) => entry.index >= index);
}
