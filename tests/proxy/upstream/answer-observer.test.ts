import { describe, expect, test } from "bun:test";
import { ErrorCode } from "../../../proxy/http2/error-codes.ts";
import { goaway, headers, rstStream, settings, settingsAck } from "../http2/frames.ts";
import { Asked, retryConfig, UpstreamWorld } from "./upstream-world.ts";

const grpc = ["content-type", "application/grpc"] as const;
const grpcHead = [":status", "200", ...grpc];

describe("who watches an endpoint is told", () => {
  test("of each answer, a repeated try's among them", async () => {
    const retry = retryConfig({ attempts: 1, on: ["5xx"] });
    const world = new UpstreamWorld({ protocol: "http1", endpoints: 2, policy: { retry } });
    const asked = world.ask();
    world.server(0).say("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n");
    await world.wait(100);
    world.server(1).ok("fine");
    expect(asked.seen).toBe("200 fine");
    expect(world.told).toEqual(["0 answer 503", "1 answer 200"]);
  });

  test("of a call's status, in trailers or in a response of trailers only", () => {
    const world = new UpstreamWorld({ protocol: "http2" });
    world.ask("POST", "/a/b", undefined, grpc);
    world.server().say(headers(1, grpcHead, false), headers(1, ["grpc-status", "14"], true));
    world.ask("POST", "/a/b", undefined, grpc);
    world.server().say(headers(3, [...grpcHead, "grpc-status", "13"], true));
    expect(world.told).toEqual(["0 answer 200grpc", "0 trailers 14", "0 answer 200grpc"]);
    // Trailers of other requests say nothing of how they went.
    world.ask();
    world.server().say(headers(5, [":status", "200"], false), headers(5, ["grpc-status", "14"], true));
    expect(world.told).toEqual(["0 answer 200grpc", "0 trailers 14", "0 answer 200grpc", "0 answer 200"]);
  });

  test("of a request that is lost, before its response or in the middle of it", () => {
    const world = new UpstreamWorld({ protocol: "http2" });
    world.ask();
    world.server().say(rstStream(1, ErrorCode.internalError));
    world.ask();
    world.server().say(headers(3, [":status", "200"], false), rstStream(3, ErrorCode.internalError));
    expect(world.told).toEqual(["0 lost", "0 answer 200", "0 lost"]);
  });

  test("of an answer that is none", () => {
    const world = new UpstreamWorld({ protocol: "http1" });
    const asked = world.ask();
    world.server().say("220 smtp.example.com ESMTP\r\n\r\n");
    expect(asked.seen).toBe("502");
    expect(world.told).toEqual(["0 lost"]);
  });

  test("of nothing when the server has certainly not acted on it: it may be leaving in good order", () => {
    const world = new UpstreamWorld({ protocol: "http2" });
    world.ask();
    world.server(0).say(goaway(0, ErrorCode.noError));
    world.server(1).answer(1, "fine");
    expect(world.told).toEqual(["0 answer 200"]);
  });

  test("of nothing when its client goes away", () => {
    const world = new UpstreamWorld({ protocol: "http1" });
    world.ask().giveUp();
    expect(world.told).toEqual([]);
  });

  test("of a request that is late, for each try and for all of them, and not while it has no connection", async () => {
    const retry = retryConfig({ attempts: 1, on: ["reset"], perTryTimeoutMs: 100, backoff: { baseMs: 1 } });
    const world = new UpstreamWorld({ protocol: "http1", endpoints: 3, policy: { retry, timeoutMs: 1_000 } });
    const asked = world.ask();
    await world.wait(150);
    await world.wait(150);
    expect(asked.seen).toBe("504");
    expect(world.told).toEqual(["0 late", "1 late"]);
    const whole = new UpstreamWorld({ protocol: "http1", policy: { timeoutMs: 1_000 } });
    whole.ask();
    await whole.wait(1_100);
    expect(whole.told).toEqual(["0 late"]);
  });

  test("of nothing when a later try is late to get a connection", async () => {
    const retry = retryConfig({ attempts: 1, on: ["5xx"], perTryTimeoutMs: 100, backoff: { baseMs: 1 } });
    const world = new UpstreamWorld({
      protocol: "http2",
      endpoints: 2,
      serverSettings: "silent",
      awaitsGreeting: true,
      policy: { retry },
    });
    const asked = world.ask();
    world.server(0).say(settings(), settingsAck());
    world.server(0).say(headers(1, [":status", "503"], true));
    await world.wait(150);
    await world.wait(150);
    expect([asked.seen, world.attempts]).toEqual(["504", [0, 1]]);
    expect(world.told).toEqual(["0 answer 503"]);
  });

  test("of each request that finds no connection, though one attempt was made for all", () => {
    const world = new UpstreamWorld({ protocol: "http2", endpoints: 2 });
    world.refusing.add(0);
    const fields = [":method", "GET", ":scheme", "http", ":authority", "api", ":path", "/"];
    const asked = [0, 1, 2].map(() => new Asked(world, fields, undefined));
    world.settle();
    expect(world.attempts).toEqual([0, 1]);
    expect(world.told).toEqual(["0 unreachable", "0 unreachable", "0 unreachable"]);
    for (const one of asked) one.giveUp();
  });
});
