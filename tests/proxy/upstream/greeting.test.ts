import { describe, expect, test } from "bun:test";
import { ErrorCode } from "../../../proxy/http2/error-codes.ts";
import { Setting } from "../../../proxy/http2/frame-types.ts";
import { goaway, settings, settingsAck } from "../http2/frames.ts";
import { UpstreamWorld } from "./upstream-world.ts";

function world(endpoints: number): UpstreamWorld {
  return new UpstreamWorld({ protocol: "http2", serverSettings: "silent", awaitsGreeting: true, endpoints });
}

describe("a server that has not sent its SETTINGS", () => {
  test("gets no request until it has", () => {
    const it = world(1);
    const asked = [it.ask("GET", "/1"), it.ask("POST", "/2", "two")];
    expect(it.server().requests()).toEqual([]);
    it.server().say(settings(Setting.maxConcurrentStreams, 100), settingsAck());
    expect(it.server().requests()).toEqual(["1 GET /1", "3 POST /2", "3 two"]);
    it.server().answer(1, "a");
    it.server().answer(3, "b");
    expect(asked.map(({ seen }) => seen)).toEqual(["200 a", "200 b"]);
  });

  test("and ends the connection has all that waited served elsewhere, whatever their method", () => {
    const it = world(2);
    const asked = [it.ask("POST", "/1", "one"), it.ask("GET", "/2")];
    it.server(0).connection.destroy();
    it.settle();
    expect(it.ungreeted).toBe(1);
    expect(it.pools[0]?.isFailing).toBe(true);
    expect(it.pools[0]?.isEmpty).toBe(true);
    it.server(1).say(settings(), settingsAck());
    expect(it.server(1).requests()).toEqual(["1 POST /1", "1 one", "3 GET /2"]);
    it.server(1).answer(1, "a");
    it.server(1).answer(3, "b");
    expect(asked.map(({ seen }) => seen)).toEqual(["200 a", "200 b"]);
  });

  test("but GOAWAY at once has the request served elsewhere", () => {
    const it = world(2);
    const asked = it.ask("POST", "/1", "one");
    it.server(0).say(goaway(0, ErrorCode.noError));
    it.server(1).say(settings(), settingsAck());
    it.server(1).answer(1, "a");
    expect(asked.seen).toBe("200 a");
  });

  test("within the time to connect is given up, and the next endpoint serves", () => {
    const it = world(2);
    const asked = it.ask("POST", "/1", "one");
    it.pass(4_000);
    expect(it.servers.length).toBe(1);
    it.pass(2_000);
    expect(it.server(0).hasEnded).toBe(true);
    it.server(1).say(settings(), settingsAck());
    it.server(1).answer(1, "a");
    expect(asked.seen).toBe("200 a");
    expect(it.pools.map(({ activeCount }) => activeCount)).toEqual([0, 0]);
  });

  test("is 503 where there is no other", () => {
    const it = world(1);
    const asked = it.ask();
    it.server().connection.destroy();
    it.settle();
    expect(asked.seen).toBe("503");
    expect(it.pool.isEmpty).toBe(true);
  });

  test("counts for nobody who has left: its connection is the next request's", () => {
    const it = world(1);
    it.ask().giveUp();
    it.server().say(settings(), settingsAck());
    expect(it.server().requests()).toEqual([]);
    it.ask("GET", "/next");
    expect(it.servers.length).toBe(1);
    expect(it.server().requests()).toEqual(["1 GET /next"]);
  });

  test("when its endpoint is removed has the request served elsewhere, and its connection ends", () => {
    const it = world(2);
    const asked = it.ask("POST", "/1", "one");
    it.choice = it.choice.slice(1);
    it.pools[0]?.close();
    it.settle();
    expect(it.server(0).hasEnded).toBe(true);
    it.server(1).say(settings(), settingsAck());
    it.server(1).answer(1, "a");
    expect(asked.seen).toBe("200 a");
    expect(it.ungreeted).toBe(0);
  });
});
