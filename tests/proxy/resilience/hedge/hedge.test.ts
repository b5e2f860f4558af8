import { describe, expect, test } from "bun:test";
import { FrameType } from "../../../../proxy/http2/frame-types.ts";
import { data, headers, rstStream, windowUpdate } from "../../http2/frames.ts";
import { endpoints, expectIdle, failed, hedged, isGone, pass } from "./hedged-world.ts";

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

describe("a hedge that waits for a connection", () => {
  test("is called off when the request is sent first and its body is not complete, and is sent once that is", async () => {
    const world = hedged({ hedge: { methods: ["POST"] } });
    for (const endpoint of [0, 1, 2]) world.slow.add(endpoint);
    const asked = world.askOpen();
    asked.sendBody("one", false);
    await pass(world, 120);
    expect(world.attempts).toEqual([0, 1]);
    world.connect();
    // The second connection stands, and nothing is sent over it.
    expect(world.servers.map((server) => server.text() === "")).toEqual([false, true]);
    asked.sendBody("two", true);
    world.settle();
    world.connect();
    expect(world.servers.map((server) => server.text().slice(0, 4))).toEqual(["3\r\nt", "", "POST"]);
    world.server(2).ok("late");
    expect(asked.seen).toBe("200 late");
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

  test("that answer early get the rest of the body all the same", async () => {
    const world = hedged({ protocol: "http2" });
    const asked = world.ask("PUT", "/", Buffer.alloc(65_536, "x"));
    world.server(0).say(windowUpdate(0, 100), windowUpdate(1, 100));
    await pass(world, 120);
    const bodyBytes = (): number =>
      world
        .server(1)
        .frames()
        .reduce((sum, { type, payload }) => sum + (type === FrameType.data ? payload.length : 0), 0);
    expect(bodyBytes()).toBe(65_535);
    world.server(1).say(headers(1, [":status", "200"], false));
    world.server(1).say(windowUpdate(0, 100), windowUpdate(1, 100));
    expect(bodyBytes()).toBe(1);
    world.server(1).say(data(1, "second", true));
    expect(asked.seen).toBe("200 second");
    expectIdle(world);
  });

  test("of which one may have acted are not sent again because another has not", async () => {
    const world = hedged({ protocol: "http2", hedge: { methods: ["POST"] } });
    const asked = world.ask("POST", "/", "x");
    await pass(world, 120);
    world.server(1).say(rstStream(1, 2));
    world.server(0).say(rstStream(1, 7));
    expect([asked.seen, world.counters.retries]).toEqual(["503", 0]);
    const other = world.ask("POST", "/", "x");
    await pass(world, 120);
    world.server(1).say(rstStream(3, 7));
    world.server(0).say(rstStream(3, 7));
    expect([other.seen, world.counters.retries]).toEqual(["", 1]);
  });
});
