import { expect, test } from "bun:test";
import { Deadlines } from "../../../proxy/exchange/deadlines.ts";
import { createVirtualClock } from "../../fakes/virtual-clock.ts";
import { createRng } from "../../sim/random.ts";
import { testSeed } from "../http2/test-seed.ts";

test("every deadline is met once, never early, within 8 ms or a 32nd of its time", async () => {
  const seed = testSeed();
  const rng = createRng(seed);
  const clock = createVirtualClock(0);
  const deadlines = new Deadlines(clock);
  const late: { timeoutMs: number; tookMs: number }[] = [];
  const count = 2_000;
  for (let i = 0; i < count; i++) {
    const timeoutMs = rng.pick([rng.float(), rng.float() * 100, rng.float() * 10_000, rng.float() * 5e6]);
    const startMs = clock.monotonicMs();
    deadlines.add(timeoutMs, {
      onDeadline: () => late.push({ timeoutMs, tookMs: clock.monotonicMs() - startMs }),
    });
    if (rng.chance(0.1)) await clock.advance(rng.below(500));
  }
  await clock.advance(6e6);
  const outside = late.filter(
    ({ timeoutMs, tookMs }) => tookMs < timeoutMs || tookMs > timeoutMs + Math.max(8, timeoutMs / 32),
  );
  expect({ seed, met: late.length, outside, left: deadlines.size }).toEqual({ seed, met: count, outside: [], left: 0 });
  expect(clock.pendingTimers()).toBe(0);
});

test("one timer serves them all, and none is left when they are taken back", () => {
  const clock = createVirtualClock(0);
  const deadlines = new Deadlines(clock);
  const waiting = Array.from({ length: 500 }, (_, i) => {
    const one = { onDeadline: () => undefined };
    return { one, slotMs: deadlines.add(5_000 - i, one) };
  });
  expect(clock.pendingTimers()).toBe(1);
  // A 32nd of five seconds, rounded down to a power of two: few slots for many calls.
  expect(new Set(waiting.map(({ slotMs }) => slotMs)).size).toBeLessThan(10);
  for (const { one, slotMs } of waiting) deadlines.remove(slotMs, one);
  expect([deadlines.size, clock.pendingTimers()]).toEqual([0, 0]);
});

test("one that is taken back while others of its slot are told is not told", async () => {
  const clock = createVirtualClock(0);
  const deadlines = new Deadlines(clock);
  const told: string[] = [];
  const second = { onDeadline: () => told.push("second") };
  let slotMs = 0;
  deadlines.add(3, {
    onDeadline: () => {
      told.push("first");
      deadlines.remove(slotMs, second);
    },
  });
  slotMs = deadlines.add(3, second);
  await clock.advance(20);
  expect(told).toEqual(["first"]);
});

test("one that is added while others are told gets its own time", async () => {
  const clock = createVirtualClock(0);
  const deadlines = new Deadlines(clock);
  const told: number[] = [];
  const again = { onDeadline: () => told.push(clock.monotonicMs()) };
  deadlines.add(5, { onDeadline: () => void deadlines.add(5, again) });
  await clock.advance(100);
  expect(told).toEqual([16]);
});

test("a timeout beyond all timers of the system does not end at once", async () => {
  const clock = createVirtualClock(0);
  const deadlines = new Deadlines(clock);
  let told = 0;
  deadlines.add(99_999_999 * 3_600_000, { onDeadline: () => told++ });
  await clock.advance(20 * 86_400_000);
  expect(told).toBe(0);
  deadlines.stop();
  expect(clock.pendingTimers()).toBe(0);
});
