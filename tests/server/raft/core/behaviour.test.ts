import { describe, expect, test } from "bun:test";
import { createRaftCore } from "../../../../server/raft/core/raft.ts";
import { defaultCoreConfig, type Message, type RaftCore } from "../../../../server/raft/core/types.ts";
import { createCore, freshLog, members, TestCluster } from "./test-cluster.ts";
import { seededRandom, testSeed } from "./test-seed.ts";

const abc = ["a", "b", "c"];

function isFrom(type: Message["type"], messages: readonly Message[]): readonly Message[] {
  return messages.filter((message) => message.type === type);
}

/** Ticks until the server campaigns; undefined when it does not within 100. */
function ticksToCampaign(core: RaftCore): number | undefined {
  for (let ticks = 1; ticks <= 100; ticks++) {
    core.tick();
    if (core.status.role !== "follower") return ticks;
  }
  return undefined;
}

describe("rule 4: the election timeout", () => {
  test(`is uniform in [T, 2T - 1] (seed ${testSeed})`, () => {
    const random = seededRandom(testSeed);
    const counts = new Map<number, number>();
    for (let i = 0; i < 2_000; i++) {
      const config = { ...defaultCoreConfig, id: "a", electionTicks: 5 };
      const ticks = ticksToCampaign(createRaftCore({ config, stored: freshLog(members(abc)), random })) ?? 0;
      counts.set(ticks, (counts.get(ticks) ?? 0) + 1);
    }
    expect([...counts.keys()].sort((x, y) => x - y)).toEqual([5, 6, 7, 8, 9]);
    for (const count of counts.values()) expect(count).toBeGreaterThan(250);
  });

  test("is drawn anew at each try", () => {
    const draws = [0, 0.5, 0.99];
    const config = { ...defaultCoreConfig, id: "a" };
    const core = createRaftCore({ config, stored: freshLog(members(abc)), random: () => draws.shift() ?? 0 });
    const starts: number[] = [];
    for (let tick = 1; tick <= 60; tick++) {
      core.tick();
      if (core.hasReady() && isFrom("pre-vote", core.takeReady().messages).length > 0) starts.push(tick);
    }
    expect(starts).toEqual([20, 50]);
  });
});

describe("rule 5: reads", () => {
  test("that wait are bounded", () => {
    const cluster = new TestCluster(members(abc), { maxPendingReads: 2 });
    cluster.elect("a");
    for (const id of [1, 2, 3]) cluster.core("a").readIndex(id);
    const ready = cluster.core("a").takeReady();
    expect(ready.rejectedReads).toEqual([3]);
    expect(isFrom("heartbeat", ready.messages)).toHaveLength(2);
  });

  test("of a single voter need nobody else", () => {
    const cluster = new TestCluster(members(["a"]));
    cluster.elect("a");
    cluster.core("a").readIndex(1);
    expect(cluster.core("a").takeReady().reads).toEqual([{ id: 1, index: 1 }]);
  });

  test("are not confirmed by learners", () => {
    const cluster = new TestCluster(members(abc, ["d", "e"]));
    cluster.elect("a");
    cluster.isOpen = ({ from, to }) => ![from, to].some((node) => node === "b" || node === "c");
    cluster.core("a").readIndex(1);
    cluster.settle();
    expect(cluster.servers.get("a")?.readies.flatMap(({ reads }) => reads)).toEqual([]);
  });
});

describe("rule 14: what has to be synced", () => {
  test("is entries, term and vote, not the commit index", () => {
    const cluster = new TestCluster(members(abc));
    cluster.elect("a");
    cluster.core("a").propose("x");
    cluster.settle();
    const readies = cluster.servers.get("b")?.readies ?? [];
    const written = readies.filter(({ entries, hardState }) => entries.length > 0 || hardState !== undefined);
    expect(written.map(({ entries, hardState, mustSync }) => [entries.length, hardState?.commit, mustSync])).toEqual([
      [0, 0, true],
      [1, undefined, true],
      [0, 1, false],
      [1, undefined, true],
      [0, 2, false],
    ]);
  });

  test("is the commit index, too, when it passes a change of the members (rule 12)", () => {
    const cluster = new TestCluster(members(abc));
    cluster.elect("a");
    cluster.core("a").proposeChange({ type: "change", steps: [{ action: "remove", node: "c" }] });
    cluster.settle();
    const last = cluster.servers.get("b")?.readies.findLast(({ hardState }) => hardState !== undefined);
    expect(last).toMatchObject({ entries: [], hardState: { commit: 2 }, mustSync: true });
  });
});

describe("rule 21: many proposals", () => {
  test("leave in one append per member and one write", () => {
    const cluster = new TestCluster(members(abc));
    cluster.elect("a");
    for (let i = 0; i < 100; i++) cluster.core("a").propose(`v${i}`);
    const ready = cluster.core("a").takeReady();
    expect(ready.entries).toHaveLength(100);
    expect(isFrom("append", ready.messages)).toHaveLength(2);
    expect(cluster.core("a").hasReady()).toBe(false);
  });

  test("are cut into appends of the size allowed, a larger entry alone", () => {
    const cluster = new TestCluster(members(["a", "b"]), { maxAppendBytes: 100 });
    cluster.elect("a");
    for (const data of ["x".repeat(10), "x".repeat(10), "x".repeat(500), "x"]) cluster.core("a").propose(data);
    const sizes = cluster
      .core("a")
      .takeReady()
      .messages.map((message) => (message.type === "append" ? message.entries.length : 0));
    expect(sizes).toEqual([2, 1, 1]);
  });

  test("a lost append is looked for once per heartbeat interval, however many rounds are answered", () => {
    const cluster = new TestCluster(members(["a", "b"]));
    cluster.elect("a");
    cluster.isOpen = ({ type }) => type !== "append";
    cluster.core("a").propose("lost");
    cluster.settle();
    for (let id = 1; id <= 20; id++) {
      cluster.core("a").readIndex(id);
      cluster.settle();
    }
    const appends = (): number =>
      (cluster.servers.get("a")?.readies ?? []).filter(({ messages }) => isFrom("append", messages).length > 0).length;
    const before = appends();
    cluster.tick(2);
    for (let id = 21; id <= 40; id++) {
      cluster.core("a").readIndex(id);
      cluster.settle();
    }
    expect(appends() - before).toBe(1);
  });
});

describe("rule 25: a snapshot", () => {
  test("is asked for once per try, and again after a failure and a sign of life", () => {
    const cluster = new TestCluster(members(abc));
    cluster.elect("a");
    cluster.isOpen = ({ to }) => to !== "c";
    for (let i = 0; i < 5; i++) cluster.core("a").propose(`v${i}`);
    cluster.settle();
    cluster.core("a").compact(5);
    cluster.isOpen = () => true;
    cluster.tick(10);
    const wanted = (): number =>
      (cluster.servers.get("a")?.readies ?? []).flatMap((ready) => ready.snapshotsWanted).length;
    expect(wanted()).toBe(1);
    expect(
      cluster
        .core("a")
        .progress()
        .find(({ node }) => node === "c"),
    ).toMatchObject({ state: "snapshot", match: 1 });
    cluster.core("a").reportSnapshot("c", { isSent: false, index: 0 });
    cluster.settle();
    expect(wanted()).toBe(1);
    cluster.tick(2);
    expect(wanted()).toBe(2);
  });

  test("that would take the state back ends everything", () => {
    const cluster = new TestCluster(members(abc));
    cluster.elect("a");
    cluster.core("a").propose("x");
    cluster.settle();
    const snapshot = { index: 1, term: 1, membership: members(abc) };
    expect(() => cluster.core("b").restoreSnapshot(snapshot)).toThrow("older than the state");
    expect(() => cluster.core("a").restoreSnapshot({ ...snapshot, index: 9 })).toThrow("a leader's state");
  });
});

describe("rule 11: a promotion", () => {
  const promote = { type: "change", steps: [{ action: "add-voter", node: "d", address: "d.test:8300" }] } as const;

  test("is refused for a learner that is not there", () => {
    const cluster = new TestCluster(members(abc, ["d"]));
    cluster.elect("a");
    cluster.isOpen = ({ from }) => from !== "d";
    cluster.tick(25);
    expect(cluster.core("a").proposeChange(promote)).toMatchObject({ ok: false, reason: "bad-change" });
    cluster.isOpen = () => true;
    cluster.tick(2);
    expect(cluster.core("a").proposeChange(promote)).toMatchObject({ ok: true });
  });
});

describe("rule 32: a message", () => {
  test("for somebody else, or from ourselves, has no effect", () => {
    const core = createCore("a", freshLog(members(abc)));
    const vote = { type: "vote", from: "b", to: "z", term: 5, lastIndex: 9, lastTerm: 5, isTransfer: false } as const;
    core.step(vote);
    core.step({ ...vote, from: "a", to: "a" });
    expect(core.hasReady()).toBe(false);
    core.step({ ...vote, to: "a" });
    expect(core.status.term).toBe(5);
  });
});

describe("two leaders in one term", () => {
  test("are impossible, and end everything", () => {
    const cluster = new TestCluster(members(abc));
    cluster.elect("a");
    const heartbeat = { type: "heartbeat", from: "b", to: "a", term: 1, commit: 0, round: 1 } as const;
    expect(() => cluster.core("a").step(heartbeat)).toThrow("two leaders in term 1");
  });
});

describe("a restart", () => {
  test("goes on from the applied index, with a commit index at least as high", () => {
    const entries = [1, 2, 3].map((index) => ({ index, term: 1, kind: "command", data: `v${index}` }) as const);
    const stored = {
      ...freshLog(members(abc)),
      entries,
      appliedIndex: 2,
      hardState: { term: 1, vote: "a", commit: 1 },
    };
    const core = createCore("a", stored);
    expect([core.appliedIndex, core.commitIndex, core.lastIndex, core.status.role]).toEqual([2, 2, 3, "follower"]);
    expect(core.takeReady().committed).toEqual([]);
  });

  test("with entries of a later term than the stored one is a broken disk", () => {
    const stored = { ...freshLog(members(abc)), entries: [{ index: 1, term: 7, kind: "empty" } as const] };
    expect(() => createCore("a", stored)).toThrow("the log ends in term 7");
  });
});
