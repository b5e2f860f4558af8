import { describe, expect, test } from "bun:test";
import Value from "typebox/value";
import { HedgeSchema } from "../../../../lib/contract/proxy-hedge.ts";
import { type ExchangeObserver, Observation } from "../../../../proxy/exchange/observation.ts";
import { FrameType } from "../../../../proxy/http2/frame-types.ts";
import { HedgeStage } from "../../../../proxy/resilience/hedge/hedge-stage.ts";
import { data, headers, windowUpdate } from "../../http2/frames.ts";
import { retryConfig, type UpstreamWorldOptions } from "../../upstream/upstream-world.ts";
import { StageWorld } from "../stage-world.ts";

interface HedgedOptions extends Partial<UpstreamWorldOptions> {
  readonly hedge?: object;
  readonly retry?: object;
  readonly timeoutMs?: number;
}

/** Requests of three endpoints, the first of which is preferred, with a hedge after 100 ms. */
function hedged({ hedge = {}, retry = {}, timeoutMs = 0, ...options }: HedgedOptions = {}): StageWorld {
  const config = Value.Parse(HedgeSchema, Value.Default(HedgeSchema, { delayMs: 100, ...hedge }));
  const retries = retryConfig(retry);
  return new StageWorld(
    { protocol: "http1", endpoints: 3, policy: { timeoutMs, retry: retries }, ...options },
    ({ budget, stageContext }) =>
      new HedgeStage({ config, budget, budgetConfig: retries.budget, hasRetries: retries.attempts > 0 }, stageContext),
  );
}

const failed = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nbusy";

/** Lets time go by with all that happens on the network meanwhile. */
async function pass(world: StageWorld, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 5) await world.wait(5);
}

/** Nothing is under way: no place in the budget, deadline, timer or byte is held. */
function expectIdle(world: StageWorld): void {
  expect([world.budget.liveRequests, world.budget.liveRetries, ...world.leftovers]).toEqual([0, 0, 0, 0, 0]);
}

const isGone = (world: StageWorld, index: number): boolean => {
  const { connection, hasEnded } = world.server(index);
  return connection.isClosed || hasEnded;
};
const endpoints = (world: StageWorld): number[] => world.servers.map(({ endpoint }) => endpoint);

describe("a request that a slow server holds up", () => {
  test("is sent to another endpoint as well, and the first response wins", async () => {
    const world = hedged();
    const asked = world.ask();
    await pass(world, 95);
    expect(endpoints(world)).toEqual([0]);
    await pass(world, 20);
    expect(endpoints(world)).toEqual([0, 1]);
    expect(world.server(1).text()).toBe(world.server(0).text());
    world.server(1).ok("second");
    world.settle();
    expect([asked.seen, isGone(world, 0)]).toEqual(["200 second", true]);
    const { hedges, hedgesWon } = world.stageContext.counters;
    expect([hedges, hedgesWon]).toEqual([1, 1]);
    expectIdle(world);
  });

  test("is still the first server's to answer", async () => {
    const world = hedged();
    const asked = world.ask();
    await pass(world, 120);
    world.server(0).ok("first");
    world.settle();
    expect([asked.seen, isGone(world, 1), world.stageContext.counters.hedgesWon]).toEqual(["200 first", true, 0]);
    expectIdle(world);
    // The winner's connection serves the next.
    world.ask();
    expect(world.servers.length).toBe(2);
  });

  test("is not sent again when the response has begun in time", async () => {
    const world = hedged();
    const asked = world.ask();
    world.server().say("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n");
    await pass(world, 500);
    world.server().say("slow");
    expect([asked.seen, world.servers.length]).toEqual(["200 slow", 1]);
    expectIdle(world);
  });

  test("is sent as often as there are attempts, each to another endpoint", async () => {
    const world = hedged({ hedge: { maxAttempts: 3 } });
    const asked = world.ask();
    await pass(world, 1_000);
    expect(endpoints(world)).toEqual([0, 1, 2]);
    world.server(2).ok("third");
    world.settle();
    expect([asked.seen, isGone(world, 0), isGone(world, 1)]).toEqual(["200 third", true, true]);
    expectIdle(world);
  });

  test("takes its body along once it is complete", async () => {
    const world = hedged({ hedge: { methods: ["POST"] } });
    const asked = world.askOpen();
    asked.sendBody("one", false);
    await pass(world, 500);
    expect(world.servers.length).toBe(1);
    asked.sendBody("two", true);
    world.settle();
    expect(world.servers.length).toBe(2);
    const [first, second] = [world.server(0).text(), world.server(1).text()];
    expect(second).toBe(first);
    expect(second).toEndWith("3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n");
    world.server(1).ok("second");
    expect([asked.seen, asked.consumed]).toEqual(["200 second", 6]);
    expectIdle(world);
  });

  test.each([
    [64 * 1024, 2],
    [64 * 1024 + 1, 1],
    [1024 * 1024, 1],
  ])("is not when its body is longer than what is kept: %p bytes, %p servers", async (size, servers) => {
    const world = hedged();
    const asked = world.ask("PUT", "/", Buffer.alloc(size, "x"));
    await pass(world, 500);
    expect(world.servers.length).toBe(servers);
    for (let i = 0; i < servers; i++) expect(world.server(i).text().split("\r\n\r\n")[1]).toHaveLength(size);
    world.server().ok("fine");
    expect(asked.seen).toBe("200 fine");
    expectIdle(world);
  });

  test("is not when its method is not listed, or it is a tunnel", async () => {
    const world = hedged();
    world.ask("POST", "/", "x");
    await pass(world, 500);
    expect(world.servers.length).toBe(1);
  });

  test("is not beyond the budget", async () => {
    const world = hedged({ retry: { budget: { percent: 0, minConcurrent: 1, minPerSecond: 10 } } });
    const asked = [world.ask(), world.ask()];
    await pass(world, 200);
    expect(world.servers.length).toBe(3);
    expect([world.budget.liveRetries, world.counters.retriesOverBudget]).toEqual([1, 1]);
    world.server(1).ok("b");
    world.server(2).ok("a");
    expect(asked.map(({ seen }) => seen)).toEqual(["200 a", "200 b"]);
    expectIdle(world);
  });
});

describe("a failure of one of several", () => {
  test("is nobody's answer while another may be better, and its connection stays", async () => {
    const world = hedged();
    const asked = world.ask();
    await pass(world, 120);
    world.server(0).say(failed);
    expect([asked.seen, isGone(world, 0)]).toEqual(["", false]);
    world.server(1).ok("second");
    expect(asked.seen).toBe("200 second");
    expectIdle(world);
  });

  test("is the answer when it is the last", async () => {
    const world = hedged();
    const asked = world.ask();
    await pass(world, 120);
    world.server(1).say(failed);
    world.server(0).say("HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n");
    expect(asked.seen).toBe("500");
    expectIdle(world);
  });

  test("by a lost connection is one too", async () => {
    const world = hedged();
    const asked = world.ask();
    await pass(world, 120);
    world.server(0).connection.destroy();
    world.settle();
    expect(asked.seen).toBe("");
    world.server(1).ok("second");
    expect(asked.seen).toBe("200 second");
    expectIdle(world);
  });

  test("of all of them is told once", async () => {
    const world = hedged();
    const asked = world.ask("GET");
    await pass(world, 120);
    for (const index of [1, 0]) {
      world.server(index).connection.destroy();
      world.settle();
    }
    expect([asked.seen, world.counters.refusals.upstream_lost]).toEqual(["503", 1]);
    expectIdle(world);
  });

  test("after the head cuts the response off", async () => {
    const world = hedged();
    const asked = world.ask();
    await pass(world, 120);
    world.server(1).say("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf");
    world.server(1).connection.destroy();
    world.settle();
    expect([asked.seen, isGone(world, 0)]).toEqual(["cut", true]);
    expectIdle(world);
  });

  test("that does not come to its end is left after a second", async () => {
    const world = hedged();
    world.ask();
    await pass(world, 120);
    world.server(0).say("HTTP/1.1 503 No\r\ncontent-length: 10\r\n\r\n12345");
    world.server(1).ok("second");
    await pass(world, 900);
    expect(isGone(world, 0)).toBe(false);
    await pass(world, 200);
    expect(isGone(world, 0)).toBe(true);
    expectIdle(world);
  });
});

describe("a slow connection", () => {
  test("is hedged as well, and the first that stands takes the request", async () => {
    const world = hedged();
    world.silent.add(0);
    const asked = world.ask("PUT", "/", "body");
    expect(world.servers.length).toBe(0);
    await pass(world, 120);
    expect(endpoints(world)).toEqual([1]);
    world.server().ok("second");
    expect(asked.seen).toBe("200 second");
    expect(world.upstream.isIdle).toBe(true);
    expectIdle(world);
  });

  test("of the hedge itself changes nothing", async () => {
    const world = hedged();
    world.refusing.add(1);
    world.refusing.add(2);
    const asked = world.ask();
    await pass(world, 150);
    world.server().ok("first");
    expect(asked.seen).toBe("200 first");
    expectIdle(world);
  });

  test("that never stands, with a hedge that does not either, is told once", async () => {
    const world = hedged();
    for (const endpoint of [0, 1, 2]) world.refusing.add(endpoint);
    const asked = world.ask();
    await pass(world, 500);
    expect([asked.seen, world.counters.refusals.connect_failure]).toEqual(["503", 1]);
    expectIdle(world);
  });
});

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

describe("hedges over HTTP/2", () => {
  test("reset the stream of the loser and keep its connection", async () => {
    const world = hedged({ protocol: "http2", hedge: { methods: ["POST"] } });
    const asked = world.ask("POST", "/E/S", "call", ["content-type", "application/grpc"]);
    await pass(world, 120);
    expect([world.server(0).requests(), world.server(1).requests()]).toEqual([
      ["1 POST /E/S", "1 call"],
      ["1 POST /E/S", "1 call"],
    ]);
    // A call that failed without a message is a failure.
    world.server(0).say(headers(1, [":status", "200", "grpc-status", "14"], true));
    expect(asked.seen).toBe("");
    world.server(1).say(headers(1, [":status", "200"], false), data(1, "done", false));
    world.server(1).say(headers(1, ["grpc-status", "0"], true));
    expect([asked.seen, asked.trailersSeen]).toEqual(["200 done", ["grpc-status", "0"]]);
    expect(isGone(world, 0)).toBe(false);
    const again = world.ask("POST", "/", "x");
    await pass(world, 120);
    world.server(1).answer(3, "other");
    expect(again.seen).toBe("200 other");
    expect(
      world
        .server(0)
        .frames()
        .map(({ type }) => type),
    ).toContain(FrameType.rstStream);
    expectIdle(world);
  });

  test("send a body with trailers, of which the exchange keeps count", async () => {
    const world = hedged({ protocol: "http2", hedge: { methods: ["POST"] } });
    const asked = world.askOpen();
    asked.sendBody("body", false);
    asked.sendTrailers(["x-end", "1"]);
    await pass(world, 120);
    expect(world.server(1).requests().slice(0, 2)).toEqual(["1 POST /", "1 body"]);
    world.server(1).answer(1, "second");
    expect(asked.seen).toBe("200 second");
    expectIdle(world);
  });

  test("that answer before they have all of the body end their stream", async () => {
    const world = hedged({ protocol: "http2" });
    // A byte more than a server takes by default.
    const asked = world.ask("PUT", "/", Buffer.alloc(65_536, "x"));
    world.server(0).say(windowUpdate(0, 100), windowUpdate(1, 100));
    await pass(world, 120);
    const sizes = world
      .server(1)
      .frames()
      .map(({ type, payload }) => (type === FrameType.data ? payload.length : 0));
    expect(sizes.reduce((sum, size) => sum + size)).toBe(65_535);
    world.server(1).answer(1, "second");
    expect(asked.seen).toBe("200 second");
    expect(
      world
        .server(1)
        .frames()
        .map(({ type }) => type),
    ).toContain(FrameType.rstStream);
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
