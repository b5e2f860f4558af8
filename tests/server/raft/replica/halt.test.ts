import { describe, expect, test } from "bun:test";
import type { Entry } from "../../../../server/raft/core/types.ts";
import { append, batchesOf, haltReasons, messageInput, voteRequest } from "./messages.ts";
import { createTestCluster } from "./test-cluster.ts";

function follower() {
  const cluster = createTestCluster();
  cluster.dropWhere(() => true);
  return { cluster, input: (...inputs: Parameters<typeof cluster.input>[1][]) => cluster.input("r1", ...inputs) };
}

/** Appends and commits `data` on r1 as entry 2. */
function commitOnFollower(data: string) {
  const { cluster, input } = follower();
  const entry: Entry = { index: 2, term: 2, kind: "command", data };
  input(append({ term: 2, prevIndex: 1, prevTerm: 1, entries: [entry], commit: 2 }));
  cluster.settle();
  return cluster.server("r1");
}

describe("a server stops", () => {
  test("when its disk fails, and does nothing afterwards", () => {
    const { cluster, input } = follower();
    const effects = input({ type: "store-failed", message: "EIO" });
    expect(haltReasons(effects)).toEqual(["the disk failed: EIO"]);
    expect(cluster.server("r1").replica.status.isHalted).toBe(true);
    expect(input(voteRequest(7))).toEqual([]);
  });

  test("when the leader counts on entries that its log does not hold", () => {
    const { input } = follower();
    const effects = input(messageInput({ type: "heartbeat", from: "r2", to: "r1", term: 2, commit: 7, round: 1 }));
    expect(haltReasons(effects)).toEqual(["entries up to 7 were acknowledged, the log ends at 1: the disk lost some"]);
  });

  test.each([
    ['{"version":2}\na=1', "its version is 2, this server reads 1"],
    ['{"version":1,"sealed":true}\na=1', "its header has fields this server does not know: sealed"],
    ["a=1", "it has no header"],
    ["no\na=1", "its header is not JSON"],
  ])("at an entry that it cannot read: %p", (data, reason) => {
    const { effects, machine } = commitOnFollower(data);
    expect(haltReasons(effects)).toEqual([`entry 2 cannot be read: ${reason}; upgrade this server`]);
    expect(machine.applied).toEqual([]);
    expect(batchesOf(effects).every(({ appliedIndex }) => appliedIndex < 2)).toBe(true);
  });
});

describe("strangers", () => {
  test("messages of another cluster are dropped and counted, never followed", () => {
    const { cluster, input } = follower();
    const message = {
      type: "vote",
      from: "r2",
      to: "r1",
      term: 9,
      lastIndex: 9,
      lastTerm: 8,
      isTransfer: true,
    } as const;
    const effects = input({ type: "message", clusterId: "another", message });
    expect(batchesOf(effects)).toEqual([]);
    expect(cluster.server("r1").replica.status).toMatchObject({ term: 1, foreignMessages: 1, isHalted: false });
  });

  test("a message for a server that had the address before is dropped", () => {
    const { cluster, input } = follower();
    input(messageInput({ type: "heartbeat", from: "r2", to: "r0", term: 9, commit: 50, round: 1 }));
    expect(cluster.server("r1").replica.status).toMatchObject({ term: 1, isHalted: false });
  });
});
