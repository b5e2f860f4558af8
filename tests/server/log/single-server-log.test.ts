import { expect, test } from "bun:test";
import { createState } from "../../../server/state/state.ts";
import { maxEntryBytes, maxQueuedProposals } from "../../../server/log/proposal-queue.ts";
import { settle } from "../../fakes/virtual-clock.ts";
import { checkFields, registerCommand } from "../state/records.ts";
import { contents, numberedCommand, openLog } from "./log-harness.ts";
import { createMemoryStore } from "./memory-store.ts";

test("the first entry has index 2, so that a reader of the empty catalog sees it as a change", async () => {
  const { log, state } = await openLog(createMemoryStore());
  expect(state.reader.serviceInstances("s1").index).toBe(1);
  const { index, result } = await log.propose(numberedCommand(1));
  expect({ index: Number(index), result }).toEqual({ index: 2, result: { ok: true, applied: true } });
  expect(state.reader.serviceInstances("s1").index).toBe(2);
});

test("memory changes only after the entry is durable", async () => {
  const store = createMemoryStore();
  const { log, state } = await openLog(store);
  store.hold();
  const write = log.propose(numberedCommand(1));
  await settle();
  expect(state.reader.nodes().value).toEqual([]);
  store.release();
  await write;
  expect(state.reader.nodes().value).toHaveLength(1);
});

test("watchers are woken before the writer is answered", async () => {
  const { log, state } = await openLog(createMemoryStore());
  const events: string[] = [];
  state.watches.watch(["nodes"], () => events.push("woken"));
  await log.propose(numberedCommand(1)).then(() => events.push("answered"));
  expect(events).toEqual(["woken", "answered"]);
});

test("writes that arrive together or during a write share one batch, and one batch is in flight", async () => {
  const store = createMemoryStore();
  const { log } = await openLog(store);
  const before = store.batches.length;
  store.hold();
  const first = [1, 2, 3].map((i) => log.propose(numberedCommand(i)));
  await settle();
  const rest = Array.from({ length: 100 }, (_, i) => log.propose(numberedCommand(4 + i)));
  await settle();
  store.release();
  const indexes = (await Promise.all([...first, ...rest])).map(({ index }) => Number(index));
  expect(indexes).toEqual(Array.from({ length: 103 }, (_, i) => 2 + i));
  expect(store.batches.length - before).toBe(2);
  expect(store.maxInFlight()).toBe(1);
});

test("a command that the state refuses is an answer, takes an index and is replayed alike", async () => {
  const store = createMemoryStore();
  const { log, state } = await openLog(store);
  const refused = registerCommand("n1", { checks: [checkFields("n1", "up", { ServiceID: "nothing" })] });
  const { index, result } = await log.propose(refused);
  expect({ index: Number(index), isOk: result.ok }).toEqual({ index: 2, isOk: false });
  await log.propose(numberedCommand(1));
  expect(contents((await openLog(createMemoryStore(store.batches))).state)).toEqual(contents(state));
});

test("what a caller does to its command after proposing it has no effect", async () => {
  const { log, state } = await openLog(createMemoryStore());
  const tags = ["kept"];
  const command = numberedCommand(1);
  const write = log.propose({ ...command, ...(command.service && { service: { ...command.service, Tags: tags } }) });
  tags[0] = "changed";
  await write;
  expect([...state.reader.services().value.values()]).toEqual([["kept"]]);
});

test("a crash after any batch recovers exactly the state of the entries in it", async () => {
  const store = createMemoryStore();
  const { log, clock } = await openLog(store);
  const commands = Array.from({ length: 120 }, (_, i) =>
    i % 11 === 10 ? ({ type: "deregister", node: `n${i % 3}` } as const) : numberedCommand(i),
  );
  for (let i = 0; i < commands.length; i += 4) {
    await Promise.all(commands.slice(i, i + 4).map((command) => log.propose(command)));
    // Some rows go to the disk on their own, when the log is idle.
    if (i % 20 === 0) await clock.advance(100);
  }
  await log.stop();
  let replayedAfterAll = 0;
  for (let length = 1; length <= store.batches.length; length++) {
    const { state: recovered } = await openLog(createMemoryStore(store.batches.slice(0, length)));
    const applied = recovered.reader.appliedIndex();
    const expected = createState();
    for (const [i, command] of commands.slice(0, applied - 1).entries()) expected.apply(2 + i, command);
    expect([...recovered.dump()]).toEqual([...expected.dump()]);
    replayedAfterAll = applied;
  }
  expect(replayedAfterAll).toBe(1 + commands.length);
});

test("rows of applied entries reach the disk soon after the last write, without another one", async () => {
  const store = createMemoryStore();
  const { log, clock } = await openLog(store);
  await log.propose(numberedCommand(1));
  expect([...store.entries.keys()].some((key) => key.startsWith("row/services/"))).toBe(false);
  log.lead("127.0.0.1:8300");
  await clock.advance(100);
  expect([...store.entries.keys()].some((key) => key.startsWith("row/services/"))).toBe(true);
  const batches = store.batches.length;
  await clock.advance(10_000);
  expect(store.batches.length).toBe(batches);
  expect(clock.pendingTimers()).toBe(0);
});

test("entries far behind the applied index are deleted, and the rest recovers", async () => {
  const store = createMemoryStore();
  const { log, state } = await openLog(store);
  for (let i = 0; i < 6_000; i += 500) {
    await Promise.all(Array.from({ length: 500 }, (_, j) => log.propose(numberedCommand(i + j))));
  }
  await log.stop();
  const kept = [...store.entries.keys()].filter((key) => key.startsWith("log/"));
  expect(kept.length).toBeGreaterThanOrEqual(1_024);
  expect(kept.length).toBeLessThan(2_100);
  expect(contents((await openLog(createMemoryStore(store.batches))).state)).toEqual(contents(state));
});

test("a failed write leaves its own proposals unknown, refuses the queued ones and ends the log", async () => {
  const store = createMemoryStore();
  const { log, state, fatal } = await openLog(store);
  log.lead("127.0.0.1:8300");
  store.hold();
  const inFlight = log.propose(numberedCommand(1));
  await settle();
  const queued = log.propose(numberedCommand(2));
  await settle();
  store.failWith(new Error("disk on fire"));
  const outcomes = Promise.allSettled([inFlight, queued]);
  store.release();
  expect(await outcomes).toMatchObject([
    { status: "rejected", reason: { code: "UNKNOWN_OUTCOME", retryable: "unknown" } },
    { status: "rejected", reason: { code: "UNAVAILABLE" } },
  ]);
  await expect(log.propose(numberedCommand(3))).rejects.toMatchObject({ code: "UNAVAILABLE" });
  await expect(log.readIndex()).rejects.toMatchObject({ code: "UNAVAILABLE" });
  expect(fatal.map((error) => error.message)).toEqual(["the log cannot go on: disk on fire"]);
  expect(state.reader.nodes().value).toEqual([]);
  expect(log.leadership()).toMatchObject({ isLeader: false, leaderAddress: "" });
  await log.stop();
  expect(store.batches).toHaveLength(1);
  expect(store.isClosed()).toBe(true);
});

test("giving up on a queued write takes it back; on one in flight its outcome is unknown", async () => {
  const store = createMemoryStore();
  const { log, state } = await openLog(store);
  store.hold();
  const early = new AbortController();
  const late = new AbortController();
  const inFlight = log.propose(numberedCommand(1), early.signal);
  await settle();
  const queued = log.propose(numberedCommand(2), late.signal);
  const outcomes = Promise.allSettled([inFlight, queued]);
  early.abort();
  late.abort();
  expect(await outcomes).toMatchObject([
    { reason: { code: "UNKNOWN_OUTCOME" } },
    { reason: { code: "UNAVAILABLE", retryable: "yes" } },
  ]);
  store.release();
  await log.propose(numberedCommand(3));
  expect(state.reader.appliedIndex()).toBe(3);
  await expect(log.propose(numberedCommand(4), AbortSignal.abort())).rejects.toMatchObject({ code: "UNAVAILABLE" });
});

test("the queue and the size of one change are bounded", async () => {
  const store = createMemoryStore();
  const { log } = await openLog(store);
  const large = registerCommand("n1", { checks: [checkFields("n1", "up", { Output: "x".repeat(maxEntryBytes) })] });
  await expect(log.propose(large)).rejects.toMatchObject({ code: "TOO_LARGE" });
  store.hold();
  const writes = Array.from({ length: maxQueuedProposals }, (_, i) => log.propose(numberedCommand(i)));
  await expect(log.propose(numberedCommand(1))).rejects.toMatchObject({ code: "UNAVAILABLE", retryable: "yes" });
  store.release();
  await Promise.all(writes);
  expect((await log.propose(numberedCommand(1))).result.ok).toBe(true);
});

test("stopping writes what is queued, closes the store and takes nothing more", async () => {
  const store = createMemoryStore();
  const { log, state } = await openLog(store);
  const writes = Array.from({ length: 50 }, (_, i) => log.propose(numberedCommand(i)));
  const stopped = Promise.all([log.stop(), log.stop()]);
  await expect(log.propose(numberedCommand(51))).rejects.toMatchObject({ code: "UNAVAILABLE" });
  await Promise.all(writes);
  await stopped;
  expect(store.isClosed()).toBe(true);
  expect(contents((await openLog(createMemoryStore(store.batches))).state)).toEqual(contents(state));
});

test("a server alone leads from the moment it is told its address until it stops", async () => {
  const { log } = await openLog(createMemoryStore());
  const seen: boolean[] = [];
  log.onLeadershipChange(({ isLeader }) => seen.push(isLeader));
  expect(log.leadership()).toEqual({ isLeader: false, leaderAddress: "", peers: [], lastContactMs: 0 });
  log.lead("127.0.0.1:8300");
  expect(log.leadership()).toEqual({
    isLeader: true,
    leaderAddress: "127.0.0.1:8300",
    peers: ["127.0.0.1:8300"],
    lastContactMs: 0,
  });
  await log.stop();
  expect(seen[0]).toBe(true);
  expect(seen.at(-1)).toBe(false);
});

test("a read index covers every write that was acknowledged before", async () => {
  const { log } = await openLog(createMemoryStore());
  const { index } = await log.propose(numberedCommand(1));
  expect(await log.readIndex()).toBe(index);
});
