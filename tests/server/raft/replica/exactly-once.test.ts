import { describe, expect, test } from "bun:test";
import type { Row } from "../../../../server/raft/replica/replica-api.ts";
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

  test("keeps the ids of a range of indexes in one row and forgets them together", () => {
    const ids = createRequestIds({ maxRequestIds: 2 });
    ids.remember("x", at(1));
    expect(ids.remember("a", at(63))).toEqual([
      {
        table: "request-id-groups",
        key: "0",
        value: [
          ["x", at(1)],
          ["a", at(63)],
        ],
      },
    ]);
    expect(ids.remember("b", at(64))).toEqual([{ table: "request-id-groups", key: "1", value: [["b", at(64)]] }]);
    expect(ids.remember("c", at(65))).toEqual([
      {
        table: "request-id-groups",
        key: "1",
        value: [
          ["b", at(64)],
          ["c", at(65)],
        ],
      },
      { table: "request-id-groups", key: "0" },
    ]);
    expect(["x", "a", "b", "c"].map((id) => ids.get(id)?.index)).toEqual([undefined, undefined, 64, 65]);
  });

  test("a row that was handed out does not change any more", () => {
    const ids = createRequestIds({ maxRequestIds: 10 });
    const [row] = ids.remember("x", at(1));
    ids.remember("a", at(2));
    expect(row?.value).toEqual([["x", at(1)]]);
  });

  test("keeps at least its bound, and less than a group more, however much passes through it", () => {
    const ids = createRequestIds({ maxRequestIds: 3 });
    for (let index = 1; index <= 1_000; index++) ids.remember(`id-${index}`, at(index));
    const known = Array.from({ length: 1_000 }, (_, i) => i + 1).filter(
      (index) => ids.get(`id-${index}`) !== undefined,
    );
    expect(known).toEqual(Array.from({ length: 1_000 - 960 + 1 }, (_, i) => 960 + i));
    expect(ids.fingerprint()).toBe("41@1000");
  });

  test("goes on alike on a member that was restored from rows in any order", () => {
    const original = createRequestIds({ maxRequestIds: 5 });
    const rows = new Map<string, Row>();
    const write = (ids: ReturnType<typeof createRequestIds>, index: number): readonly Row[] =>
      ids.remember(`id-${index}`, at(index));
    const note = (changed: readonly Row[]): void => {
      for (const row of changed) row.value === undefined ? rows.delete(row.key) : rows.set(row.key, row);
    };
    for (let index = 50; index < 200; index += 3) note(write(original, index));
    const restored = createRequestIds({ maxRequestIds: 5 });
    restored.restore([...rows.values()].toReversed().map((row) => JSON.parse(JSON.stringify(row))));
    expect(restored.fingerprint()).toBe(original.fingerprint());
    for (let index = 200; index < 400; index += 3) expect(write(restored, index)).toEqual(write(original, index));
  });

  test("takes over rows of one id each and deletes them with their group", () => {
    const ids = createRequestIds({ maxRequestIds: 2 });
    ids.restore([
      { table: "request-ids", key: "b", value: at(3) },
      { table: "request-ids", key: "z", value: at(2) },
    ]);
    expect(ids.get("z")).toEqual(at(2));
    expect(ids.remember("c", at(4))).toEqual([
      {
        table: "request-id-groups",
        key: "0",
        value: [
          ["z", at(2)],
          ["b", at(3)],
          ["c", at(4)],
        ],
      },
    ]);
    ids.remember("d", at(64));
    expect(ids.remember("e", at(65)).slice(1)).toEqual([
      { table: "request-id-groups", key: "0" },
      { table: "request-ids", key: "z" },
      { table: "request-ids", key: "b" },
    ]);
  });
});
