import { describe, expect, test } from "bun:test";
import { ErrorCode } from "../../../proxy/http2/error-codes.ts";
import { FrameType, Setting } from "../../../proxy/http2/frame-types.ts";
import { data, frame, goaway, headers, rstStream, settings, settingsAck, windowUpdate } from "../http2/frames.ts";
import { type Asked, UpstreamWorld } from "./upstream-world.ts";

const seenOf = (all: readonly Asked[]): string[] => all.map(({ seen }) => seen);

describe("a server's GOAWAY", () => {
  test("without requests under way ends the connection; the next request gets a new one", () => {
    const world = new UpstreamWorld({ protocol: "http2" });
    const first = world.ask();
    world.server().answer(1, "one");
    expect(first.seen).toBe("200 one");
    world.server().say(goaway(1));
    expect(world.server().hasEnded).toBe(true);
    const second = world.ask();
    expect(world.servers.length).toBe(2);
    world.server().answer(1, "two");
    expect(second.seen).toBe("200 two");
    expect(world.pool.connectionCount).toBe(1);
  });

  test("lets requests up to its last stream finish and has those above sent again, whatever their method", () => {
    const world = new UpstreamWorld({ protocol: "http2" });
    const get = world.ask("GET", "/1");
    const post = world.ask("POST", "/2", "two");
    const patch = world.ask("PATCH", "/3", "three");
    expect(world.server().requests()).toEqual(["1 GET /1", "3 POST /2", "3 two", "5 PATCH /3", "5 three"]);
    world.server().say(goaway(1));
    expect(world.servers.length).toBe(2);
    expect(world.server(1).requests()).toEqual(["1 POST /2", "1 two", "3 PATCH /3", "3 three"]);
    expect(world.server(0).hasEnded).toBe(false);
    world.server(0).answer(1, "late");
    expect(world.server(0).hasEnded).toBe(true);
    world.server(1).answer(1, "b");
    world.server(1).answer(3, "c");
    expect(seenOf([get, post, patch])).toEqual(["200 late", "200 b", "200 c"]);
    // What was sent twice was taken from the client once.
    expect([post.consumed, patch.consumed]).toEqual([3, 5]);
    expect(world.pool.activeCount).toBe(0);
  });

  test("in two steps loses nothing: first no more requests, then the last one", () => {
    const world = new UpstreamWorld({ protocol: "http2" });
    const first = world.ask();
    world.server().say(goaway(0x7fff_ffff));
    const second = world.ask();
    expect(world.servers.length).toBe(2);
    world.server(0).say(goaway(1));
    world.server(0).answer(1, "one");
    world.server(1).answer(1, "two");
    expect(seenOf([first, second])).toEqual(["200 one", "200 two"]);
  });

  test("again and again ends in 503, not in a loop", async () => {
    const world = new UpstreamWorld({ protocol: "http2" });
    const asked = world.ask("POST", "/", "body");
    for (let round = 0; round < 10 && asked.seen === ""; round++) {
      world.server().say(goaway(0));
      await world.wait(1_000);
    }
    expect(asked.seen).toBe("503");
    expect(world.servers.length).toBe(4);
    expect(world.counters.retries).toBe(3);
  });
});

describe("a reset of one stream", () => {
  test("that refuses it has the request sent again, body and trailers included", () => {
    const world = new UpstreamWorld({ protocol: "http2" });
    const asked = world.ask("POST", "/", "body");
    world.server().requests();
    world.server().say(rstStream(1, ErrorCode.refusedStream));
    expect(world.server().requests()).toEqual(["3 POST /", "3 body"]);
    world.server().answer(3, "ok");
    expect(asked.seen).toBe("200 ok");
  });

  test("that refuses it again and again has it sent at once, then after ever longer pauses, then given up", async () => {
    const world = new UpstreamWorld({ protocol: "http2" });
    const asked = world.ask("POST", "/", "body");
    expect(world.server().requests()).toEqual(["1 POST /", "1 body"]);
    // Three quarters of 25 ms and of 50 ms, each within 8 ms.
    for (const [streamId, pauseMs] of [
      [3, 0],
      [5, 18],
      [7, 37],
    ] as const) {
      world.server().say(rstStream(streamId - 2, ErrorCode.refusedStream));
      await world.wait(pauseMs);
      if (pauseMs > 0) expect(world.server().requests()).toEqual([]);
      await world.wait(pauseMs > 0 ? 9 : 0);
      expect(world.server().requests()).toEqual([`${streamId} POST /`, `${streamId} body`]);
    }
    world.server().say(rstStream(7, ErrorCode.refusedStream));
    expect([asked.seen, world.counters.retries]).toEqual(["503", 3]);
    expect(world.exchangeContext.deadlines.size).toBe(0);
  });

  test("that refuses it twice has nothing sent for a client that leaves in the pause", async () => {
    const world = new UpstreamWorld({ protocol: "http2" });
    const asked = world.ask();
    world.server().say(rstStream(1, ErrorCode.refusedStream));
    world.server().say(rstStream(3, ErrorCode.refusedStream));
    world.server().requests();
    expect(world.exchangeContext.deadlines.size).toBe(1);
    asked.giveUp();
    expect(world.exchangeContext.deadlines.size).toBe(0);
    await world.wait(1_000);
    expect([world.server().requests(), world.clock.pendingTimers()]).toEqual([[], 0]);
  });

  test("that refuses it twice leaves a gRPC call its deadline, which ends the pause", async () => {
    const world = new UpstreamWorld({ protocol: "http2" });
    const asked = world.ask("POST", "/a.B/C", undefined, ["content-type", "application/grpc", "grpc-timeout", "1m"]);
    world.server().say(rstStream(1, ErrorCode.refusedStream));
    world.server().say(rstStream(3, ErrorCode.refusedStream));
    world.server().requests();
    await world.wait(10);
    expect(asked.seen).toBe("200 ");
    expect(world.counters.refusals.grpc_deadline).toBe(1);
    await world.wait(1_000);
    expect(world.server().requests()).toEqual([]);
  });

  test("for another reason is 503 and nothing is sent again", () => {
    const world = new UpstreamWorld({ protocol: "http2" });
    const asked = world.ask();
    world.server().requests();
    world.server().say(rstStream(1, ErrorCode.internalError));
    expect(asked.seen).toBe("503");
    expect(world.server().requests()).toEqual([]);
    expect(world.pool.activeCount).toBe(0);
  });

  test("behind a complete response does not cut it short, even while the client is slow to take it", () => {
    const world = new UpstreamWorld({ protocol: "http2" });
    let isOpen = false;
    const asked = world.ask("POST", "/", Buffer.alloc(200_000));
    const take = asked.data.bind(asked);
    asked.data = (bytes, start, end, isEnd) => (isOpen ? take(bytes, start, end, isEnd) : 0);
    world.server().say(headers(1, [":status", "200"], false), data(1, "whole", true), rstStream(1, ErrorCode.noError));
    expect(asked.seen).toBe("");
    isOpen = true;
    asked.exchange.onDownstreamWritable();
    expect(asked.seen).toBe("200 whole");
  });

  test("of a request whose body is too long to keep is 503", () => {
    const world = new UpstreamWorld({ protocol: "http2" });
    const asked = world.ask("POST", "/", Buffer.alloc(65_535 + 10));
    world.server().say(windowUpdate(0, 1000), windowUpdate(1, 1000));
    world.server().say(rstStream(1, ErrorCode.refusedStream));
    expect(asked.seen).toBe("503");
  });

  test("of a message that breaks the rules is 502", () => {
    const world = new UpstreamWorld({ protocol: "http2" });
    const asked = world.ask();
    world.server().say(headers(1, [":status", "200", "content-length", "x"], true));
    expect(asked.seen).toBe("502");
  });
});

describe("SETTINGS_MAX_CONCURRENT_STREAMS", () => {
  test("that is not known yet counts as 100: what is beyond waits for it and opens no other connection", () => {
    const world = new UpstreamWorld({ protocol: "http2", serverSettings: "silent" });
    const asked = Array.from({ length: 130 }, () => world.ask());
    expect(world.server().requests().length).toBe(100);
    expect(world.servers.length).toBe(1);
    world.server().say(settings(Setting.maxConcurrentStreams, 120), settingsAck());
    // Twenty more fit; for the rest another connection is worth it now.
    expect(world.server(0).requests().length).toBe(20);
    expect(world.server(1).requests().length).toBe(10);
    world.server(1).say(settings(), settingsAck());
    for (let i = 0; i < 120; i++) world.server(0).answer(2 * i + 1, "ok");
    for (let i = 0; i < 10; i++) world.server(1).answer(2 * i + 1, "ok");
    expect(new Set(seenOf(asked))).toEqual(new Set(["200 ok"]));
  });

  test("of 0 has requests wait, and they are served when it is raised", () => {
    const world = new UpstreamWorld({ protocol: "http2", maxConnections: 1 });
    world.ask();
    world.server().answer(1, "");
    world.server().say(settings(Setting.maxConcurrentStreams, 0));
    const waiting = [world.ask("POST", "/1", "a"), world.ask("GET", "/2")];
    expect([world.servers.length, world.upstream.waitingCount]).toEqual([1, 2]);
    world.server().requests();
    world.server().say(settings(Setting.maxConcurrentStreams, 1));
    expect(world.server().requests()).toEqual(["3 POST /1", "3 a"]);
    world.server().answer(3, "1");
    expect(world.server().requests()).toEqual(["5 GET /2"]);
    world.server().answer(5, "2");
    expect(seenOf(waiting)).toEqual(["200 1", "200 2"]);
  });

  test("of 0 that stays is 503 after the time to connect, and harms nothing (CVE-2021-32780)", () => {
    const world = new UpstreamWorld({ protocol: "http2", serverSettings: [Setting.maxConcurrentStreams, 0] });
    const asked = Array.from({ length: 3 }, () => world.ask());
    // The first one crossed with the setting.
    world.server().say(rstStream(1, ErrorCode.refusedStream));
    expect(world.upstream.waitingCount).toBe(3);
    world.pass(4_000);
    expect(seenOf(asked)).toEqual(["", "", ""]);
    world.pass(1_000);
    expect(seenOf(asked)).toEqual(["503", "503", "503"]);
    expect(world.upstream.waitingCount).toBe(0);
    expect(world.attempts.length).toBe(1);
  });

  test("lowered below what is open lets those finish and admits the next one by one", () => {
    const world = new UpstreamWorld({ protocol: "http2", maxConnections: 1 });
    const open = [world.ask(), world.ask(), world.ask()];
    world.server().say(settings(Setting.maxConcurrentStreams, 1));
    const next = [world.ask(), world.ask()];
    world.server().requests();
    world.server().answer(1, "a");
    world.server().answer(3, "b");
    expect(world.server().requests()).toEqual([]);
    world.server().answer(5, "c");
    expect(world.server().requests()).toEqual(["7 GET /"]);
    world.server().answer(7, "d");
    world.server().answer(9, "e");
    expect(seenOf([...open, ...next])).toEqual(["200 a", "200 b", "200 c", "200 d", "200 e"]);
  });

  test("room that a client gives up is the next one's", () => {
    const world = new UpstreamWorld({
      protocol: "http2",
      maxConnections: 1,
      serverSettings: [Setting.maxConcurrentStreams, 1],
    });
    const [first, second, third] = [world.ask(), world.ask("GET", "/second"), world.ask("GET", "/third")];
    second.giveUp();
    first.giveUp();
    world.settle();
    expect(world.server().requests()).toEqual(["1 GET /", "3 GET /third"]);
    world.server().answer(3, "ok");
    expect(third.seen).toBe("200 ok");
  });
});

describe("a connection that is lost", () => {
  test("with 100 requests has the idempotent ones sent again once, the others are 503", () => {
    const world = new UpstreamWorld({ protocol: "http2" });
    const gets = Array.from({ length: 50 }, () => world.ask("GET"));
    const posts = Array.from({ length: 50 }, () => world.ask("POST", "/", "x"));
    world.server().connection.destroy();
    world.settle();
    expect(new Set(seenOf(posts))).toEqual(new Set(["503"]));
    expect(world.servers.length).toBe(2);
    expect(world.server().requests().length).toBe(50);
    for (let i = 0; i < 25; i++) world.server().answer(2 * i + 1, "ok");
    world.server().connection.destroy();
    world.settle();
    expect(seenOf(gets).filter((seen) => seen === "200 ok").length).toBe(25);
    expect(seenOf(gets).filter((seen) => seen === "503").length).toBe(25);
    expect([world.pool.connectionCount, world.pool.activeCount]).toEqual([0, 0]);
  });

  test("behind the head of a response cuts it", () => {
    const world = new UpstreamWorld({ protocol: "http2" });
    const asked = world.ask();
    world.server().say(headers(1, [":status", "200"], false), data(1, "part"));
    world.server().connection.destroy();
    world.settle();
    expect(asked.seen).toBe("cut");
    expect(world.servers.length).toBe(1);
  });

  test("with its only request ever is not tried again: that request may be the reason", () => {
    const world = new UpstreamWorld({ protocol: "http2" });
    const asked = world.ask();
    world.server().connection.destroy();
    world.settle();
    expect(asked.seen).toBe("503");
    expect(world.servers.length).toBe(1);
  });
});

describe("several connections to one endpoint", () => {
  test("are opened when the window is used up, and closed when one is enough again", () => {
    const world = new UpstreamWorld({ protocol: "http2" });
    const bulk = world.ask("POST", "/bulk", Buffer.alloc(70_000));
    expect(world.servers.length).toBe(1);
    const overtakes = world.ask("GET", "/quick");
    // It went where there was no room for its body, had it one; the next finds the new connection.
    expect(world.servers.length).toBe(2);
    world.ask("GET", "/next");
    expect(world.server(1).requests()).toEqual(["1 GET /next"]);
    world.server(0).answer(3, "quick");
    world.server(1).answer(1, "next");
    world.server(0).say(windowUpdate(0, 100_000), windowUpdate(1, 100_000));
    world.server(0).answer(1, "bulk");
    expect(seenOf([bulk, overtakes])).toEqual(["200 bulk", "200 quick"]);
    for (let round = 0; round < 80; round++) {
      const asked = world.ask();
      world.server(0).answer(2 * round + 5, "ok");
      expect(asked.seen).toBe("200 ok");
      world.pass(1_000);
      for (const server of world.servers) server.say(pong());
    }
    expect([world.server(0).hasEnded, world.server(1).hasEnded]).toEqual([false, true]);
    expect(world.pool.connectionCount).toBe(1);
  });

  test("are never more than eight, nor than either limit", () => {
    for (const [maxConnections, limits, expected] of [
      [1_000, {}, 8],
      [3, {}, 3],
      [1_000, { maxPoolSessions: 1 }, 1],
      [1_000, { maxPoolSessions: 19 }, 19],
      [1_000, { maxPoolSessions: 20 }, 20],
    ] as const) {
      const world = new UpstreamWorld({
        protocol: "http2",
        maxConnections,
        limits,
        serverSettings: [Setting.maxConcurrentStreams, 1],
      });
      for (let i = 0; i < 20; i++) world.ask();
      expect(world.servers.length).toBe(expected);
      expect(world.upstream.waitingCount).toBe(20 - expected);
    }
  });
});

describe("a silent server", () => {
  const pings = (world: UpstreamWorld, index: number): number =>
    world
      .server(index)
      .frames()
      .filter(({ type }) => type === FrameType.ping).length;

  test("is asked for a sign of life, and kept when it gives one", () => {
    const world = new UpstreamWorld({ protocol: "http2" });
    const asked = world.ask();
    world.pass(11_000);
    expect(pings(world, 0)).toBe(1);
    world.server().say(pong());
    world.pass(8_000);
    expect(pings(world, 0)).toBe(0);
    world.pass(4_000);
    expect(pings(world, 0)).toBe(1);
    world.server().answer(1, "slow");
    expect(asked.seen).toBe("200 slow");
  });

  test("that gives none gets no new requests, and loses those that it has", () => {
    const world = new UpstreamWorld({ protocol: "http2" });
    const first = world.ask("GET", "/first");
    const other = world.ask("POST", "/other", "x");
    world.pass(13_000);
    const second = world.ask("GET", "/second");
    expect(world.servers.length).toBe(2);
    expect(world.server(1).requests()).toEqual(["1 GET /second"]);
    world.server(1).answer(1, "alive");
    expect(second.seen).toBe("200 alive");
    world.pass(9_000);
    expect(world.server(0).connection.isClosed).toBe(true);
    expect(other.seen).toBe("503");
    expect(world.server(1).requests()).toEqual(["3 GET /first"]);
    world.server(1).answer(3, "again");
    expect(first.seen).toBe("200 again");
  });

  test("is not pinged into staying: without requests its connection is closed all the same", () => {
    const world = new UpstreamWorld({ protocol: "http2" });
    world.ask();
    world.server().answer(1, "ok");
    for (let second = 0; second < 60; second++) {
      world.pass(1_000);
      world.server().say(pong());
    }
    expect(world.server().hasEnded).toBe(true);
    expect(world.pool.isEmpty).toBe(true);
  });
});

/** The answer to a keepalive ping; any frame would do. */
function pong(): Buffer {
  return frame(FrameType.ping, 1, 0, Buffer.from([0x41, 0x74, 0x6f, 0x6c, 0, 0, 0, 1]));
}
