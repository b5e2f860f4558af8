import { afterEach, describe, expect, test } from "bun:test";
import { defaultAdaptiveConcurrency } from "../../../lib/contract/proxy-concurrency.ts";
import { ConcurrencyStage } from "../../../proxy/concurrency/concurrency-stage.ts";
import { GradientController } from "../../../proxy/concurrency/gradient-controller.ts";
import { ErrorCode } from "../../../proxy/http2/error-codes.ts";
import { data, goaway, headers, rstStream } from "../http2/frames.ts";
import { retryConfig, UpstreamWorld, type UpstreamWorldOptions } from "../upstream/upstream-world.ts";

/** Every way in which a request can end gives its place back, once. The limit is always three here. */
const places = 3;
const fixed = { enabled: true, minConcurrency: places, maxConcurrency: places, fixedMinRttMs: 1 };
const failed = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nbusy";

class Limited {
  readonly world: UpstreamWorld;
  readonly controller = new GradientController({ ...defaultAdaptiveConcurrency, ...fixed }, () => 0);
  nowMs = 0;

  constructor(options: Partial<UpstreamWorldOptions> = {}) {
    const stage = new ConcurrencyStage(this.controller, () => this.nowMs);
    this.world = new UpstreamWorld({ protocol: "http1", stages: [stage], ...options });
  }

  get inFlight(): number {
    return this.controller.inFlight;
  }
}

let limited = new Limited();

function begin(options: Partial<UpstreamWorldOptions> = {}): UpstreamWorld {
  limited = new Limited(options);
  return limited.world;
}

afterEach(() => {
  expect(limited.inFlight).toBe(0);
  // Neither more nor fewer: of those that wait for an answer, too, none is left or counted off twice.
  let free = 0;
  while (free < 100 && limited.controller.tryBegin(limited.nowMs)) free++;
  expect(free).toBe(places);
  limited = new Limited();
});

const retries = (more: object = {}) => ({ timeoutMs: 0, retry: retryConfig({ attempts: 2, ...more }) });

describe("a request is over", () => {
  test("when its answer is, with and without a body", () => {
    const world = begin();
    const asked = world.ask();
    expect(limited.inFlight).toBe(1);
    world.server().say("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfi");
    expect(limited.inFlight).toBe(1);
    world.server().say("ne");
    expect([asked.seen, limited.inFlight]).toEqual(["200 fine", 0]);
    const head = world.ask("HEAD");
    world.server().say("HTTP/1.1 204 No Content\r\n\r\n");
    expect(head.seen).toBe("204");
  });

  test("when its trailers have come", () => {
    const world = begin({ protocol: "http2" });
    const asked = world.ask();
    world.server().say(headers(1, [":status", "200"], false), data(1, "x", false));
    expect(limited.inFlight).toBe(1);
    world.server().say(headers(1, ["grpc-status", "0"], true));
    expect(asked.seen).toBe("200 x");
  });

  test("when it is answered before all of it was sent", () => {
    for (const protocol of ["http1", "http2"] as const) {
      const world = begin({ protocol });
      const asked = world.ask("POST", "/", Buffer.alloc(4_000_000));
      if (protocol === "http1") world.server().ok("no");
      else world.server().answer(1, "no");
      expect([asked.seen, limited.inFlight]).toEqual(["200 no", 0]);
    }
  });

  test("when there is nowhere to send it", () => {
    const world = begin();
    world.choice = [];
    expect(world.ask().seen).toBe("503");
    world.choice = [...world.pools];
    world.refusing.add(0);
    expect(world.ask().seen).toBe("503");
  });

  test("when its client gives it up: before there is a connection, then without and in the middle of an answer", () => {
    const world = begin({ protocol: "http2", serverSettings: "silent", awaitsGreeting: true });
    const early = world.ask();
    expect(limited.inFlight).toBe(1);
    early.giveUp();
    expect(limited.inFlight).toBe(0);
    const other = begin();
    const waiting = other.ask();
    waiting.giveUp();
    expect(limited.inFlight).toBe(0);
    const answered = other.ask();
    other.server().say("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfi");
    expect(limited.inFlight).toBe(1);
    answered.giveUp();
  });

  test("when its connection is lost, without and in the middle of an answer", () => {
    const world = begin();
    const asked = world.ask("POST");
    world.server().connection.destroy();
    world.settle();
    expect([asked.seen, limited.inFlight]).toEqual(["503", 0]);
    const cut = world.ask("POST");
    world.server().say("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfi");
    world.server().connection.destroy();
    world.settle();
    expect(cut.seen).toBe("cut");
  });

  test("when what comes is no answer, or interim ones without end", () => {
    const world = begin();
    const asked = world.ask();
    world.server().say("HTTP/1.1 999999 Huh\r\n\r\n");
    expect([asked.seen, limited.inFlight]).toEqual(["502", 0]);
    const informed = world.ask();
    world.server().say("HTTP/1.1 102 Processing\r\n\r\n".repeat(101));
    expect(informed.seen).toBe("502");
  });

  test("when its time is over", async () => {
    const world = begin({ policy: { timeoutMs: 500 } });
    const asked = world.ask();
    await world.wait(600);
    expect([asked.seen, limited.inFlight]).toEqual(["504", 0]);
    const begun = world.ask();
    world.server().say("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfi");
    await world.wait(600);
    expect(begun.seen).toBe("cut");
  });

  test("when nothing moves any more", () => {
    const world = begin();
    const asked = world.ask();
    for (const nowMs of [1_000, 2_000, 9_000]) asked.exchange.sweep(nowMs, 5_000);
    expect(asked.seen).toBe("504");
  });
});

describe("a request that is sent again", () => {
  test("is counted for each try, and not in the pause between them", async () => {
    const world = begin({ policy: retries() });
    const asked = world.ask();
    for (let i = 0; i < 2; i++) {
      expect(limited.inFlight).toBe(1);
      world.server().say(failed);
      expect(limited.inFlight).toBe(0);
      await world.wait(300);
    }
    expect(limited.inFlight).toBe(1);
    world.server().ok("fine");
    expect(asked.seen).toBe("200 fine");
  });

  test("leaves its place with the answer that is not wanted, however long that is", async () => {
    for (const protocol of ["http1", "http2"] as const) {
      const world = begin({ protocol, policy: retries() });
      const asked = world.ask();
      const [first, second] = [world.server(), 3];
      if (protocol === "http1") first.say("HTTP/1.1 503 No\r\ncontent-length: 8\r\n\r\nbusy");
      else first.say(headers(1, [":status", "503"], false), data(1, "busy", false));
      expect(limited.inFlight).toBe(0);
      await world.wait(100);
      expect(limited.inFlight).toBe(1);
      // What is left of the first answer is nobody's, least of all the second's.
      if (protocol === "http1") first.say("busy");
      else first.say(data(1, "busy", true));
      expect([asked.seen, limited.inFlight]).toEqual(["", 1]);
      if (protocol === "http1") world.server().ok("fine");
      else world.server().answer(second, "fine");
      expect(asked.seen).toBe("200 fine");
    }
  });

  test("is counted when a try has had its time", async () => {
    const world = begin({ policy: retries({ perTryTimeoutMs: 100 }) });
    const asked = world.ask();
    await world.wait(170);
    expect([world.servers.length, limited.inFlight]).toEqual([2, 1]);
    world.server().ok("fine");
    expect(asked.seen).toBe("200 fine");
    const late = world.ask();
    await world.wait(2_000);
    expect(late.seen).toBe("504");
  });

  test("is counted when its server turns it away, or its connection was closed", () => {
    const world = begin({ protocol: "http2" });
    const asked = world.ask();
    world.server().say(rstStream(1, ErrorCode.refusedStream));
    expect(limited.inFlight).toBe(1);
    world.server().answer(3, "fine");
    expect([asked.seen, limited.inFlight]).toEqual(["200 fine", 0]);
    const other = world.ask();
    world.server().say(goaway(3, ErrorCode.noError));
    expect(limited.inFlight).toBe(1);
    world.server().answer(1, "else");
    expect(other.seen).toBe("200 else");
    const reused = begin();
    reused.ask();
    reused.server().ok("one");
    const again = reused.ask();
    reused.server().connection.destroy();
    reused.settle();
    expect(limited.inFlight).toBe(1);
    reused.server().ok("two");
    expect(again.seen).toBe("200 two");
  });

  test("and given up in the pause, is not counted", async () => {
    const world = begin({ policy: retries() });
    const asked = world.ask();
    world.server().say(failed);
    asked.giveUp();
    await world.wait(1_000);
  });
});

describe("beyond the limit", () => {
  test("a request gets 503 at once and is sent nowhere; the next has a place again", () => {
    const world = begin();
    const asked = Array.from({ length: places + 2 }, () => world.ask());
    expect(asked.map(({ seen }) => seen)).toEqual(["", "", "", "503", "503"]);
    expect(world.servers.length).toBe(places);
    expect(world.counters.refusals.concurrency_limit).toBe(2);
    for (const server of world.servers) server.ok("x");
    const next = world.ask();
    expect([next.seen, limited.inFlight]).toEqual(["", 1]);
    world.server(places - 1).ok("x");
    for (const server of world.servers) server.say("");
    next.giveUp();
  });

  test("a retry finds no place either", async () => {
    const world = begin({ policy: retries() });
    const first = world.ask();
    world.server(0).say(failed);
    const others = Array.from({ length: places }, () => world.ask());
    await world.wait(300);
    expect(first.seen).toBe("503");
    expect(world.counters.refusals.concurrency_limit).toBe(1);
    for (const other of others) other.giveUp();
  });
});

describe("the latency that counts", () => {
  const measured = (more: object = {}) => {
    const config = { ...defaultAdaptiveConcurrency, enabled: true, minRttRequests: 1, ...more };
    const controller = new GradientController(config, () => 0);
    const time = { nowMs: 100 };
    const stages = [new ConcurrencyStage(controller, () => time.nowMs)];
    return { controller, time, world: new UpstreamWorld({ protocol: "http2", stages }) };
  };

  test("is that of the server: from the end of the request to the head of its answer", () => {
    const { controller, time, world } = measured();
    const asked = world.ask("POST", "/", Buffer.alloc(600_000));
    // The server takes its time to read, then to answer; its client reads slowly.
    time.nowMs += 5_000;
    world.server().say(windowUpdates(600_000));
    expect(world.server().takeRaw().length).toBeGreaterThan(600_000);
    time.nowMs += 40;
    world.server().say(headers(1, [":status", "200"], false));
    time.nowMs += 9_000;
    world.server().say(data(1, "x", true));
    expect(asked.seen).toBe("200 x");
    expect(Math.abs(controller.minRttMs / 40 - 1)).toBeLessThan(0.03);
  });

  test("is not that of a connection that has to be opened", () => {
    const { controller, time, world } = measured();
    world.network.schedule(() => {
      time.nowMs += 700;
    });
    const asked = world.ask();
    time.nowMs += 12;
    world.server().answer(1, "x");
    expect(asked.seen).toBe("200 x");
    expect(Math.abs(controller.minRttMs / 12 - 1)).toBeLessThan(0.03);
  });
});

function windowUpdates(bytes: number): Buffer {
  const update = (streamId: number): Buffer => {
    const frame = Buffer.alloc(13);
    frame.writeUIntBE(4, 0, 3);
    frame.writeUInt8(8, 3);
    frame.writeUInt32BE(streamId, 5);
    frame.writeUInt32BE(bytes, 9);
    return frame;
  };
  return Buffer.concat([update(0), update(1)]);
}
