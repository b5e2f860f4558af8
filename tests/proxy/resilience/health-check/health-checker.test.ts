import { describe, expect, test } from "bun:test";
import Value from "typebox/value";
import { createSeededRandom } from "../../../../lib/base/random.ts";
import { type HealthCheckConfig, HealthCheckSchema } from "../../../../lib/contract/proxy-health-check.ts";
import {
  type EndpointCheck,
  HealthCheckCounts,
  HealthChecker,
} from "../../../../proxy/resilience/health-check/health-checker.ts";
import type { CheckFailure } from "../../../../proxy/resilience/health-check/probe.ts";
import { createVirtualClock } from "../../../fakes/virtual-clock.ts";

function checkConfig(more: Partial<HealthCheckConfig>): HealthCheckConfig {
  const given = { type: "http", intervalJitterPercent: 0, ...more };
  return Value.Parse(HealthCheckSchema, Value.Default(HealthCheckSchema, given));
}

/** Endpoints whose checks a test answers. */
class CheckWorld {
  readonly clock = createVirtualClock(0);
  readonly counts = new HealthCheckCounts();
  readonly checker: HealthChecker;
  readonly checks: EndpointCheck[] = [];
  /** When each check began: `[endpoint, ms]`. */
  readonly begun: [number, number][] = [];
  /** Under way: by endpoint, how to end it. */
  readonly open = new Map<number, (failure: CheckFailure | undefined) => void>();
  readonly cancelled: number[] = [];
  /** Changes of health, as `0 unhealthy`. */
  readonly changes: string[] = [];
  /** What checks come to at once; undefined leaves them open. */
  answer: ((i: number) => CheckFailure | "passed") | undefined = () => "passed";

  constructor(endpoints: number, more: Partial<HealthCheckConfig> = {}) {
    this.checker = new HealthChecker(checkConfig(more), {
      clock: this.clock,
      random: createSeededRandom(1).float,
      counts: this.counts,
    });
    for (let i = 0; i < endpoints; i++) this.#add(i);
  }

  /** A second or less, in steps in which what has begun is answered. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 10) {
      await this.clock.advance(Math.min(10, left));
      for (const [i, end] of [...this.open]) {
        const result = this.answer?.(i);
        if (result !== undefined) end(result === "passed" ? undefined : result);
      }
    }
  }

  #add(i: number): void {
    const check = this.checker.add({
      start: (onResult) => {
        this.begun.push([i, this.clock.monotonicMs()]);
        this.open.set(i, (failure) => {
          this.open.delete(i);
          onResult(failure);
        });
        return {
          cancel: () => {
            this.open.delete(i);
            this.cancelled.push(i);
          },
        };
      },
      onChecked: ({ isChanged }) => {
        if (isChanged) this.changes.push(`${i} ${check.health.isHealthy ? "healthy" : "unhealthy"}`);
      },
    });
    this.checks.push(check);
  }
}

test("an endpoint is checked at once, and an interval after the end of each check", async () => {
  const world = new CheckWorld(1, { intervalMs: 1_000 });
  await world.pass(3_500);
  expect(world.begun.length).toBe(4);
  const pauses = world.begun.slice(1).map(([, ms], k) => ms - (world.begun[k]?.[1] ?? 0));
  for (const pause of pauses) {
    // Timers are met within a 32nd of their time, and the answers here take up to 10 ms.
    expect(pause).toBeGreaterThanOrEqual(1_000);
    expect(pause).toBeLessThan(1_050);
  }
});

test("intervals are longer by chance, so that checks that began together drift apart", async () => {
  const world = new CheckWorld(20, { intervalMs: 1_000, intervalJitterPercent: 50 });
  await world.pass(1_900);
  const seconds = world.begun.slice(20).map(([, ms]) => ms);
  expect(seconds.length).toBe(20);
  expect(Math.max(...seconds) - Math.min(...seconds)).toBeGreaterThan(300);
});

test("a check without an answer is over after its timeout, and failed", async () => {
  const world = new CheckWorld(1, { intervalMs: 1_000, timeoutMs: 500, unhealthyThreshold: 2 });
  world.answer = undefined;
  await world.pass(1_000);
  expect(world.cancelled).toEqual([0]);
  expect(world.counts.failed.timeout).toBe(1);
  await world.pass(1_500);
  expect(world.changes).toEqual(["0 unhealthy"]);
  world.answer = () => "passed";
  await world.pass(1_500);
  expect(world.changes).toEqual(["0 unhealthy", "0 healthy"]);
  expect(world.counts).toMatchObject({ becameHealthy: 1, becameUnhealthy: 1 });
});

test("changes are told once each, however often checks fail", async () => {
  const world = new CheckWorld(2, { intervalMs: 100 });
  world.answer = (i) => (i === 1 ? "status" : "passed");
  await world.pass(5_000);
  expect(world.changes).toEqual(["1 unhealthy"]);
  expect(world.checker.unhealthyCount).toBe(1);
  expect(world.counts.failed.status).toBeGreaterThan(30);
  expect(world.counts.passed).toBeGreaterThan(30);
});

test("no more are under way than may be, and everybody has a turn", async () => {
  const world = new CheckWorld(100, { maxConcurrent: 7, intervalMs: 10_000, timeoutMs: 60_000 });
  world.answer = undefined;
  for (let k = 0; k < 200 && world.counts.passed < 100; k++) {
    await world.pass(20);
    expect(world.open.size).toBeLessThanOrEqual(7);
    expect(world.checker.underWay).toBe(world.open.size);
    for (const end of [...world.open.values()]) end(undefined);
  }
  expect(new Set(world.begun.map(([i]) => i)).size).toBe(100);
  expect(world.counts.passed).toBe(100);
});

describe("an end", () => {
  test("of one endpoint's checks gives its place to the next, and is not told", async () => {
    const world = new CheckWorld(2, { maxConcurrent: 1 });
    world.answer = undefined;
    await world.pass(50);
    expect([...world.open.keys()]).toEqual([0]);
    const [first] = world.checks;
    if (first === undefined) throw new Error("there is one");
    world.checker.remove(first);
    await world.pass(50);
    expect(world.cancelled).toEqual([0]);
    expect([...world.open.keys()]).toEqual([1]);
    expect(world.counts.failed.timeout).toBe(0);
  });

  test("of all leaves no timer and no check", async () => {
    const world = new CheckWorld(10, { maxConcurrent: 3 });
    world.answer = undefined;
    await world.pass(100);
    world.checker.stop();
    expect(world.open.size).toBe(0);
    expect(world.clock.pendingTimers()).toBe(0);
    expect(world.checker.underWay).toBe(0);
    await world.pass(5_000);
    expect(world.begun.length).toBe(3);
  });
});
