import { describe, expect, test } from "bun:test";
import { createSeededRandom } from "../../../lib/base/random.ts";
import { type AdaptiveConcurrency, defaultAdaptiveConcurrency } from "../../../lib/contract/proxy-concurrency.ts";
import { GradientController } from "../../../proxy/concurrency/gradient-controller.ts";
import { testSeed } from "../http2/test-seed.ts";
import { Simulation, type SimulationOptions } from "./simulated-server.ts";

function controllerOf(more: Partial<AdaptiveConcurrency> = {}, random: () => number = () => 0.5): GradientController {
  return new GradientController({ ...defaultAdaptiveConcurrency, enabled: true, ...more }, random);
}

const seed = testSeed();

function simulate(more: Partial<SimulationOptions>, config: Partial<AdaptiveConcurrency> = {}): Simulation {
  const random = createSeededRandom(Number(seed)).float;
  const controller = controllerOf(config, random);
  return new Simulation({ controller, random, workers: 20, serviceMs: 10, arrivalsPerSecond: 4_000, ...more });
}

/** One request after another, each of which takes so long; the time when the last is over. */
function serve(controller: GradientController, fromMs: number, count: number, latencyMs: number): number {
  let nowMs = fromMs;
  for (let i = 0; i < count; i++) {
    if (!controller.tryBegin(nowMs)) throw new Error("refused");
    nowMs += latencyMs;
    controller.answer(latencyMs, nowMs - latencyMs, nowMs);
    controller.end();
  }
  return nowMs;
}

function begin(controller: GradientController, nowMs: number, tries = 2_000): number {
  let begun = 0;
  while (begun < tries && controller.tryBegin(nowMs)) begun++;
  return begun;
}

describe(`a server that is asked for twice what it can do (ATOLL_TEST_SEED=${seed})`, () => {
  test("gets about as much as it can work on, and does all that it can", () => {
    const simulation = simulate({});
    simulation.run(5_000).forget();
    simulation.run(20_000);
    const { limit, minRttMs } = simulation.knobs.controller;
    expect(minRttMs).toBeGreaterThan(9);
    expect(minRttMs).toBeLessThan(11);
    // 20 workers: the buffer allows a quarter more, and its square root a few in the queue.
    expect(limit).toBeGreaterThanOrEqual(20);
    expect(limit).toBeLessThanOrEqual(40);
    expect(simulation.served).toBeGreaterThan(0.95 * 2_000 * 20);
    expect(simulation.medianMs).toBeLessThan(20);
    expect(simulation.refused).toBeGreaterThan(0.4 * 4_000 * 20);
  });

  test("gets as much again when it becomes larger or smaller", () => {
    const simulation = simulate({ arrivalsPerSecond: 12_000 });
    for (const workers of [20, 60, 8, 20]) {
      simulation.knobs.workers = workers;
      simulation.run(3_000).forget();
      simulation.run(5_000);
      const { limit } = simulation.knobs.controller;
      expect(limit).toBeGreaterThanOrEqual(workers * 0.75);
      expect(limit).toBeLessThanOrEqual(workers * 2.2);
    }
  });
});

describe("a slow-down", () => {
  test("lowers the limit at once, and leaves it when it is over", () => {
    const simulation = simulate({});
    simulation.run(5_000);
    const before = simulation.knobs.controller.limit;
    simulation.knobs.workers = 2;
    simulation.run(1_000).forget();
    simulation.run(1_000);
    expect(simulation.knobs.controller.limit).toBeLessThan(before / 2);
    expect(simulation.medianMs).toBeLessThan(60);
    simulation.knobs.workers = 20;
    simulation.run(2_000).forget();
    simulation.run(5_000);
    expect(simulation.knobs.controller.limit).toBeGreaterThanOrEqual(before * 0.7);
    expect(simulation.served).toBeGreaterThan(0.95 * 2_000 * 5);
  });

  test("that stays is taken for how fast the server is, after five times at the lowest", () => {
    const simulation = simulate({});
    simulation.run(5_000);
    simulation.knobs.serviceMs = 200;
    simulation.run(20_000).forget();
    const { controller } = simulation.knobs;
    expect(controller.minRttMs).toBeGreaterThan(150);
    // It takes twice as long for a request as lies between two changes: the limit must not swing for that.
    for (let i = 0; i < 40; i++) {
      simulation.run(250);
      expect(controller.limit).toBeGreaterThanOrEqual(20);
      expect(controller.limit).toBeLessThanOrEqual(60);
    }
    expect(simulation.served).toBeGreaterThan(0.95 * 100 * 10);
  });

  test("never makes the limit lower than the lowest, nor anything higher than the highest", () => {
    const config = { minConcurrency: 4, maxConcurrency: 30 };
    const simulation = simulate({}, config);
    let highest = 0;
    for (let i = 0; i < 60; i++) {
      simulation.knobs.workers = [1, 20, 200][i % 3] ?? 1;
      simulation.knobs.serviceMs = [5, 500, 50, 1][i % 4] ?? 1;
      simulation.run(700);
      highest = Math.max(highest, simulation.knobs.controller.limit);
    }
    expect(simulation.lowestLimit).toBe(4);
    expect(highest).toBe(30);
    expect(simulation.mostInFlight).toBeLessThanOrEqual(30);
  });
});

test("a server with room to spare is never in the way", () => {
  const simulation = simulate({ arrivalsPerSecond: 500 });
  simulation.run(3_000).forget();
  simulation.run(20_000);
  expect(simulation.refused).toBe(0);
  expect(simulation.knobs.controller.limit).toBe(1_000);
});

describe("the least latency", () => {
  test("is measured first, with few requests at a time, and again after the interval and its jitter", () => {
    const controller = controllerOf({ minRttRequests: 10, minConcurrency: 2 });
    expect([controller.limit, controller.minRttMs]).toEqual([2, 0]);
    expect([begin(controller, 0), controller.isMeasuring]).toEqual([2, true]);
    for (let i = 0; i < 2; i++) {
      controller.answer(8, 0, 8);
      controller.end();
    }
    let nowMs = serve(controller, 8, 8, 8);
    expect(controller.isMeasuring).toBe(false);
    expect(controller.minRttMs).toBeCloseTo(8, -1);
    nowMs = serve(controller, nowMs, 100, 8);
    expect(controller.limit).toBeGreaterThan(20);
    const limit = controller.limit;
    // 15 % of jitter, half of it by this random source.
    nowMs = serve(controller, 72 + 60_000 * 1.075 - 10, 1, 8);
    expect(controller.isMeasuring).toBe(false);
    nowMs = serve(controller, nowMs + 3, 1, 8);
    expect([controller.isMeasuring, controller.limit]).toEqual([true, 2]);
    serve(controller, nowMs, 9, 16);
    expect(controller.isMeasuring).toBe(false);
    expect(controller.limit).toBeGreaterThanOrEqual(limit);
    expect(controller.minRttMs).toBeGreaterThan(14);
  });

  test("does not count requests of before the measurement", () => {
    const controller = controllerOf({ minRttRequests: 3, minRttIntervalMs: 1_000, minRttJitterPercent: 0 });
    serve(controller, 0, 3, 5);
    serve(controller, 20, 40, 5);
    expect(controller.tryBegin(900)).toBe(true);
    expect(controller.tryBegin(1_100)).toBe(true);
    expect(controller.isMeasuring).toBe(true);
    controller.answer(250, 900, 1_150);
    controller.answer(50, 1_100, 1_150);
    controller.end();
    controller.end();
    serve(controller, 1_200, 2, 5);
    expect(controller.isMeasuring).toBe(false);
    expect(controller.minRttMs).toBeCloseTo(5, 0);
  });

  test("is what few requests say when there are no more in time", () => {
    const controller = controllerOf({ minRttTimeoutMs: 2_000 });
    serve(controller, 0, 3, 20);
    expect(controller.isMeasuring).toBe(true);
    expect(controller.tryBegin(2_000)).toBe(true);
    expect(controller.isMeasuring).toBe(false);
    expect(controller.minRttMs).toBeCloseTo(20, -1);
  });

  test("that cannot be measured holds nobody up", () => {
    const controller = controllerOf({ minRttTimeoutMs: 2_000 });
    expect(begin(controller, 0)).toBe(3);
    expect(begin(controller, 2_000)).toBe(997);
  });

  test("that is given is not measured", () => {
    const controller = controllerOf({ fixedMinRttMs: 10 });
    const nowMs = serve(controller, 0, 200, 100);
    expect([controller.isMeasuring, controller.minRttMs, controller.limit]).toEqual([false, 10, 3]);
    serve(controller, nowMs, 1_000, 5);
    expect([controller.isMeasuring, controller.limit]).toEqual([false, 1_000]);
  });
});

describe("requests", () => {
  test("that go on for hours leave room for as many as the lowest limit", () => {
    const controller = controllerOf({ minRttRequests: 5 });
    let nowMs = serve(controller, 0, 5, 5);
    nowMs = serve(controller, nowMs, 1_000, 5);
    const streams = begin(controller, nowMs, 300);
    expect(streams).toBe(300);
    for (let i = 0; i < streams; i++) controller.answer(5, nowMs, nowMs);
    // Everything becomes slow: the limit falls far below what is open, and still some get through, and are what it rises by.
    for (let i = 0; i < 14; i++) nowMs = serve(controller, nowMs + 10, 1, 60);
    expect(controller.limit).toBeLessThan(100);
    expect(begin(controller, nowMs)).toBe(3);
    for (let i = 0; i < 3; i++) controller.giveUp(0, nowMs);
    serve(controller, nowMs + 10, 1_000, 5);
    expect(controller.limit).toBeGreaterThan(300);
  });

  test("that are given up count as slow when they have waited for long, and not else", () => {
    const controller = controllerOf({ minRttRequests: 5, minRttIntervalMs: 1_000_000 });
    let nowMs = serve(controller, 0, 5, 10);
    nowMs = serve(controller, nowMs, 100, 10);
    controller.tryBegin(nowMs + 100);
    controller.giveUp(1, nowMs + 100);
    const limit = controller.limit;
    nowMs += 200;
    for (let i = 0; i < 20; i++, nowMs += 100) {
      controller.tryBegin(nowMs);
      controller.giveUp(1, nowMs);
    }
    expect(controller.limit).toBe(limit);
    for (let i = 0; i < 10; i++, nowMs += 100) {
      controller.tryBegin(nowMs);
      controller.giveUp(100, nowMs + 100);
    }
    controller.tryBegin(nowMs);
    expect(controller.limit).toBeLessThan(limit / 4);
    expect(controller.inFlight).toBe(1);
  });
});
