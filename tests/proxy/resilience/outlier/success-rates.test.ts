import { describe, expect, test } from "bun:test";
import { ejectionThreshold } from "../../../../proxy/resilience/outlier/success-rates.ts";
import { OutlierWorld } from "./outlier-world.ts";

/** Consecutive failures are kept out of it. */
const byRate = { consecutive5xx: 0, maxEjectionPercent: 100 } as const;

/** Each host has `requests`, of which so many percent succeed, never many in a row. */
function serve(world: OutlierWorld, percents: readonly number[], requests = 100): void {
  for (const [i, percent] of percents.entries()) {
    for (let k = 0; k < requests; k++) {
      world.answer(i, Math.floor(((k + 1) * percent) / 100) > Math.floor((k * percent) / 100) ? 200 : 500);
    }
  }
}

test("the threshold is the mean less so many standard deviations, as in Envoy's example", () => {
  expect(ejectionThreshold([50, 100, 100, 100, 100], 1.9)).toBe(52);
});

describe("a success rate", () => {
  test("far below the others' ejects at the end of the interval", () => {
    const world = new OutlierWorld(5, byRate);
    serve(world, [50, 100, 100, 100, 100]);
    world.pass(9_999);
    expect(world.takeTold()).toEqual([]);
    world.pass(1);
    expect(world.takeTold()).toEqual(["0 ejected success_rate 30000"]);
  });

  test("that is low with everybody ejects nobody", () => {
    const world = new OutlierWorld(5, byRate);
    serve(world, [20, 22, 18, 21, 20]);
    world.pass(10_000);
    expect(world.states()).toBe("in in in in in");
  });

  test("is not looked at with four endpoints, nor with fewer than 100 requests, nor twice", () => {
    const few = new OutlierWorld(4, byRate);
    serve(few, [0, 100, 100, 100]);
    few.pass(10_000);
    expect(few.takeTold()).toEqual([]);
    const idle = new OutlierWorld(5, byRate);
    serve(idle, [50, 100, 100, 100, 100], 99);
    idle.pass(10_000);
    expect(idle.takeTold()).toEqual([]);
    // What was in the interval before is over.
    serve(idle, [50, 100, 100, 100, 100], 99);
    idle.pass(10_000);
    expect(idle.takeTold()).toEqual([]);
  });

  test("of those who are out does not count", () => {
    const world = new OutlierWorld(6, { ...byRate, consecutive5xx: 5 });
    world.answer(5, 500, 5);
    serve(world, [90, 100, 100, 100, 100]);
    world.takeTold();
    world.pass(10_000);
    expect(world.takeTold()).toEqual(["0 ejected success_rate 30000"]);
  });

  test("of connections is another one, where they are told apart", () => {
    const world = new OutlierWorld(5, {
      ...byRate,
      splitExternalLocalOriginErrors: true,
      consecutiveLocalOriginFailure: 0,
    });
    serve(world, [100, 100, 100, 100, 100]);
    for (let k = 0; k < 50; k++) world.host(3).onTimeout();
    world.pass(10_000);
    expect(world.takeTold()).toEqual(["3 ejected local_origin_success_rate 30000"]);
  });
});

describe("a share of failures", () => {
  const config = { ...byRate, enforcingSuccessRate: 0, enforcingFailurePercentage: 100 } as const;

  test("from 85 % on ejects everybody who has it, where that is enforced", () => {
    const world = new OutlierWorld(5, config);
    serve(world, [15, 16, 0, 100, 100], 100);
    world.pass(10_000);
    expect(world.takeTold()).toEqual(["0 ejected failure_percentage 30000", "2 ejected failure_percentage 30000"]);
    expect(world.counts.detected.failure_percentage).toBe(2);
  });

  test("of fewer than 50 requests does not", () => {
    const world = new OutlierWorld(5, config);
    serve(world, [0, 0, 0, 0, 0], 49);
    world.pass(10_000);
    expect(world.takeTold()).toEqual([]);
  });
});
