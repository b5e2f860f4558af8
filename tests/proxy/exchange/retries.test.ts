import { describe, expect, test } from "bun:test";
import type { Upstream } from "../../../proxy/exchange/ends.ts";
import { PassThrough } from "../../../proxy/exchange/stage.ts";
import { data, headers, rstStream } from "../http2/frames.ts";
import { retryConfig, UpstreamWorld } from "../upstream/upstream-world.ts";

const failed = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nbusy";

function http1World(retry: object, more: { endpoints?: number; timeoutMs?: number } = {}): UpstreamWorld {
  const { endpoints = 1, timeoutMs = 0 } = more;
  return new UpstreamWorld({ protocol: "http1", endpoints, policy: { timeoutMs, retry: retryConfig(retry) } });
}

describe("a request that may be tried again", () => {
  test("is, after a pause, and its client sees the second answer only", async () => {
    const world = http1World({ attempts: 1 });
    const asked = world.ask();
    world.server().say(failed);
    expect(asked.seen).toBe("");
    await world.wait(100);
    world.server().ok("fine");
    expect(asked.seen).toBe("200 fine");
    expect(world.counters.retries).toBe(1);
    // The first answer was read to its end, so its connection carried the second try.
    expect(world.servers.length).toBe(1);
    expect([world.budget.liveRequests, world.budget.liveRetries]).toEqual([0, 0]);
  });

  test("gets the last answer when all tries have failed", async () => {
    const world = http1World({ attempts: 2 });
    const asked = world.ask();
    for (let i = 0; i < 3; i++) {
      world.server().say(failed);
      await world.wait(300);
    }
    expect(asked.seen).toBe("503");
    expect(world.counters.retries).toBe(2);
  });

  test("goes to another endpoint than the one that failed", async () => {
    const world = http1World({ attempts: 1 }, { endpoints: 2 });
    const asked = world.ask();
    world.server().say(failed);
    await world.wait(100);
    expect(world.servers.map(({ endpoint }) => endpoint)).toEqual([0, 1]);
    world.server().ok("fine");
    expect(asked.seen).toBe("200 fine");
  });

  test("takes its body along", async () => {
    const world = http1World({ attempts: 1 });
    const asked = world.ask("PUT", "/", "the body");
    expect(world.server().text()).toEndWith("the body");
    world.server().say(failed);
    await world.wait(100);
    expect(world.server().text()).toEndWith("the body");
    world.server().ok("fine");
    expect([asked.seen, asked.consumed]).toEqual(["200 fine", 8]);
  });

  test("is not when its body is longer than what is kept", async () => {
    const world = http1World({ attempts: 1 });
    const asked = world.ask("PUT", "/", "x".repeat(64 * 1024 + 1));
    world.server().say(failed);
    await world.wait(100);
    expect([asked.seen, world.counters.retries]).toEqual(["503", 0]);
  });

  test("is not with POST once the server may have acted, unless it is listed", async () => {
    for (const [methods, seen] of [
      [["GET"], "503"],
      [["POST"], ""],
    ] as const) {
      const world = http1World({ attempts: 1, methods });
      const asked = world.ask("POST");
      world.server().say(failed);
      await world.wait(100);
      expect(asked.seen).toBe(seen);
    }
  });

  test("leaves a long answer with its connection", async () => {
    const world = http1World({ attempts: 1 });
    const asked = world.ask();
    const first = world.server();
    first.say("HTTP/1.1 503 No\r\ncontent-length: 100000\r\n\r\n", "x".repeat(20_000));
    await world.wait(100);
    expect(first.connection.isClosed || first.hasEnded).toBe(true);
    world.server().ok("fine");
    expect([asked.seen, world.servers.length]).toEqual(["200 fine", 2]);
  });

  test("leaves an answer that does not come to its end within a second", async () => {
    const world = http1World({ attempts: 1 });
    world.ask();
    const first = world.server();
    first.say("HTTP/1.1 503 No\r\ncontent-length: 10\r\n\r\n12345");
    await world.wait(900);
    expect(first.hasEnded).toBe(false);
    await world.wait(200);
    expect(first.connection.isClosed || first.hasEnded).toBe(true);
  });

  test("is given up with its client, in a pause too", async () => {
    const world = http1World({ attempts: 1 });
    const asked = world.ask();
    world.server().say(failed);
    asked.giveUp();
    await world.wait(300);
    expect(world.servers.length).toBe(1);
    expect([world.budget.liveRequests, world.budget.liveRetries]).toEqual([0, 0]);
  });

  test("is not when the budget is used up, which is counted", async () => {
    const budget = { percent: 0, minConcurrent: 0, minPerSecond: 0 };
    const world = http1World({ attempts: 1, budget });
    const asked = world.ask();
    world.server().say(failed);
    expect([asked.seen, world.counters.retriesOverBudget]).toEqual(["503", 1]);
  });

  test("of gRPC is called again by its status", async () => {
    const world = new UpstreamWorld({ protocol: "http2", policy: { retry: retryConfig({ attempts: 1 }) } });
    const asked = world.ask("POST", "/E/S", "call", ["content-type", "application/grpc"]);
    expect(world.server().requests()).toEqual(["1 POST /E/S", "1 call"]);
    world.server().say(headers(1, [":status", "200", "grpc-status", "14"], true));
    await world.wait(100);
    expect(world.server().requests()).toEqual(["3 POST /E/S", "3 call"]);
    world.server().say(headers(3, [":status", "200"], false), data(3, "done", false));
    world.server().say(headers(3, ["grpc-status", "0"], true));
    expect([asked.seen, asked.trailersSeen]).toEqual(["200 done", ["grpc-status", "0"]]);
  });
});

describe("a request with a time", () => {
  test("for each try that is over in the pause before a resend is sent once from then on", async () => {
    const world = new UpstreamWorld({
      protocol: "http2",
      policy: { retry: retryConfig({ attempts: 1, perTryTimeoutMs: 30 }) },
    });
    const asked = world.ask();
    world.server().say(rstStream(1, 7));
    await world.wait(25);
    world.server().say(rstStream(3, 7));
    await world.wait(30);
    // The request, the resend at once, and the retry: the resend after the pause is not there any more.
    expect(world.server().requests()).toEqual(["1 GET /", "3 GET /", "5 GET /"]);
    world.server().answer(5, "fine");
    expect(asked.seen).toBe("200 fine");
  });

  test("for each try is tried again when a try has had it", async () => {
    const world = http1World({ attempts: 1, perTryTimeoutMs: 200 });
    const asked = world.ask();
    await world.wait(190);
    expect(world.servers.length).toBe(1);
    await world.wait(150);
    expect(world.servers.length).toBe(2);
    await world.wait(250);
    expect([asked.seen, world.counters.refusals.request_timeout]).toEqual(["504", 1]);
  });

  test("of its own gets 504 when it is over, and no try begins that could not end in it", async () => {
    const world = http1World({ attempts: 5, backoff: { baseMs: 1_000, maxMs: 1_000 } }, { timeoutMs: 400 });
    const asked = world.ask();
    world.server().say(failed);
    expect(asked.seen).toBe("503");
    const silent = world.ask();
    await world.wait(390);
    expect(silent.seen).toBe("");
    await world.wait(40);
    expect([silent.seen, world.counters.refusals.request_timeout]).toEqual(["504", 1]);
    expect(world.exchangeContext.deadlines.size).toBe(0);
  });

  test("of its own is cut when its response has begun", async () => {
    const world = http1World({}, { timeoutMs: 400 });
    const asked = world.ask();
    world.server().say("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf");
    await world.wait(430);
    expect(asked.seen).toBe("cut");
  });
});

test("a storm of retries is at most a fifth more, of failures at once and of slow ones", async () => {
  for (const slowMs of [0, 100]) {
    const world = http1World({ attempts: 3, backoff: { baseMs: 1, maxMs: 1 } });
    const pending: (() => void)[] = [];
    let reached = 0;
    let seed = 1;
    const serve = (): void => {
      for (const server of world.servers) {
        if (server.text() === "") continue;
        reached++;
        seed = (seed * 48_271) % 2_147_483_647;
        const isBad = seed % 2 === 0;
        pending.push(() => (isBad ? server.say(failed) : server.ok("fine")));
      }
    };
    const asked = [];
    for (let ms = 0; ms < 20_000; ms += 10) {
      for (let i = 0; i < 2; i++) asked.push(world.ask());
      serve();
      if (ms >= slowMs) for (const answer of pending.splice(0, slowMs === 0 ? pending.length : 3)) answer();
      world.network.nowMs += 10;
      await world.wait(10);
    }
    for (let ms = 0; ms < 500; ms += 10) {
      serve();
      for (const answer of pending.splice(0)) answer();
      await world.wait(10);
    }
    expect(asked.filter(({ seen }) => seen === "").length).toBe(0);
    expect(world.counters.retries).toBeGreaterThan(asked.length * 0.15);
    expect(reached / asked.length).toBeLessThanOrEqual(1.2);
  }
});

test("an answer that is not wanted does not end up in the next one, behind a stage as without", async () => {
  for (const stages of [[], [{ before: (upstream: Upstream) => new PassThrough(upstream) }]]) {
    const policy = { timeoutMs: 0, retry: retryConfig({ attempts: 1 }) };
    const world = new UpstreamWorld({ protocol: "http2", policy, stages });
    const asked = world.ask();
    world.server().say(headers(1, [":status", "503"], false), data(1, "busy", false));
    await world.wait(100);
    world.server().say(headers(3, [":status", "200"], false));
    world.server().say(data(1, "more", true));
    world.server().say(data(3, "fine", true));
    expect(asked.seen).toBe("200 fine");
  }
});
