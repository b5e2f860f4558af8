import { expect, test } from "bun:test";
import { AtollError } from "../../../lib/contract/error-codes.ts";
import { logIndex } from "../../../lib/contract/ids.ts";
import { startExpiry } from "../../../server/expiry/expiry.ts";
import type { Leadership } from "../../../server/log/replicated-log.ts";
import { createVirtualClock } from "../../fakes/virtual-clock.ts";
import { createTestRuntime } from "../../fakes/test-runtime.ts";
import { kvCommand, sessionCreate } from "../state/kv-records.ts";
import { registerCommand } from "../state/records.ts";
import { createStateHarness } from "../state/state-harness.ts";

const minuteMs = 60_000;

function start() {
  const clock = createVirtualClock(1_000_000);
  const runtime = createTestRuntime({ clock });
  const harness = createStateHarness();
  const listeners = new Set<(leadership: Leadership) => void>();
  const proposed: string[] = [];
  let leadership: Leadership = { isLeader: true, leaderAddress: "a", peers: [], lastContactMs: 0 };
  let failure: AtollError | undefined;
  let beforeReadIndex: (() => Promise<void>) | undefined;
  const expiry = startExpiry({
    reader: harness.reader,
    watches: harness.state.watches,
    runtime,
    log: {
      async readIndex() {
        if (!leadership.isLeader) throw new AtollError("NO_LEADER", "No cluster leader");
        await beforeReadIndex?.();
        return logIndex(1);
      },
      leadership: () => leadership,
      onLeadershipChange(listener) {
        listeners.add(listener);
        return { close: () => listeners.delete(listener) };
      },
      async propose(command) {
        if (failure !== undefined) throw failure;
        proposed.push(command.type);
        return { index: logIndex(1), result: harness.apply(command) };
      },
    },
  });
  harness.accept(registerCommand("n"));
  return {
    clock,
    runtime,
    harness,
    expiry,
    proposed,
    /** Runs before the log says that everything committed is applied. */
    catchUpWith(step: () => Promise<void>) {
      beforeReadIndex = step;
    },
    fail(error: AtollError | undefined) {
      failure = error;
    },
    lead(isLeader: boolean) {
      leadership = { ...leadership, isLeader };
      for (const listener of listeners) listener(leadership);
    },
    close() {
      expiry.close();
      expect(clock.pendingTimers()).toBe(0);
      expect(harness.state.watches.watchCount()).toBe(0);
      expect(listeners.size).toBe(0);
    },
  };
}

test("a session ends at twice its TTL after it was last renewed", async () => {
  const { clock, harness, expiry, close } = start();
  harness.accept(sessionCreate("s", "n", { TTL: "10s", ttlMs: 10_000 }));
  harness.accept(sessionCreate("eternal", "n"));
  await expiry.renewSession("s");
  await clock.advance(19_000);
  expect((await expiry.renewSession("s"))?.ID).toBe("s");
  await clock.advance(19_000);
  expect(harness.reader.session("s").value).toBeDefined();
  await clock.advance(2_000);
  expect(harness.reader.session("s").value).toBeUndefined();
  expect(harness.reader.session("eternal").value).toBeDefined();
  expect(await expiry.renewSession("s")).toBeUndefined();
  close();
});

test("a new leader gives every session its whole time, and a follower ends none", async () => {
  const { clock, harness, lead, close } = start();
  harness.accept(sessionCreate("s", "n", { TTL: "10s", ttlMs: 10_000 }));
  await clock.advance(15_000);
  lead(false);
  await clock.advance(minuteMs);
  lead(true);
  await clock.advance(19_000);
  expect(harness.reader.session("s").value).toBeDefined();
  await clock.advance(3_000);
  expect(harness.reader.session("s").value).toBeUndefined();
  close();
});

test("a process that stood still gives the time back: nobody could renew", async () => {
  const { clock, harness, close } = start();
  harness.accept(sessionCreate("s", "n", { TTL: "10s", ttlMs: 10_000 }));
  await clock.advance(5_000);
  clock.stall(minuteMs);
  await clock.advance(5_000);
  expect(harness.reader.session("s").value).toBeDefined();
  await clock.advance(20_000);
  expect(harness.reader.session("s").value).toBeUndefined();
  close();
});

test("what could not be ended is ended at a later look", async () => {
  const { clock, runtime, harness, fail, close } = start();
  harness.accept(sessionCreate("s", "n", { TTL: "10s", ttlMs: 10_000 }));
  fail(new AtollError("UNAVAILABLE", "the queue is full"));
  await clock.advance(25_000);
  expect(harness.reader.session("s").value).toBeDefined();
  expect(runtime.lines.some((line) => line.includes("the queue is full"))).toBe(true);
  fail(undefined);
  await clock.advance(1_000);
  expect(harness.reader.session("s").value).toBeUndefined();
  close();
});

test("a key that was held is delayed on every server from the command that freed it on, and then no more", async () => {
  const { clock, harness, expiry, lead, close } = start();
  harness.accept(sessionCreate("s", "n", { lockDelayMs: 5_000 }));
  harness.accept(kvCommand("lock", "k", { session: "s" }));
  expect(await expiry.isDelayed("k")).toBe(false);
  lead(false);
  harness.accept({ type: "session-destroy", ids: ["s"] });
  await clock.advance(4_000);
  lead(true);
  expect(await expiry.isDelayed("k")).toBe(true);
  await clock.advance(1_000);
  expect(await expiry.isDelayed("k")).toBe(false);
  await clock.advance(1_000);
  expect(harness.reader.lockDelays()).toEqual([]);
  close();
});

test("a key with a TTL goes within a second of its end, unless it was written again", async () => {
  const { clock, harness, close } = start();
  const expiry = (ms: number) => ({ ttl: "3s", atMs: clock.nowMs() + ms });
  harness.accept(kvCommand("set", "a", { expiry: expiry(3_000) }));
  harness.accept(kvCommand("set", "b", { expiry: expiry(3_000) }));
  await clock.advance(2_500);
  harness.accept(kvCommand("set", "b", { expiry: expiry(3_000) }));
  await clock.advance(1_000);
  expect(harness.reader.kvKeys("", "").value).toEqual(["b"]);
  harness.accept(kvCommand("set", "b"));
  await clock.advance(minuteMs);
  expect(harness.reader.kvKeys("", "").value).toEqual(["b"]);
  close();
});

test("tombstones are forgotten 15 minutes later, and then nothing is proposed any more", async () => {
  const { clock, harness, proposed, close } = start();
  harness.accept(kvCommand("set", "a"));
  harness.accept(kvCommand("delete", "a"));
  await clock.advance(14 * minuteMs);
  harness.accept(kvCommand("set", "b"));
  harness.accept(kvCommand("delete", "b"));
  const { index } = harness.reader.kvEntry("b");
  expect(proposed).toEqual([]);
  await clock.advance(2 * minuteMs);
  expect(proposed).toEqual(["kv-reap"]);
  expect(harness.reader.newestTombstone()).toBe(index);
  await clock.advance(60 * minuteMs);
  expect(proposed).toEqual(["kv-reap", "kv-reap"]);
  expect(harness.reader.newestTombstone()).toBe(0);
  expect(harness.reader.kvEntry("b").index).toBe(index);
  close();
});

test("a new leader answers for sessions and locks when it has applied what was committed before it", async () => {
  const { harness, expiry, catchUpWith, lead, close } = start();
  lead(false);
  await expect(expiry.renewSession("s")).rejects.toMatchObject({ code: "NO_LEADER" });
  catchUpWith(async () => {
    await Promise.resolve();
    if (harness.reader.kvEntry("k").value !== undefined) return;
    harness.accept(sessionCreate("s", "n"));
    harness.accept(kvCommand("lock", "k", { session: "s" }));
    harness.accept({ type: "session-destroy", ids: ["s"] });
    harness.accept(sessionCreate("t", "n"));
  });
  lead(true);
  const answers = await Promise.all([expiry.renewSession("t"), expiry.isDelayed("k")]);
  expect(answers).toMatchObject([{ ID: "t" }, true]);
  close();
});
