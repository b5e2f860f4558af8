import { describe, expect, test } from "bun:test";
import { ErrorCode } from "../../../proxy/http2/error-codes.ts";
import { defaultProxyLimits } from "../../../lib/contract/proxy-limits.ts";
import { FieldBlock } from "../../../proxy/message/field-block.ts";
import { getFields, postFields } from "./frames.ts";
import { SessionWorld } from "./session-world.ts";

const okBlock = new FieldBlock([":status", "200"]);
const connectFields = [
  ":method",
  "CONNECT",
  ":protocol",
  "websocket",
  ":scheme",
  "http",
  ":authority",
  "api",
  ":path",
  "/",
];

/** Byte i of a body says where it belongs. */
const patterned = (size: number): Buffer =>
  Buffer.from(Array.from({ length: size }, (_, i) => (i * 7 + (i >> 8)) & 0xff));

describe("exchanges from HTTP/2 to HTTP/2", () => {
  test("carry trailers both ways", () => {
    const world = new SessionWorld();
    const { stream, end } = world.request(postFields, false);
    world.client.data(stream, Buffer.from("question"), 0, 8, false);
    world.client.trailers(stream, new FieldBlock(["x-sum", "1"]));
    world.settle();
    const [request] = world.requests;
    expect([request?.end.text, request?.end.trailers]).toEqual(["question", ["x-sum", "1"]]);
    if (request === undefined) throw new Error("no request");
    world.server.respond(request.stream, okBlock, false);
    world.server.data(request.stream, Buffer.from("answer"), 0, 6, false);
    world.server.trailers(request.stream, new FieldBlock(["grpc-status", "0"]));
    world.settle();
    expect([end.text, end.trailers, end.hasEnded]).toEqual(["answer", ["grpc-status", "0"], true]);
    expect([world.client.openStreams, world.server.openStreams]).toEqual([0, 0]);
    expect(world.upstream.pool.activeCount).toBe(0);
  });

  test("carry big bodies in whatever parts, byte for byte", () => {
    for (const [partBytes, pieceBytes] of [
      [1, 64 * 1024],
      [16_385, 1_000],
      [100_003, 17],
      [1_000_000, 65_536],
    ] as const) {
      const world = new SessionWorld();
      world.upstream.network.maxPieceBytes = pieceBytes;
      const body = patterned(partBytes === 1 ? 20_000 : 300_001);
      world.onRequest = (stream, end) => {
        world.server.respond(stream, okBlock, false);
        // An echo that turns around each part as it comes.
        const chunks: Buffer[] = [];
        const onData = end.onData.bind(end);
        end.onData = (one, bytes, start, stop, isEnd) => {
          onData(one, bytes, start, stop, isEnd);
          chunks.push(Buffer.from(bytes.subarray(start, stop)));
          if (!isEnd) return;
          end.sendBy(
            (data, from, to, isLast) => world.server.data(stream, data, from, to, isLast),
            Buffer.concat(chunks),
            9_999,
          );
        };
      };
      const { stream, end } = world.request(postFields, false);
      const received: Buffer[] = [];
      const onData = end.onData.bind(end);
      end.onData = (one, bytes, start, stop, isEnd) => {
        received.push(Buffer.from(bytes.subarray(start, stop)));
        onData(one, bytes, start, stop, isEnd);
      };
      end.sendBy((data, from, to, isLast) => world.client.data(stream, data, from, to, isLast), body, partBytes);
      world.settle();
      expect(end.hasEnded).toBe(true);
      expect(Buffer.concat(received).equals(body)).toBe(true);
    }
  });

  test("are not held up by one whose client takes nothing, whose bytes are bounded by its window", () => {
    const world = new SessionWorld();
    const bulk = patterned(4 * 1024 * 1024);
    let sent = 0;
    world.onRequest = (stream, end) => {
      world.server.respond(stream, okBlock, false);
      const isBulk = world.requests.length === 1;
      end.sendBy(
        (data, from, to, isLast) => {
          const taken = world.server.data(stream, data, from, to, isLast);
          if (isBulk) sent += taken;
          return taken;
        },
        isBulk ? bulk : Buffer.from("quick"),
        64 * 1024,
      );
    };
    const slow = world.request(getFields, true, true).end;
    for (let i = 0; i < 50; i++) {
      const { end } = world.request(getFields, true);
      expect(end.text).toBe("quick");
    }
    // A window on each hop, and what waits to be written between them.
    const { streamWindowBytes, maxOutputBytes } = defaultProxyLimits.http2;
    expect(sent).toBeLessThanOrEqual(2 * streamWindowBytes + maxOutputBytes);
    expect(slow.bytes).toBeLessThanOrEqual(streamWindowBytes);
    slow.unstick();
    world.settle();
    expect([slow.bytes, slow.hasEnded]).toEqual([bulk.length, true]);
  });

  test("are not held up by one whose server takes nothing", () => {
    const world = new SessionWorld();
    world.onRequest = (stream, end, isEnd) => {
      if (isEnd) world.server.respond(stream, okBlock, true);
      else end.isStuck = true;
    };
    const bulk = world.request(postFields, false);
    let sent = 0;
    bulk.end.sendBy(
      (data, from, to, isLast) => {
        const taken = world.client.data(bulk.stream, data, from, to, isLast);
        sent += taken;
        return taken;
      },
      patterned(4 * 1024 * 1024),
      64 * 1024,
    );
    world.settle();
    for (let i = 0; i < 50; i++) expect(world.request(getFields, true).end.hasEnded).toBe(true);
    expect(sent).toBeLessThanOrEqual(
      2 * defaultProxyLimits.http2.streamWindowBytes + defaultProxyLimits.http2.maxOutputBytes,
    );
    world.requests[0]?.end.unstick();
    world.settle();
    expect(world.requests[0]?.end.bytes).toBe(4 * 1024 * 1024);
  });

  test("end on both sides when the client resets one", () => {
    const world = new SessionWorld();
    const { stream } = world.request(getFields, true);
    world.client.reset(stream, ErrorCode.cancel);
    world.settle();
    expect(world.requests[0]?.end.reset).toMatchObject({ code: ErrorCode.cancel, origin: "peer" });
    expect([world.server.openStreams, world.upstream.pool.activeCount]).toEqual([0, 0]);
  });

  test("end on both sides when the client's connection breaks", () => {
    const world = new SessionWorld();
    for (let i = 0; i < 20; i++) world.request(postFields, false);
    world.clientSide.destroy();
    world.settle();
    expect([world.isSessionClosed, world.server.openStreams, world.upstream.pool.activeCount]).toEqual([true, 0, 0]);
  });

  test("answered before the body has come end there: the client is told that no more is wanted", () => {
    const world = new SessionWorld();
    world.onRequest = (stream) => world.server.respond(stream, new FieldBlock([":status", "413"]), true);
    const { end } = world.request(postFields, false);
    expect([end.head[1], end.hasEnded, end.reset?.code]).toEqual(["413", true, ErrorCode.noError]);
    expect([world.client.openStreams, world.server.openStreams, world.upstream.pool.activeCount]).toEqual([0, 0, 0]);
  });

  test("that nothing moves for the idle time are ended, those that move are not", () => {
    const world = new SessionWorld();
    const silent = world.request(getFields, true);
    const moving = world.request(getFields, true);
    const [first, second] = world.requests;
    if (first === undefined || second === undefined) throw new Error("two requests");
    world.server.respond(second.stream, okBlock, false);
    for (let round = 0; round < 20; round++) {
      world.upstream.network.nowMs += 1_000;
      world.server.data(second.stream, Buffer.from("."), 0, 1, false);
      world.settle();
      world.session.sweep({
        nowMs: world.upstream.network.nowMs,
        idleTimeoutMs: 1_000_000,
        streamIdleTimeoutMs: 10_000,
      });
      world.settle();
    }
    expect([silent.end.head[1], first.end.reset?.code]).toEqual(["504", ErrorCode.cancel]);
    expect([moving.end.text.length, moving.end.reset]).toEqual([20, undefined]);
    expect(world.upstream.counters.refusals.stream_idle_timeout).toBe(1);
  });
});

describe("a tunnel from HTTP/2 to HTTP/2 (RFC 8441)", () => {
  test("carries bytes both ways and half-closes in either direction", () => {
    for (const firstToEnd of ["client", "server"] as const) {
      const world = new SessionWorld();
      world.onRequest = (stream) => world.server.respond(stream, okBlock, false);
      const { stream, end } = world.request(connectFields, false);
      const [request] = world.requests;
      if (request === undefined) throw new Error("no request");
      const up = (text: string, isEnd: boolean) => world.client.data(stream, Buffer.from(text), 0, text.length, isEnd);
      const down = (text: string, isEnd: boolean) =>
        world.server.data(request.stream, Buffer.from(text), 0, text.length, isEnd);
      up("ping", false);
      down("pong", false);
      world.settle();
      if (firstToEnd === "client") up("", true);
      else down("", true);
      world.settle();
      expect([end.hasEnded, request.end.hasEnded]).toEqual([firstToEnd === "server", firstToEnd === "client"]);
      if (firstToEnd === "client") down(" late", true);
      else up(" late", true);
      world.settle();
      expect([end.text, request.end.text]).toEqual(
        firstToEnd === "client" ? ["pong late", "ping"] : ["pong", "ping late"],
      );
      expect([end.hasEnded, request.end.hasEnded]).toEqual([true, true]);
      expect([world.client.openStreams, world.server.openStreams, world.upstream.pool.activeCount]).toEqual([0, 0, 0]);
    }
  });

  test("that is refused is an answer, and the stream ends with it", () => {
    const world = new SessionWorld();
    world.onRequest = (stream) => world.server.respond(stream, new FieldBlock([":status", "403"]), true);
    const { end } = world.request(connectFields, false);
    expect([end.head[1], end.reset?.code]).toEqual(["403", ErrorCode.noError]);
    expect([world.client.openStreams, world.server.openStreams, world.upstream.pool.activeCount]).toEqual([0, 0, 0]);
  });

  test("is not ended for its silence", () => {
    const world = new SessionWorld();
    world.onRequest = (stream) => world.server.respond(stream, okBlock, false);
    const { end } = world.request(connectFields, false);
    for (let i = 0; i < 3; i++) {
      world.upstream.network.nowMs += 100_000;
      world.session.sweep({
        nowMs: world.upstream.network.nowMs,
        idleTimeoutMs: 1_000_000,
        streamIdleTimeoutMs: 10_000,
      });
      world.settle();
    }
    expect(end.reset).toBeUndefined();
  });

  test("that breaks on one side breaks on the other", () => {
    const world = new SessionWorld();
    world.onRequest = (stream) => world.server.respond(stream, okBlock, false);
    const { end } = world.request(connectFields, false);
    world.upstream.server(0).connection.destroy();
    world.settle();
    expect(end.reset?.code).toBe(ErrorCode.internalError);
  });
});

describe("a session that drains", () => {
  test("finishes what is under way, takes nothing new and closes", () => {
    const world = new SessionWorld();
    const { end } = world.request(getFields, true);
    world.session.drain();
    world.settle();
    expect(world.client.freeStreams).toBe(0);
    const [request] = world.requests;
    if (request === undefined) throw new Error("no request");
    world.server.respond(request.stream, okBlock, true);
    world.settle();
    expect(end.hasEnded).toBe(true);
    expect(world.isSessionClosed).toBe(true);
  });
});
