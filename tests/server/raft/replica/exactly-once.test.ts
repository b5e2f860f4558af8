import { describe, expect, test } from "bun:test";
import { createRequestIds } from "../../../../server/raft/replica/request-ids.ts";
import { createTestCluster } from "./test-cluster.ts";

describe("a write with a request id", () => {
  test("that is retried has one effect and the same answer", () => {
    const cluster = createTestCluster();
    cluster.elect("r1");
    const first = cluster.propose("r1", "a=1", "req-1");
    cluster.settle();
    const retry = cluster.propose("r1", "a=1", "req-1");
    cluster.settle();
    expect(cluster.outcome(retry)).toEqual(cluster.outcome(first));
    expect(cluster.outcome(retry)).toMatchObject({ ok: true, result: { count: 1 } });
    expect(cluster.server("r1").machine.applied).toEqual(["a=1"]);
  });

  test("that is retried while it is under way waits for the first and appends nothing", () => {
    const cluster = createTestCluster();
    cluster.elect("r1");
    const first = cluster.propose("r1", "a=1", "req-1");
    const { lastIndex } = cluster.server("r1").replica.status;
    const retry = cluster.propose("r1", "a=1", "req-1");
    expect(cluster.server("r1").replica.status.lastIndex).toBe(lastIndex);
    expect(cluster.outcome(retry)).toBeUndefined();
    cluster.settle();
    expect(cluster.outcome(retry)).toEqual(cluster.outcome(first));
    expect(cluster.outcome(retry)).toMatchObject({ ok: true });
  });

  test("has one effect when the leader dies before answering and the client asks the next one", () => {
    const cluster = createTestCluster();
    cluster.elect("r1");
    cluster.dropWhere(({ type, to }) => type === "append-response" && to === "r1");
    const first = cluster.propose("r1", "a=1", "req-1");
    cluster.settle();
    cluster.crash("r1");
    cluster.dropWhere(() => false);
    cluster.tick(60);
    const { id, machine } = cluster.leader();
    const retry = cluster.propose(id, "a=1", "req-1");
    cluster.settle();
    expect(cluster.outcome(first)).toBeUndefined();
    expect(cluster.outcome(retry)).toMatchObject({ ok: true, result: { count: 1 } });
    expect(machine.applied).toEqual(["a=1"]);
  });

  test("has one effect when both copies are in the log", () => {
    const cluster = createTestCluster();
    cluster.elect("r1");
    cluster.dropWhere(({ type, to }) => type === "append-response" && to === "r1");
    cluster.propose("r1", "a=1", "req-1");
    cluster.settle();
    cluster.server("r1").isCutOff = true;
    // r2 leads with the first copy uncommitted, so that the retry becomes a second entry.
    cluster.dropWhere(({ type }) => type === "append");
    cluster.elect("r2");
    const retry = cluster.propose("r2", "a=1", "req-1");
    cluster.dropWhere(() => false);
    cluster.tick(5);
    expect(cluster.outcome(retry)).toMatchObject({ ok: true, result: { count: 1 } });
    expect(cluster.server("r3").machine.applied).toEqual(["a=1"]);
    const copies = cluster
      .server("r3")
      .disk.stored.entries.filter((entry) => entry.kind === "command" && entry.data.includes("req-1"));
    expect(copies).toHaveLength(2);
  });

  test("is remembered by a restart", () => {
    const cluster = createTestCluster();
    cluster.elect("r1");
    const first = cluster.propose("r1", "a=1", "req-1");
    cluster.tick(3);
    for (const { id } of cluster.servers) cluster.crash(id);
    for (const { id } of cluster.servers) cluster.restart(id);
    cluster.tick(60);
    const retry = cluster.propose(cluster.leader().id, "a=1", "req-1");
    cluster.settle();
    expect(cluster.outcome(retry)).toEqual(cluster.outcome(first));
    expect(cluster.leader().machine.applied).toEqual([]);
  });

  test("is remembered by a server that got it in a snapshot", () => {
    const cluster = createTestCluster({ limits: { trailingEntries: 0 } });
    cluster.elect("r1");
    cluster.server("r3").isCutOff = true;
    const first = cluster.propose("r1", "a=1", "req-1");
    for (let i = 0; i < 200; i++) cluster.propose("r1", `k${i}=v`);
    cluster.tick(60);
    expect(cluster.server("r1").replica.status.firstIndex).toBeGreaterThan(100);
    cluster.server("r3").isCutOff = false;
    cluster.tick(10);
    expect(cluster.server("r3").effects.some(({ type }) => type === "install-snapshot")).toBe(true);
    cluster.elect("r3");
    const retry = cluster.propose("r3", "a=1", "req-1");
    cluster.settle();
    expect(cluster.outcome(retry)).toEqual(cluster.outcome(first));
  });
});

describe("the table of request ids", () => {
  const at = (index: number) => ({ index, result: null });

  test("forgets the oldest by log order and says so in rows", () => {
    const ids = createRequestIds({ maxRequestIds: 2 });
    ids.remember("x", at(1));
    ids.remember("a", at(2));
    expect(ids.remember("b", at(3))).toEqual([
      { table: "request-ids", key: "b", value: at(3) },
      { table: "request-ids", key: "x" },
    ]);
    expect(["x", "a", "b"].map((id) => ids.get(id)?.index)).toEqual([undefined, 2, 3]);
  });

  test("stays within its bound however much passes through it", () => {
    const ids = createRequestIds({ maxRequestIds: 3 });
    for (let index = 1; index <= 1_000; index++) ids.remember(`id-${index}`, at(index));
    const known = Array.from({ length: 1_000 }, (_, i) => i + 1).filter(
      (index) => ids.get(`id-${index}`) !== undefined,
    );
    expect(known).toEqual([998, 999, 1_000]);
    expect(ids.fingerprint()).toBe("3@1000");
  });

  test("forgets in the same order after it was restored from rows in any order", () => {
    const ids = createRequestIds({ maxRequestIds: 2 });
    ids.restore([
      { table: "request-ids", key: "b", value: at(3) },
      { table: "request-ids", key: "z", value: at(2) },
    ]);
    ids.remember("c", at(4));
    expect(["z", "b", "c"].map((id) => ids.get(id)?.index)).toEqual([undefined, 3, 4]);
  });
});
