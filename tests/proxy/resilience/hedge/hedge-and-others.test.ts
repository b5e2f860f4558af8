import { describe, expect, test } from "bun:test";
import { type ExchangeObserver, Observation } from "../../../../proxy/exchange/observation.ts";
import { defaultAdaptiveConcurrency } from "../../../../lib/contract/proxy-concurrency.ts";
import { ConcurrencyStage } from "../../../../proxy/concurrency/concurrency-stage.ts";
import { GradientController } from "../../../../proxy/concurrency/gradient-controller.ts";
import type { Stage } from "../../../../proxy/exchange/policy.ts";
import { endpoints, expectIdle, failed, hedged, isGone, pass } from "./hedged-world.ts";

describe("hedges and retries", () => {
  test("share the budget, and the last failure is what is tried again", async () => {
    const world = hedged({ retry: { attempts: 1 } });
    const asked = world.ask();
    await pass(world, 120);
    expect([world.budget.liveRequests, world.budget.liveRetries]).toEqual([1, 1]);
    world.server(0).say(failed);
    world.server(1).say(failed);
    await pass(world, 100);
    expect([asked.seen, world.counters.retries, endpoints(world)]).toEqual(["", 1, [0, 1, 2]]);
    // There are no hedges left for the retry: the request has had two attempts of one try.
    await pass(world, 500);
    expect(world.servers.length).toBe(3);
    world.server(2).ok("third");
    expect(asked.seen).toBe("200 third");
    expectIdle(world);
  });

  test("a try that has had its time ends with its hedges", async () => {
    const world = hedged({ retry: { attempts: 1, perTryTimeoutMs: 300 } });
    const asked = world.ask();
    await pass(world, 350);
    expect([isGone(world, 0), isGone(world, 1), endpoints(world)]).toEqual([true, true, [0, 1, 2]]);
    world.server(2).ok("third");
    expect(asked.seen).toBe("200 third");
    expectIdle(world);
  });
});

describe("a hedged request that is called off", () => {
  test.each([
    ["before the hedge", 50, 1],
    ["after it", 120, 2],
  ] as const)("%s leaves nothing behind", async (_when, ms, servers) => {
    const world = hedged();
    const asked = world.ask();
    await pass(world, ms);
    asked.giveUp();
    world.settle();
    for (let i = 0; i < servers; i++) expect(isGone(world, i)).toBe(true);
    expectIdle(world);
    await pass(world, 500);
    expect(world.servers.length).toBe(servers);
  });

  test("while it connects leaves nothing behind", async () => {
    const world = hedged();
    for (const endpoint of [0, 1, 2]) world.silent.add(endpoint);
    const asked = world.ask();
    await pass(world, 120);
    asked.giveUp();
    expect(world.upstream.isIdle).toBe(true);
    expectIdle(world);
  });

  test("by its time is answered once", async () => {
    const world = hedged({ timeoutMs: 300 });
    const asked = world.ask();
    await pass(world, 350);
    expect([asked.seen, isGone(world, 0), isGone(world, 1)]).toEqual(["504", true, true]);
    expectIdle(world);
  });
});

describe("what is told of a hedged request", () => {
  test("to endpoints is each one's own answer, with the time of its own sending, or that it was outrun", async () => {
    const world = hedged();
    world.network.nowMs = 0;
    world.ask();
    await pass(world, 120);
    world.server(1).ok("second");
    const [outrun, answered] = world.feedback.toSorted();
    expect([outrun, world.feedback.length]).toEqual(["0 outrun at 0", 2]);
    expect(answered).toMatch(/^1 200 at 1[01]\d$/);
  });

  test("to endpoints is no outrun when its client went away, or it failed by itself", async () => {
    const world = hedged();
    const asked = world.ask();
    await pass(world, 120);
    asked.giveUp();
    world.settle();
    const other = hedged();
    other.ask();
    await pass(other, 120);
    other.server(0).say(failed);
    other.server(1).ok("second");
    expect([world.feedback, other.feedback.map((line) => line.slice(0, 5))]).toEqual([[], ["0 503", "1 200"]]);
  });

  test("to the log is the endpoint that answered, and how often it was sent", async () => {
    const ended: string[] = [];
    const observer: ExchangeObserver = {
      begin: (peer, version, nowMs) => new Observation(observer).begin(peer, version, nowMs),
      monotonicMs: () => 0,
      forward: (_observation, head) => head,
      ended: ({ endpoint, attempts, status }) => ended.push(`${status} ${attempts} ${endpoint}`),
    };
    const world = hedged({ observer });
    world.ask();
    await pass(world, 120);
    world.server(1).ok("second");
    world.ask();
    world.server(2).ok("alone");
    expect(ended).toEqual(["200 2 endpoint:1", "200 1 endpoint:0"]);
  });
});

describe("hedges and the limit of concurrency of their cluster", () => {
  const limitOf = (places: number): { controller: GradientController; inner: readonly Stage[] } => {
    const fixed = { enabled: true, minConcurrency: places, maxConcurrency: places, fixedMinRttMs: 1 };
    const controller = new GradientController({ ...defaultAdaptiveConcurrency, ...fixed }, () => 0);
    return { controller, inner: [new ConcurrencyStage(controller, () => 0)] };
  };

  test("have a place each, as the requests that they are to it", async () => {
    const { controller, inner } = limitOf(3);
    const world = hedged({ inner });
    const asked = world.ask();
    expect(controller.inFlight).toBe(1);
    await pass(world, 120);
    expect([controller.inFlight, endpoints(world)]).toEqual([2, [0, 1]]);
    world.server(0).say("HTTP/1.1 503 No\r\ncontent-length: 4\r\n\r\n");
    // Nobody waits for what is left of the failure.
    expect(controller.inFlight).toBe(1);
    world.server(1).say("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n");
    expect(controller.inFlight).toBe(1);
    world.server(1).say("fine");
    expect([asked.seen, controller.inFlight]).toEqual(["200 fine", 0]);
    world.server(0).say("busy");
    expectIdle(world);
    const other = world.ask();
    await pass(world, 120);
    other.giveUp();
    expect(controller.inFlight).toBe(0);
  });

  test("are not sent without one, which is nothing to the request", async () => {
    const { controller, inner } = limitOf(1);
    const world = hedged({ inner });
    const asked = world.ask();
    await pass(world, 120);
    expect([controller.inFlight, endpoints(world)]).toEqual([1, [0]]);
    world.server(0).ok("alone");
    expect([asked.seen, controller.inFlight, world.stageContext.counters.hedges]).toEqual(["200 alone", 0, 0]);
    expectIdle(world);
  });
});
