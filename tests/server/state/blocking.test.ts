import { expect, test } from "bun:test";
import { createBlockingReader } from "../../../server/state/blocking.ts";
import { createState } from "../../../server/state/state.ts";
import { createVirtualClock, settle } from "../../fakes/virtual-clock.ts";
import { deregisterCommand, registerCommand, serviceFields } from "./records.ts";
import { createStateHarness, type StateHarness } from "./state-harness.ts";
import type { Read, StateReader } from "../../../server/state/reader.ts";

function createBlocking(harness: StateHarness) {
  const clock = createVirtualClock(0);
  const blocking = createBlockingReader({ reader: harness.reader, watches: harness.state.watches, clock });
  return { clock, blocking };
}

const webInstances = (reader: StateReader) => reader.serviceInstances("web");

/** Whether a promise has settled once everything that can run has run. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  void promise.then(
    () => {
      settled = true;
    },
    () => {
      settled = true;
    },
  );
  await settle();
  return settled;
}

test("a read with index 0, an older index or no wait answers at once", async () => {
  const harness = createStateHarness();
  const index = harness.accept(registerCommand("n1", { service: serviceFields("web") }));
  const { blocking } = createBlocking(harness);
  for (const options of [
    { minIndex: 0, waitMs: 1000 },
    { minIndex: index - 1, waitMs: 1000 },
    { minIndex: index, waitMs: 0 },
    { minIndex: index, waitMs: 1000, signal: AbortSignal.abort() },
  ]) {
    expect((await blocking.read(webInstances, options)).index).toBe(index);
  }
  expect(harness.state.watches.watchCount()).toBe(0);
});

test("a blocked read wakes with the change, and only with a change of what it reads", async () => {
  const harness = createStateHarness();
  const minIndex = harness.accept(registerCommand("n1", { service: serviceFields("web") }));
  const { blocking, clock } = createBlocking(harness);
  let queries = 0;
  const query = (reader: StateReader): Read<unknown> => {
    queries++;
    return reader.serviceInstances("web");
  };
  const read = blocking.read(query, { minIndex, waitMs: 60_000 });
  for (let i = 0; i < 20; i++) harness.accept(registerCommand("n1", { service: serviceFields("api", { Port: i }) }));
  expect(await isSettled(read)).toBe(false);
  expect(queries).toBe(1);
  const index = harness.accept(registerCommand("n1", { service: serviceFields("web", { Port: 1 }) }));
  expect((await read).index).toBe(index);
  expect(queries).toBe(2);
  expect(harness.state.watches.watchCount()).toBe(0);
  expect(clock.pendingTimers()).toBe(0);
});

test("a timeout answers with the same value and the same index", async () => {
  const harness = createStateHarness();
  const minIndex = harness.accept(registerCommand("n1", { service: serviceFields("web") }));
  const { blocking, clock } = createBlocking(harness);
  const read = blocking.read(webInstances, { minIndex, waitMs: 5_000 });
  harness.accept(registerCommand("n2"));
  await clock.advance(4_999);
  expect(await isSettled(read)).toBe(false);
  await clock.advance(1);
  expect(await read).toMatchObject({ index: minIndex, value: [{ Node: { Node: "n1" } }] });
  expect(harness.state.watches.watchCount()).toBe(0);
});

test("an aborted read ends early and leaves nothing behind", async () => {
  const harness = createStateHarness();
  const minIndex = harness.accept(registerCommand("n1", { service: serviceFields("web") }));
  const { blocking, clock } = createBlocking(harness);
  const abort = new AbortController();
  const read = blocking.read(webInstances, { minIndex, waitMs: 5_000, signal: abort.signal });
  await settle();
  expect(harness.state.watches.watchCount()).toBe(1);
  abort.abort();
  expect((await read).index).toBe(minIndex);
  expect(harness.state.watches.watchCount()).toBe(0);
  expect(clock.pendingTimers()).toBe(0);
});

test("a read of a missing service keeps blocking while others come and go, and wakes when it appears", async () => {
  const harness = createStateHarness();
  const { blocking } = createBlocking(harness);
  const minIndex = harness.reader.serviceInstances("web").index;
  const read = blocking.read(webInstances, { minIndex, waitMs: 60_000 });
  harness.accept(registerCommand("n1", { service: serviceFields("api") }));
  harness.accept(deregisterCommand("n1"));
  expect(await isSettled(read)).toBe(false);
  const index = harness.accept(registerCommand("n1", { service: serviceFields("web") }));
  expect(await read).toMatchObject({ index, value: [{ Service: { Service: "web" } }] });
});

test("a blocked read wakes when the last instance goes", async () => {
  const harness = createStateHarness();
  const minIndex = harness.accept(registerCommand("n1", { service: serviceFields("web") }));
  const { blocking } = createBlocking(harness);
  const read = blocking.read(webInstances, { minIndex, waitMs: 60_000 });
  const index = harness.accept(deregisterCommand("n1"));
  expect(await read).toMatchObject({ index, value: [] });
});

test("a change that comes before the client asks again is not lost", async () => {
  const harness = createStateHarness();
  const { blocking } = createBlocking(harness);
  const first = await blocking.read(webInstances, { minIndex: 0, waitMs: 0 });
  const index = harness.accept(registerCommand("n1", { service: serviceFields("web") }));
  expect((await blocking.read(webInstances, { minIndex: first.index, waitMs: 60_000 })).index).toBe(index);
});

test("what a query watches may change with what it finds", async () => {
  const harness = createStateHarness();
  harness.accept(registerCommand("n1", { service: serviceFields("pointer", { Tags: ["web"] }) }));
  const { blocking } = createBlocking(harness);
  // Follows the tag of one service to another: its index stays behind on purpose.
  const follow = (reader: StateReader): Read<string> => {
    const pointer = reader.serviceInstances("pointer");
    const target = pointer.value[0]?.Service.Tags[0] ?? "";
    const found = reader.serviceInstances(target);
    return { index: found.index, value: target, watch: [...pointer.watch, ...found.watch] };
  };
  const read = blocking.read(follow, { minIndex: 3, waitMs: 60_000 });
  harness.accept(registerCommand("n1", { service: serviceFields("pointer", { Tags: ["api"] }) }));
  expect(await isSettled(read)).toBe(false);
  const index = harness.accept(registerCommand("n1", { service: serviceFields("api") }));
  expect(await read).toMatchObject({ index, value: "api" });
  expect(harness.state.watches.watchCount()).toBe(0);
});

test("a wake-up that does not move the index past the client's keeps it blocked", async () => {
  const harness = createStateHarness();
  const { blocking } = createBlocking(harness);
  let index = 7;
  const query = (reader: StateReader): Read<number> => ({ index, value: reader.appliedIndex(), watch: ["nodes"] });
  const read = blocking.read(query, { minIndex: 7, waitMs: 60_000 });
  harness.accept(registerCommand("n1"));
  expect(await isSettled(read)).toBe(false);
  index = 8;
  const applied = harness.accept(registerCommand("n2"));
  expect(await read).toMatchObject({ index: 8, value: applied });
});

test("a query that throws while blocked rejects and leaves nothing behind", async () => {
  const harness = createStateHarness();
  const minIndex = harness.accept(registerCommand("n1", { service: serviceFields("web") }));
  const { blocking, clock } = createBlocking(harness);
  let queries = 0;
  const query = (reader: StateReader): Read<unknown> => {
    queries++;
    if (queries > 1) throw new Error("gone");
    return reader.serviceInstances("web");
  };
  const read = blocking.read(query, { minIndex, waitMs: 60_000 });
  harness.accept(deregisterCommand("n1"));
  await expect(read).rejects.toThrow("gone");
  expect(harness.state.watches.watchCount()).toBe(0);
  expect(clock.pendingTimers()).toBe(0);
});

test("one watcher too many is refused with RATE_LIMITED, and a place that becomes free is given away", async () => {
  const harness = createStateHarness(createState({ maxWatches: 2 }));
  const { blocking, clock } = createBlocking(harness);
  const wait = () => blocking.read(webInstances, { minIndex: 1, waitMs: 1_000 });
  const held = [wait(), wait()];
  await expect(wait()).rejects.toMatchObject({ code: "RATE_LIMITED" });
  await clock.advance(1_000);
  await Promise.all(held);
  const again = wait();
  expect(await isSettled(again)).toBe(false);
  await clock.advance(1_000);
  await again;
});

test("10,000 watchers of one service share one read and are all woken by one commit", async () => {
  const harness = createStateHarness();
  const minIndex = harness.accept(registerCommand("n1", { service: serviceFields("web") }));
  const { blocking } = createBlocking(harness);
  const reads = Array.from({ length: 10_000 }, () => blocking.read(webInstances, { minIndex, waitMs: 60_000 }));
  await settle();
  const startMs = performance.now();
  const index = harness.accept(registerCommand("n1", { service: serviceFields("web", { Port: 1 }) }));
  const answers = await Promise.all(reads);
  expect(performance.now() - startMs).toBeLessThan(1_000);
  expect(new Set(answers).size).toBe(1);
  expect(answers[0]?.index).toBe(index);
});
