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
    return { one, ticket: deadlines.add(5_000 - i, one) };
  });
  expect(clock.pendingTimers()).toBe(1);
  for (const { one, ticket } of waiting) deadlines.remove(ticket, one);
  expect([deadlines.size, clock.pendingTimers()]).toEqual([0, 0]);
});

test("many calls are told at few times", async () => {
  const clock = createVirtualClock(0);
  const deadlines = new Deadlines(clock);
  const told: number[] = [];
  for (let i = 0; i < 500; i++) deadlines.add(5_000 - i, { onDeadline: () => told.push(clock.monotonicMs()) });
  await clock.advance(6_000);
  // A 32nd of five seconds, rounded down to a power of two.
  expect([told.length, new Set(told).size < 10]).toEqual([500, true]);
});

test("whatever comes and is taken back, only the others are told", async () => {
  const seed = testSeed();
  const rng = createRng(seed);
  const clock = createVirtualClock(0);
  const deadlines = new Deadlines(clock);
  const told: number[] = [];
  const kept: { number: number; dueMs: number }[] = [];
  const open: { number: number; ticket: number; one: { onDeadline: () => void }; dueMs: number }[] = [];
  for (let number = 0; number < 3_000; number++) {
    const dueMs = clock.monotonicMs() + rng.pick([40, 40, 800]);
    const one = { onDeadline: () => told.push(number) };
    open.push({ number, ticket: deadlines.add(dueMs - clock.monotonicMs(), one), one, dueMs });
    // What is told meanwhile stays in the list: its ticket is another's by then, and taking it back must not touch that one.
    while (rng.chance(0.5) && open.length > 0) {
      const [taken] = open.splice(rng.below(open.length), 1);
      if (taken === undefined) break;
      if (told.includes(taken.number)) kept.push(taken);
      deadlines.remove(taken.ticket, taken.one);
    }
    if (rng.chance(0.02)) await clock.advance(rng.below(60));
  }
  await clock.advance(2_000);
  kept.push(...open);
  const byNumber = (a: number, b: number): number => a - b;
  expect({ seed, told: told.toSorted(byNumber) }).toEqual({
    ...{ seed, told: kept.map(({ number }) => number).toSorted(byNumber) },
  });
  expect([deadlines.size, clock.pendingTimers()]).toEqual([0, 0]);
});

test("one that is taken back while others of its slot are told is not told", async () => {
  const clock = createVirtualClock(0);
  const deadlines = new Deadlines(clock);
  const told: string[] = [];
  const second = { onDeadline: () => told.push("second") };
  let ticket = 0;
  deadlines.add(3, {
    onDeadline: () => {
      told.push("first");
      deadlines.remove(ticket, second);
    },
  });
  ticket = deadlines.add(3, second);
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
