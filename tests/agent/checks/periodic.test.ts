import { expect, test } from "bun:test";
import { startPeriodic } from "../../../agent/checks/periodic.ts";
import { createTestRuntime } from "../../fakes/test-runtime.ts";
import { createVirtualClock } from "../../fakes/virtual-clock.ts";

function start(options: { readonly seed: number; readonly run?: () => Promise<void> }) {
  const clock = createVirtualClock(0);
  const attemptsAtMs: number[] = [];
  const periodic = startPeriodic({
    runtime: createTestRuntime({ clock, seed: options.seed }),
    intervalMs: 10_000,
    timeoutMs: 1_000,
    run: async () => {
      attemptsAtMs.push(clock.monotonicMs());
      await options.run?.();
    },
  });
  return { clock, attemptsAtMs, periodic };
}

test("the first attempt comes within a second, the second within the interval, each later one an interval on", async () => {
  for (const seed of [1, 2, 3, 4, 5]) {
    const { clock, attemptsAtMs, periodic } = start({ seed });
    await clock.advance(60_000);
    const [first = 0, second = 0, ...later] = attemptsAtMs;
    expect(first).toBeLessThan(1_000);
    expect(second - first).toBeLessThan(10_000);
    expect(later.map((at, i) => at - (attemptsAtMs[i + 1] ?? 0))).toEqual(later.map(() => 10_000));
    periodic.stop();
    expect(clock.pendingTimers()).toBe(0);
  }
});

test("an attempt asked for comes at once and moves the next one", async () => {
  const { clock, attemptsAtMs, periodic } = start({ seed: 1 });
  await clock.advance(30_000);
  const before = attemptsAtMs.length;
  periodic.runSoon();
  await clock.advance(9_999);
  expect(attemptsAtMs.slice(before)).toEqual([30_000]);
  await clock.advance(1);
  expect(attemptsAtMs.slice(before)).toEqual([30_000, 40_000]);
  periodic.stop();
});

test("attempts never overlap, and none begins after the stop", async () => {
  const hanging = Promise.withResolvers<void>();
  const { clock, attemptsAtMs, periodic } = start({ seed: 1, run: () => hanging.promise });
  await clock.advance(1_000);
  periodic.runSoon();
  expect(attemptsAtMs.length).toBe(1);
  periodic.stop();
  hanging.resolve();
  await clock.advance(60_000);
  periodic.runSoon();
  expect(attemptsAtMs.length).toBe(1);
});
