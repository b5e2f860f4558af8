import { describe, expect, test } from "bun:test";
import { FieldBlock } from "../../../proxy/message/field-block.ts";
import { FrameType } from "../../../proxy/http2/frame-types.ts";
import type { Http2ServerConnection } from "../../../proxy/http2/server-connection.ts";
import type { Http2Stream } from "../../../proxy/http2/stream.ts";
import * as f from "./frames.ts";
import { type Bench, createServer, errorsIn } from "./recorder.ts";

const ok = new FieldBlock([":status", "200"]);

function streamOf(bench: Bench<Http2ServerConnection>, id: number): Http2Stream {
  const stream = bench.recorder.streams.get(id);
  if (stream === undefined) throw new Error(`stream ${id} was not opened`);
  return stream;
}

/** Sends a body of `size` bytes on a stream as far as it goes, and the rest as often as there is room. */
function sendBody(bench: Bench<Http2ServerConnection>, id: number, size: number): { left(): number } {
  const stream = streamOf(bench, id);
  const body = Buffer.alloc(size, id);
  let at = 0;
  bench.connection.respond(stream, ok, false);
  const go = (): void => {
    at += bench.connection.data(stream, body, at, size, true);
  };
  const others = bench.recorder.onRoom;
  bench.recorder.onRoom = (writable) => (writable === stream ? go() : others(writable));
  go();
  return { left: () => size - at };
}

/** DATA bytes by stream. */
function dataIn(bench: Bench<Http2ServerConnection>): Record<number, number> {
  const result: Record<number, number> = {};
  for (const { type, streamId, payload } of bench.sent()) {
    if (type === FrameType.data) result[streamId] = (result[streamId] ?? 0) + payload.length;
  }
  return result;
}

/** WINDOW_UPDATE bytes by stream. */
function updatesIn(bench: Bench<Http2ServerConnection>): Record<number, number> {
  const result: Record<number, number> = {};
  for (const { type, streamId, payload } of bench.sent()) {
    if (type === FrameType.windowUpdate) result[streamId] = (result[streamId] ?? 0) + payload.readUInt32BE(0);
  }
  return result;
}

describe("a sender", () => {
  test("stops at the stream's window and goes on when it opens", () => {
    const bench = createServer();
    bench.give(f.settings(4, 10), f.get(1));
    const body = sendBody(bench, 1, 25);
    expect(dataIn(bench)).toEqual({ 1: 10 });
    bench.give(f.windowUpdate(1, 10));
    expect(dataIn(bench)).toEqual({ 1: 10 });
    bench.give(f.windowUpdate(1, 100));
    expect([dataIn(bench), body.left(), bench.connection.openStreams]).toEqual([{ 1: 5 }, 0, 0]);
  });

  test("stops at the connection's window, and shares what opens among all streams", () => {
    const bench = createServer();
    bench.give(f.settings(4, 1_000_000), f.get(1), f.get(3));
    sendBody(bench, 1, 200_000);
    sendBody(bench, 3, 200_000);
    expect(dataIn(bench)).toEqual({ 1: 65_535 });
    bench.give(f.windowUpdate(0, 65_536));
    expect(dataIn(bench)).toEqual({ 1: 32_768, 3: 32_768 });
  });

  test("has windows moved by the peer's settings, below zero too", () => {
    const bench = createServer();
    bench.give(f.settings(4, 100), f.get(1));
    sendBody(bench, 1, 1000);
    bench.give(f.settings(4, 40), f.windowUpdate(1, 60));
    expect(dataIn(bench)).toEqual({ 1: 100 });
    bench.give(f.windowUpdate(1, 1));
    expect(dataIn(bench)).toEqual({ 1: 1 });
    bench.give(f.settings(4, 50));
    expect(dataIn(bench)).toEqual({ 1: 10 });
  });

  test("takes no more than may wait for the transport, and nothing while that is full", () => {
    const bench = createServer({ maxOutputBytes: 20_000 });
    bench.give(f.settings(4, 1_000_000), f.get(1));
    const body = sendBody(bench, 1, 60_000);
    expect(body.left()).toBeGreaterThanOrEqual(40_000);
    bench.connection.pauseOutput();
    let waited = 0;
    for (let chunk = bench.connection.takeOutput(); chunk !== undefined; chunk = bench.connection.takeOutput()) {
      waited += chunk.length;
    }
    expect(waited).toBeLessThan(20_100);
    bench.connection.resumeOutput();
    expect(dataIn(bench)[1]).toBeGreaterThan(30_000);
    expect(body.left()).toBe(0);
  });

  test("sends an empty last frame whatever the windows are", () => {
    const bench = createServer();
    bench.give(f.settings(4, 0), f.get(1));
    bench.connection.respond(streamOf(bench, 1), ok, false);
    expect(bench.connection.data(streamOf(bench, 1), Buffer.alloc(0), 0, 0, true)).toBe(0);
    expect(bench.connection.openStreams).toBe(0);
  });

  test("cuts data into frames of 16,384 bytes", () => {
    const bench = createServer();
    bench.give(f.settings(5, 1_000_000), f.get(1));
    sendBody(bench, 1, 40_000);
    const sizes = bench.sent().flatMap(({ type, payload }) => (type === FrameType.data ? [payload.length] : []));
    expect(sizes).toEqual([16_384, 16_384, 7232]);
  });
});

describe("a receiver", () => {
  const small = { streamWindowBytes: 70_000, connectionWindowBytes: 200_000, maxUnreadBytes: 300_000 };
  const chunk = Buffer.alloc(10_000, "x");

  test("opens a stream's window as its reader consumes, half of it at a time", () => {
    const bench = createServer(small);
    bench.give(f.post(1));
    for (let i = 0; i < 7; i++) bench.give(f.data(1, chunk));
    expect(updatesIn(bench)[1]).toBeUndefined();
    bench.connection.consume(streamOf(bench, 1), 30_000);
    expect(updatesIn(bench)[1]).toBeUndefined();
    bench.connection.consume(streamOf(bench, 1), 5000);
    expect(updatesIn(bench)[1]).toBe(35_000);
    bench.give(f.data(1, chunk), f.data(1, chunk), f.data(1, chunk), f.data(1, chunk));
    expect(errorsIn(bench.sent())).toEqual(["1:3"]);
  });

  test("opens the connection's window as bytes arrive: a reader that takes nothing stops its own stream only", () => {
    const bench = createServer(small);
    bench.give(f.post(1), f.post(3));
    for (let i = 0; i < 7; i++) bench.give(f.data(1, chunk));
    for (let i = 0; i < 40; i++) {
      bench.give(f.data(3, chunk));
      bench.connection.consume(streamOf(bench, 3), chunk.length);
    }
    expect(bench.recorder.lines.at(-1)).toStartWith("3 data");
    expect(updatesIn(bench)[0]).toBeGreaterThan(200_000);
    expect(bench.connection.unreadBytes).toBe(70_000);
  });

  test("leaves the others at least half of the connection's window, however much lies unread below the limit", () => {
    const bench = createServer({ ...small, maxUnreadBytes: 1_000_000 });
    for (let id = 1; id < 13; id += 2) bench.give(f.post(id));
    let received = 0;
    for (let i = 0; i < 42; i++) {
      bench.give(f.data(1 + 2 * (i % 6), chunk));
      received += chunk.length;
    }
    const granted = 200_000 + (updatesIn(bench)[0] ?? 0);
    expect(granted - received).toBeGreaterThanOrEqual(100_000);
  });

  test("holds the connection's window back when readers together leave too much unread", () => {
    const bench = createServer({ ...small, maxUnreadBytes: 200_000 });
    for (let id = 1; id < 9; id += 2) bench.give(f.post(id));
    for (let i = 0; i < 20; i++) bench.give(f.data(1 + 2 * (i % 4), chunk));
    expect(bench.connection.unreadBytes).toBe(200_000);
    expect(updatesIn(bench)[0]).toBeUndefined();
    bench.give(f.data(1, "x"));
    expect(bench.recorder.lines.at(-1)).toBe("failed 3 flow_control");
  });

  test("gives padding back at once, since nobody reads it", () => {
    const bench = createServer(small);
    bench.give(f.post(1));
    for (let i = 0; i < 300; i++) bench.give(f.paddedData(1, "x", 250));
    expect(bench.connection.unreadBytes).toBe(300);
    expect(updatesIn(bench)[1]).toBeGreaterThan(69_000 - 35_000);
  });

  test("gives back what a stream held when it is reset", () => {
    const bench = createServer(small);
    bench.give(f.post(1), f.data(1, chunk), f.post(3), f.data(3, chunk), f.rstStream(3));
    bench.connection.reset(streamOf(bench, 1), 8);
    expect(bench.connection.unreadBytes).toBe(0);
    bench.connection.consume(streamOf(bench, 1), 10_000);
    expect(bench.connection.unreadBytes).toBe(0);
  });

  test("lets a reader finish after the stream has ended", () => {
    const bench = createServer(small);
    bench.give(f.post(1), f.data(1, chunk, true));
    bench.connection.respond(streamOf(bench, 1), ok, true);
    expect(bench.connection.unreadBytes).toBe(10_000);
    bench.connection.consume(streamOf(bench, 1), 10_000);
    expect(bench.connection.unreadBytes).toBe(0);
  });

  test("gives back what a stream held when its reader gives up after the end", () => {
    const bench = createServer(small);
    bench.give(f.post(1), f.data(1, chunk, true));
    bench.connection.respond(streamOf(bench, 1), ok, true);
    bench.connection.reset(streamOf(bench, 1), 8);
    expect([bench.connection.unreadBytes, errorsIn(bench.sent())]).toEqual([0, []]);
  });

  test("counts data for streams that are gone against the connection, and gives it back", () => {
    const bench = createServer(small);
    bench.give(f.post(1));
    bench.connection.reset(streamOf(bench, 1), 8);
    for (let i = 0; i < 100; i++) bench.give(f.data(1, chunk));
    expect(bench.recorder.lines.length).toBe(1);
    expect(updatesIn(bench)[0]).toBeGreaterThan(800_000);
  });

  test("lets a peer act on the default window until it has acknowledged a smaller one", () => {
    const bench = createServer({ ...small, streamWindowBytes: 20_000 }, true);
    bench.give(f.hello(), f.post(1));
    for (let i = 0; i < 6; i++) bench.give(f.data(1, chunk));
    expect(bench.recorder.lines.length).toBe(2);
    bench.connection.consume(streamOf(bench, 1), 60_000);
    bench.give(f.settingsAck(), f.data(1, chunk), f.data(1, chunk));
    expect(errorsIn(bench.sent())).toEqual([]);
    bench.give(f.data(1, "x"));
    expect(errorsIn(bench.sent())).toEqual(["1:3"]);
  });
});
