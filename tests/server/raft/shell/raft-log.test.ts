import { afterAll, afterEach, expect, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { decodeEnvelope } from "../../../../server/raft/replica/envelope.ts";
import type { ReplicaLimits } from "../../../../server/raft/replica/replica-api.ts";
import { maxEntryBytes } from "../../../../server/raft/shell/raft-log.ts";
import { recoverLog } from "../../../../server/raft/shell/recover-log.ts";
import { createState } from "../../../../server/state/state.ts";
import { createTempDir } from "../../../fakes/temp-dir.ts";
import { createMemoryStore, type MemoryStore } from "../../log/memory-store.ts";
import { contents, numberedCommand } from "../../log/numbered-command.ts";
import { checkFields, registerCommand } from "../../state/records.ts";
import { lead, type OneServer, openOneServer, ownAddress, pass, turns } from "./one-server.ts";

const temp = createTempDir();
afterAll(() => temp[Symbol.dispose]());
let directories = 0;
let running: OneServer[] = [];
afterEach(async () => {
  for (const { log } of running) await log.stop();
  running = [];
});

async function open(store: MemoryStore, limits: Partial<ReplicaLimits> = {}): Promise<OneServer> {
  const directory = join(temp.path, String(directories++));
  mkdirSync(directory);
  const server = await openOneServer({ store, directory, limits });
  running.push(server);
  return server;
}

async function start(store: MemoryStore, limits: Partial<ReplicaLimits> = {}): Promise<OneServer> {
  const server = await open(store, limits);
  server.log.advertise(ownAddress);
  await lead(server);
  return server;
}

/** How many batches carry entries of the log. */
function entryBatches(store: MemoryStore): number {
  return store.batches.filter((batch) => batch.some(({ type, key }) => type === "put" && key.startsWith("entry/")))
    .length;
}

test("memory changes only after the entry is durable", async () => {
  const store = createMemoryStore();
  const { log, state } = await start(store);
  store.hold();
  const write = log.propose(numberedCommand(1));
  await turns();
  expect(state.reader.nodes().value).toEqual([]);
  store.release();
  await write;
  expect(state.reader.nodes().value).toHaveLength(1);
});

test("watchers are woken before the writer is answered", async () => {
  const { log, state } = await start(createMemoryStore());
  const events: string[] = [];
  state.watches.watch(["nodes"], () => events.push("woken"));
  await log.propose(numberedCommand(1)).then(() => events.push("answered"));
  expect(events).toEqual(["woken", "answered"]);
});

test("writes that arrive together or during a write share one batch, and one batch is in flight", async () => {
  const store = createMemoryStore();
  const { log } = await start(store);
  const before = entryBatches(store);
  store.hold();
  const first = [1, 2, 3].map((i) => log.propose(numberedCommand(i)));
  await turns();
  const rest = Array.from({ length: 100 }, (_, i) => log.propose(numberedCommand(4 + i)));
  await turns();
  store.release();
  const indexes = (await Promise.all([...first, ...rest])).map(({ index }) => Number(index));
  const [firstIndex = 0] = indexes;
  expect(indexes).toEqual(Array.from({ length: 103 }, (_, i) => firstIndex + i));
  expect(entryBatches(store) - before).toBe(2);
  expect(store.maxInFlight()).toBe(1);
});

test("a command that the state refuses is an answer, takes an index and is replayed alike", async () => {
  const store = createMemoryStore();
  const { log, state } = await start(store);
  const refused = registerCommand("n1", { checks: [checkFields("n1", "up", { ServiceID: "nothing" })] });
  const { index, result } = await log.propose(refused);
  expect(result.ok).toBe(false);
  expect(Number((await log.propose(numberedCommand(1))).index)).toBe(Number(index) + 1);
  const replayed = await start(createMemoryStore(store.batches));
  expect([...replayed.state.dump()]).toEqual([...state.dump()]);
});

test("what a caller does to its command after proposing it has no effect", async () => {
  const { log, state } = await start(createMemoryStore());
  const tags = ["kept"];
  const command = numberedCommand(1);
  const write = log.propose({ ...command, ...(command.service && { service: { ...command.service, Tags: tags } }) });
  tags[0] = "changed";
  await write;
  expect([...state.reader.services().value.values()]).toEqual([["kept"]]);
});

test("a crash after any batch recovers exactly the state of the entries in it", async () => {
  const store = createMemoryStore();
  const { log, clock } = await start(store);
  const commands = Array.from({ length: 120 }, (_, i) =>
    i % 11 === 10 ? ({ type: "deregister", node: `n${i % 3}` } as const) : numberedCommand(i),
  );
  const byIndex = new Map<number, (typeof commands)[number]>();
  for (let i = 0; i < commands.length; i += 4) {
    await Promise.all(
      commands.slice(i, i + 4).map(async (command) => byIndex.set(Number((await log.propose(command)).index), command)),
    );
    // Some rows go to the disk on their own, when the log is idle.
    if (i % 20 === 0) await pass(clock, 100);
  }
  await log.stop();
  let recoveredLast = 0;
  let replayed = 0;
  for (let length = 1; length <= store.batches.length; length++) {
    const recovered = await recoverLog(createMemoryStore(store.batches.slice(0, length)), {
      directory: "/the/data",
      expected: { datacenter: "dc1" },
    });
    if (recovered === undefined) throw new Error("the seed is the first batch");
    const { appliedIndex, last } = recovered.bounds;
    const found = createState();
    found.restore(appliedIndex, recovered.rows);
    for (const entry of recovered.entries) {
      if (entry.kind !== "command" || entry.index <= appliedIndex) continue;
      const envelope = decodeEnvelope(entry.data);
      if (envelope.type !== "command") continue;
      found.apply(entry.index, JSON.parse(envelope.command));
      replayed++;
    }
    const expected = createState();
    for (const [index, command] of byIndex) if (index <= last.index) expected.apply(index, command);
    expect([...found.dump()]).toEqual([...expected.dump()]);
    recoveredLast = last.index;
  }
  expect(recoveredLast).toBe(Math.max(...byIndex.keys()));
  expect(replayed).toBeGreaterThan(0);
});

test("rows of applied entries reach the disk soon after the last write, without another one", async () => {
  const store = createMemoryStore();
  const { log, clock } = await start(store);
  const hasRows = (): boolean => [...store.entries.keys()].some((key) => /^state\/\d+\/services\//.test(key));
  await log.propose(numberedCommand(1));
  expect(hasRows()).toBe(false);
  await pass(clock, 100);
  expect(hasRows()).toBe(true);
  const batches = store.batches.length;
  await pass(clock, 10_000);
  expect(store.batches.length).toBe(batches);
});

test("a failed write leaves every write that was accepted unknown, ends the log and takes nothing more", async () => {
  const store = createMemoryStore();
  const { log, state, fatal } = await start(store);
  const batches = store.batches.length;
  store.hold();
  const inFlight = log.propose(numberedCommand(1));
  await turns();
  const queued = log.propose(numberedCommand(2));
  await turns();
  store.failWith(new Error("disk on fire"));
  const outcomes = Promise.allSettled([inFlight, queued]);
  store.release();
  expect(await outcomes).toMatchObject([
    { status: "rejected", reason: { code: "UNKNOWN_OUTCOME", retryable: "unknown" } },
    { status: "rejected", reason: { code: "UNKNOWN_OUTCOME", retryable: "unknown" } },
  ]);
  await expect(log.propose(numberedCommand(3))).rejects.toMatchObject({ code: "UNAVAILABLE" });
  await expect(log.readIndex()).rejects.toMatchObject({ code: "UNAVAILABLE" });
  expect(fatal.map((error) => error.message)).toEqual([expect.stringContaining("disk on fire")]);
  expect(state.reader.nodes().value).toEqual([]);
  expect(log.leadership()).toMatchObject({ isLeader: false, leaderAddress: "" });
  await log.stop();
  expect(store.batches).toHaveLength(batches);
  expect(store.isClosed()).toBe(true);
});

test("giving up before the write takes it back; giving up on one that was accepted leaves it unknown", async () => {
  const store = createMemoryStore();
  const { log, state } = await start(store);
  await expect(log.propose(numberedCommand(4), AbortSignal.abort())).rejects.toMatchObject({
    code: "UNAVAILABLE",
    retryable: "yes",
  });
  store.hold();
  const giveUp = new AbortController();
  const inFlight = log.propose(numberedCommand(1), giveUp.signal);
  await turns();
  const outcome = Promise.allSettled([inFlight]);
  giveUp.abort();
  expect(await outcome).toMatchObject([{ reason: { code: "UNKNOWN_OUTCOME" } }]);
  store.release();
  await log.propose(numberedCommand(2));
  // It did take effect; the one that was taken back did not.
  expect(state.reader.nodes().value).toHaveLength(2);
});

test("the queue and the size of one change are bounded", async () => {
  const store = createMemoryStore();
  const { log } = await start(store, { maxQueuedProposals: 100 });
  const large = registerCommand("n1", { checks: [checkFields("n1", "up", { Output: "x".repeat(maxEntryBytes) })] });
  await expect(log.propose(large)).rejects.toMatchObject({ code: "TOO_LARGE" });
  store.hold();
  const writes = Array.from({ length: 100 }, (_, i) => log.propose(numberedCommand(i)));
  await expect(log.propose(numberedCommand(1))).rejects.toMatchObject({ code: "UNAVAILABLE", retryable: "yes" });
  store.release();
  await Promise.all(writes);
  expect((await log.propose(numberedCommand(1))).result.ok).toBe(true);
});

test("stopping writes what is queued, closes the store and takes nothing more", async () => {
  const store = createMemoryStore();
  const { log, state } = await start(store);
  const writes = Array.from({ length: 50 }, (_, i) => log.propose(numberedCommand(i)));
  const stopped = Promise.all([log.stop(), log.stop()]);
  await expect(log.propose(numberedCommand(51))).rejects.toMatchObject({ code: "UNAVAILABLE" });
  await Promise.all(writes);
  await stopped;
  expect(store.isClosed()).toBe(true);
  const again = await open(createMemoryStore(store.batches));
  expect(contents(again.state)).toEqual(contents(state));
});

test("a server alone leads from the moment it is told its address until it stops", async () => {
  const server = await open(createMemoryStore());
  const { log } = server;
  const seen: boolean[] = [];
  log.onLeadershipChange(({ isLeader }) => seen.push(isLeader));
  await server.clock.advance(5_000);
  expect(log.leadership()).toMatchObject({ isLeader: false, leaderAddress: "" });
  log.advertise(ownAddress);
  await lead(server);
  expect(log.leadership()).toMatchObject({ isLeader: true, leaderAddress: ownAddress, peers: [ownAddress] });
  await log.stop();
  expect(seen).toContain(true);
  expect(seen.at(-1)).toBe(false);
});

test("a read index covers every write that was acknowledged before", async () => {
  const { log } = await start(createMemoryStore());
  const { index } = await log.propose(numberedCommand(1));
  expect(await log.readIndex()).toBe(index);
});

test("a change of the membership waits for the one before it instead of being refused", async () => {
  const store = createMemoryStore();
  const { log, clock } = await start(store);
  store.hold();
  const first = log.operator.addLearner({ node: "n2", address: "h:2" });
  const second = log.operator.addLearner({ node: "n3", address: "h:3" });
  await turns();
  store.release();
  await first;
  await pass(clock, 50);
  await second;
  expect(log.operator.status().membership.learners).toEqual(["n2", "n3"]);
});

test("a change that waits for another one in vain is refused, and says that nothing was changed", async () => {
  const store = createMemoryStore();
  const { log, clock } = await start(store, { diskStallTicks: 1_000 });
  store.hold();
  void log.operator.addLearner({ node: "n2", address: "h:2" });
  const second = Promise.allSettled([log.operator.addLearner({ node: "n3", address: "h:3" })]);
  for (let waits = 0; waits < 80; waits++) await pass(clock, 50);
  expect(await second).toMatchObject([
    { reason: { code: "CONFLICT", message: expect.stringContaining("not applied") } },
  ]);
  store.release();
});
