import { describe, expect, test } from "bun:test";
import { maxPieceBytes } from "../../../proxy/http2/gathered-data.ts";
import type { Http2ServerConnection } from "../../../proxy/http2/server-connection.ts";
import type { Http2Stream } from "../../../proxy/http2/stream.ts";
import { FieldBlock } from "../../../proxy/message/field-block.ts";
import * as f from "./frames.ts";
import { type Bench, createServer, pool } from "./recorder.ts";

const ok = new FieldBlock([":status", "200"]);
const trailers = new FieldBlock(["grpc-status", "0"]);

/** A server with responses begun on the streams 1 and 3. */
function begin(...first: readonly Buffer[]): {
  readonly bench: Bench<Http2ServerConnection>;
  readonly one: Http2Stream;
  readonly three: Http2Stream;
} {
  const bench = createServer();
  bench.give(...first, f.get(1), f.get(3));
  const [one, three] = [1, 3].map((id) => bench.recorder.streams.get(id));
  if (one === undefined || three === undefined) throw new Error("a stream was not opened");
  bench.connection.respond(one, ok, false);
  bench.connection.respond(three, ok, false);
  bench.sent();
  return { bench, one, three };
}

function say(bench: Bench<Http2ServerConnection>, stream: Http2Stream, text: string, isEnd = false): number {
  return bench.connection.data(stream, Buffer.from(text, "latin1"), 0, text.length, isEnd);
}

const names: Readonly<Record<number, string>> = { 0: "DATA", 1: "HEADERS", 3: "RST_STREAM", 7: "GOAWAY" };

/** What was sent, a frame a line: its stream, type and content where that is a body, and `end`. */
function linesIn(bench: Bench<Http2ServerConnection>): string[] {
  return bench.sent().map(({ streamId, type, flags, payload }) => {
    const body = type === 0 ? ` ${payload.toString("latin1")}` : "";
    return `${streamId} ${names[type] ?? type}${body}${type <= 1 && (flags & 1) === 1 ? " end" : ""}`;
  });
}

describe("small pieces that streams send in turns", () => {
  test("leave in two frames for each stream, every stream in its order", () => {
    const { bench, one, three } = begin();
    for (const text of ["a", "b", "c", "d"]) {
      expect(say(bench, one, text)).toBe(1);
      expect(say(bench, three, text.toUpperCase())).toBe(1);
    }
    expect(linesIn(bench)).toEqual(["1 DATA a", "3 DATA A", "1 DATA bcd", "3 DATA BCD"]);
    say(bench, one, "e");
    expect(linesIn(bench)).toEqual(["1 DATA e"]);
  });

  test("are sent before what follows them on their stream: trailers, a large piece, the last one, a reset of ours", () => {
    const { bench, one, three } = begin();
    for (const text of ["a", "b"]) say(bench, one, text);
    bench.connection.trailers(one, trailers);
    const large = "x".repeat(maxPieceBytes + 1);
    for (const text of ["A", "B", large, "C"]) say(bench, three, text);
    say(bench, three, "D", true);
    expect(linesIn(bench)).toEqual([
      ...["1 DATA a", "1 DATA b", "1 HEADERS end"],
      ...["3 DATA A", "3 DATA B", `3 DATA ${large}`, "3 DATA C", "3 DATA D end"],
    ]);
    const other = begin();
    for (const text of ["a", "b"]) say(other.bench, other.one, text);
    other.bench.connection.reset(other.one, 2);
    expect(linesIn(other.bench)).toEqual(["1 DATA a", "1 DATA b", "1 RST_STREAM"]);
  });

  test("are cut into frames where a gathering buffer is full, and none is lost", () => {
    const { bench, one } = begin();
    const pieces = Array.from({ length: 40 }, (_, n) => String.fromCharCode(48 + n).repeat(1000));
    for (const piece of pieces) say(bench, one, piece);
    const frames = bench.sent();
    expect(frames.length).toBeLessThan(12);
    expect(Buffer.concat(frames.map(({ payload }) => payload)).toString("latin1")).toBe(pieces.join(""));
  });

  test("are taken as far as the windows go", () => {
    const { bench, one } = begin(f.settings(4, 5));
    for (const text of ["ab", "cd"]) expect(say(bench, one, text)).toBe(2);
    expect(say(bench, one, "ef")).toBe(1);
    expect(linesIn(bench)).toEqual(["1 DATA ab", "1 DATA cd", "1 DATA e"]);
  });

  test("are not sent on a stream that the peer has reset, and cost the connection's window nothing", () => {
    const { bench, one, three } = begin();
    const before = bench.connection.sendWindow;
    for (const text of ["a", "bcd"]) say(bench, one, text);
    say(bench, three, "A");
    bench.give(f.rstStream(1));
    expect(bench.connection.sendWindow).toBe(before - 2);
    expect(linesIn(bench)).toEqual(["1 DATA a", "3 DATA A"]);
  });

  test("are sent before the connection is given up, and their memory comes back", () => {
    const before = pool.lentBytes;
    const { bench, one } = begin();
    for (const text of ["a", "b"]) say(bench, one, text);
    expect(pool.lentBytes).toBeGreaterThan(before);
    bench.give(f.windowUpdate(0, 0));
    expect(linesIn(bench)).toEqual(["1 DATA a", "1 DATA b", "0 GOAWAY"]);
    expect(pool.lentBytes).toBe(before);

    const closed = begin();
    for (const text of ["a", "b"]) say(closed.bench, closed.one, text);
    closed.bench.connection.close();
    expect(pool.lentBytes).toBe(before);
  });

  test("are no more than may wait for the transport", () => {
    const bench = createServer({ maxOutputBytes: 3000 });
    bench.give(f.get(1));
    const stream = bench.recorder.streams.get(1);
    if (stream === undefined) throw new Error("the stream was not opened");
    bench.connection.respond(stream, ok, false);
    let taken = 0;
    for (let i = 0; i < 100; i++) taken += say(bench, stream, "x".repeat(100));
    expect(taken).toBeGreaterThan(2500);
    expect(taken).toBeLessThanOrEqual(3000);
  });
});
