import { describe, expect, test } from "bun:test";
import { FieldBlock } from "../../../proxy/message/field-block.ts";
import { Flag, FrameType } from "../../../proxy/http2/frame-types.ts";
import type { Http2Stream } from "../../../proxy/http2/stream.ts";
import * as f from "./frames.ts";
import { type Bench, createClient, createServer, errorsIn } from "./recorder.ts";
import type { Http2ServerConnection } from "../../../proxy/http2/server-connection.ts";

const ok = new FieldBlock([":status", "200"]);
const trailers = new FieldBlock(["grpc-status", "0"]);
const request = new FieldBlock(f.getFields);

function streamOf(bench: Bench<Http2ServerConnection>, id: number): Http2Stream {
  const stream = bench.recorder.streams.get(id);
  if (stream === undefined) throw new Error(`stream ${id} was not opened`);
  return stream;
}

describe("a request to a server", () => {
  test("is announced with its body and its trailers in order", () => {
    const { give, recorder } = createServer();
    give(f.post(1), f.data(1, "ab"), f.data(1, "cd"), f.headers(1, ["x-sum", "1"]));
    expect(recorder.lines.slice(1)).toEqual(["1 data abcd", "1 trailers x-sum|1"]);
  });

  test("is complete with the last byte of data, so that it can be sent on in one frame", () => {
    const { give, recorder } = createServer();
    give(f.post(1), f.data(1, "ab", true), f.post(3), f.data(3, "", true), f.post(5), f.paddedData(5, "x", 9, true));
    expect(recorder.lines.filter((line) => line.includes("data"))).toEqual([
      "1 data ab end",
      "3 data  end",
      "5 data x end",
    ]);
  });

  test("may be answered before it is complete, and reset then without an error", () => {
    const bench = createServer();
    bench.give(f.post(1), f.data(1, "a"));
    bench.connection.respond(streamOf(bench, 1), ok, true);
    bench.connection.reset(streamOf(bench, 1), 0);
    expect(bench.sent().map(({ type }) => type)).toEqual([FrameType.headers, FrameType.rstStream]);
    bench.give(f.data(1, "late"), f.headers(1, ["late", "1"]), f.get(3));
    expect(bench.recorder.lines.slice(1)).toEqual(["1 data a", `3 request ${f.getFields.join("|")} end`]);
    expect(bench.connection.openStreams).toBe(1);
  });

  test("that both sides reset at once gets nothing more from the client", () => {
    for (const late of [f.data(1, "late"), f.headers(1, ["late", "1"])]) {
      const bench = createServer();
      bench.give(f.post(1));
      bench.connection.respond(streamOf(bench, 1), ok, true);
      bench.connection.reset(streamOf(bench, 1), 0);
      bench.give(f.rstStream(1));
      expect(errorsIn(bench.sent())).toEqual(["1:0"]);
      bench.give(late, f.get(3));
      expect(errorsIn(bench.sent())).toEqual(["1:5"]);
      expect(bench.connection.openStreams).toBe(1);
    }
  });

  test("may be a tunnel: data both ways, no trailers", () => {
    const bench = createServer();
    bench.give(f.headers(1, [":method", "CONNECT", ":authority", "db:5432"], false), f.data(1, "hello"));
    bench.connection.respond(streamOf(bench, 1), ok, false);
    bench.connection.data(streamOf(bench, 1), Buffer.from("hi"), 0, 2, false);
    bench.give(f.headers(1, ["x", "1"]));
    expect(errorsIn(bench.sent())).toEqual(["1:1"]);
    expect(bench.recorder.lines.slice(1, 3)).toEqual(["1 data hello", "1 problem bad_trailers"]);
  });

  const refused: readonly (readonly [string, string, readonly Buffer[]])[] = [
    ["is malformed", "1:1 connection_field", [f.headers(1, [...f.getFields, "connection", "close"])]],
    [
      "has less data than its length says (CVE-2026-48743)",
      "1:1 content_length_mismatch",
      [f.post(1, "content-length", "3"), f.data(1, "ab", true)],
    ],
    [
      "has more data than its length says",
      "1:1 content_length_mismatch",
      [f.post(1, "content-length", "3"), f.data(1, "abcd")],
    ],
    [
      "has a length and no data",
      "1:1 content_length_mismatch",
      [f.headers(1, [...f.postFields, "content-length", "3"])],
    ],
    [
      "has a length and trailers instead of data",
      "1:1 content_length_mismatch",
      [f.post(1, "content-length", "3"), f.headers(1, ["a", "1"])],
    ],
    [
      "has trailers that end nothing (CVE-2026-73513)",
      "1:1 bad_trailers",
      [f.post(1), f.headers(1, ["a", "1"], false)],
    ],
    ["has a pseudo-header field in its trailers", "1:1 bad_trailers", [f.post(1), f.headers(1, [":path", "/"])]],
    ["has a length in its trailers", "1:1 bad_trailers", [f.post(1), f.headers(1, ["content-length", "0"])]],
    ["has an upper-case trailer", "1:1 malformed_field", [f.post(1), f.headers(1, ["A", "1"])]],
    ["has data behind its end", "1:5 stream_closed", [f.get(1), f.data(1, "x")]],
    ["has headers behind its end", "1:5 stream_closed", [f.get(1), f.headers(1, ["a", "1"])]],
  ];
  for (const [what, expected, bytes] of refused) {
    test(`that ${what} is reset; the connection goes on`, () => {
      const { give, recorder, sent, connection } = createServer();
      give(...bytes, f.get(3));
      const [error = "", problem = ""] = expected.split(" ");
      expect(errorsIn(sent())).toEqual([error]);
      expect(recorder.lines).toContain(`1 problem ${problem}`);
      expect(recorder.lines.at(-1)).toStartWith("3 request");
      expect(connection.openStreams).toBe(1);
    });
  }

  test("with a header list that is too large gets 431", () => {
    const { give, sent, recorder, connection } = createServer({ maxHeaderListBytes: 300 });
    give(
      f.headers(1, [...f.getFields, "x", "v".repeat(300)]),
      f.headers(3, [...f.getFields, "x", "v".repeat(300)], false),
    );
    const frames = sent();
    expect(
      frames.filter(({ type }) => type === FrameType.headers).map(({ payload }) => payload.toString("latin1", 2)),
    ).toEqual(["431", "431"]);
    expect(errorsIn(frames)).toEqual(["3:0"]);
    expect(recorder.lines).toEqual(["1 problem header_list_too_large", "3 problem header_list_too_large"]);
    expect(connection.openStreams).toBe(0);
  });

  test("beyond the streams that may be open at once is refused, safe to repeat", () => {
    const { give, sent, connection } = createServer({ maxConcurrentStreams: 2 });
    give(f.get(1), f.get(3), f.get(5));
    expect(errorsIn(sent())).toEqual(["5:7"]);
    expect(connection.openStreams).toBe(2);
  });

  test("on a stream that was skipped ends the connection", () => {
    const { give, recorder } = createServer();
    give(f.get(5), f.get(3));
    expect(recorder.lines.at(-1)).toBe("failed 1 bad_stream_id");
  });

  test("on a stream that has ended ends the connection", () => {
    const bench = createServer();
    bench.give(f.get(1));
    bench.connection.respond(streamOf(bench, 1), ok, true);
    bench.give(f.get(1));
    expect(bench.recorder.lines.at(-1)).toBe("failed 5 closed_stream");
  });

  test("on a stream that its client has reset is reset", () => {
    const { give, sent } = createServer();
    give(f.get(1), f.rstStream(1), f.get(1));
    expect(errorsIn(sent())).toEqual(["1:5"]);
  });
});

describe("a server", () => {
  test("sends interim responses, the response, data and trailers", () => {
    const bench = createServer();
    bench.give(f.get(1));
    const stream = streamOf(bench, 1);
    bench.connection.inform(stream, new FieldBlock([":status", "103"]));
    bench.connection.respond(stream, ok, false);
    expect(bench.connection.data(stream, Buffer.from("abc"), 1, 3, false)).toBe(2);
    bench.connection.trailers(stream, trailers);
    const sent = bench.sent().map(({ type, flags, payload }) => [type, flags, payload.toString("latin1")]);
    expect(sent[2]).toEqual([FrameType.data, 0, "bc"]);
    expect(sent.map(([type, flags]) => [type, flags])).toEqual([
      [FrameType.headers, Flag.endHeaders],
      [FrameType.headers, Flag.endHeaders],
      [FrameType.data, 0],
      [FrameType.headers, Flag.endHeaders | Flag.endStream],
    ]);
    expect(bench.connection.openStreams).toBe(0);
  });

  test("hears of a reset by the client once, and what it still sends is dropped as if taken", () => {
    const bench = createServer();
    bench.give(f.get(1), f.rstStream(1, 8), f.rstStream(1, 8));
    expect(bench.recorder.lines.slice(1)).toEqual(["1 reset 8 by peer"]);
    const stream = streamOf(bench, 1);
    bench.connection.respond(stream, ok, false);
    expect(bench.connection.data(stream, Buffer.from("abc"), 0, 3, true)).toBe(3);
    expect(bench.sent()).toEqual([]);
  });

  test("announces its limits and opens the connection's window", () => {
    const { sent } = createServer({ maxConcurrentStreams: 7, streamWindowBytes: 100_000 }, true);
    const [settings, update] = sent();
    expect(settings?.payload.toString("hex")).toContain("000300000007");
    expect(settings?.payload.toString("hex")).toContain(`0004${(100_000).toString(16).padStart(8, "0")}`);
    expect(settings?.payload.toString("hex")).toContain("000800000001");
    expect(update?.payload.readUInt32BE(0)).toBe(1024 * 1024 - 65_535);
  });

  test("answers PING and SETTINGS", () => {
    const { give, sent } = createServer();
    give(f.ping(Buffer.from("12345678")), f.settings(3, 1));
    expect(sent().map(({ type, flags, payload }) => [type, flags, payload.toString()])).toEqual([
      [FrameType.ping, Flag.ack, "12345678"],
      [FrameType.settings, Flag.ack, ""],
    ]);
  });

  test("shuts down in two steps: what crosses with the first GOAWAY is served, what comes after the second is not", () => {
    const { give, sent, recorder, connection } = createServer();
    give(f.get(1));
    connection.shutdown();
    const [first, ping] = sent();
    expect([first?.type, first?.payload.readUInt32BE(0)]).toEqual([FrameType.goaway, 0x7fff_ffff]);
    give(f.get(3), f.frame(FrameType.ping, Flag.ack, 0, ping?.payload ?? Buffer.alloc(8)));
    const [second] = sent();
    expect([second?.type, second?.payload.readUInt32BE(0)]).toEqual([FrameType.goaway, 3]);
    give(f.post(5), f.data(5, "x"));
    expect(recorder.lines.filter((line) => line.includes("request")).length).toBe(2);
    expect([sent(), connection.isDrained]).toEqual([[], false]);
    for (const stream of recorder.streams.values()) connection.respond(stream, ok, true);
    expect(connection.isDrained).toBe(true);
  });

  test("tells every stream when the connection breaks or closes", () => {
    for (const end of ["break", "close"]) {
      const { give, recorder, connection } = createServer();
      give(f.get(1), f.get(3));
      if (end === "break") give(f.rstStream(0));
      else connection.close();
      const code = end === "break" ? 1 : 2;
      expect(recorder.lines.filter((line) => line.includes("reset"))).toEqual([
        `1 reset ${code} by connection`,
        `3 reset ${code} by connection`,
      ]);
    }
  });
});

describe("a client", () => {
  test("gets interim responses, the response, its data and trailers", () => {
    const { give, recorder, connection, sent } = createClient();
    const stream = connection.request(request, true, recorder);
    expect([stream?.id, sent().length]).toEqual([1, 1]);
    give(f.headers(1, [":status", "100"], false), f.headers(1, [":status", "200"], false));
    give(f.data(1, "abc"), f.headers(1, ["grpc-status", "0"]));
    expect(recorder.lines).toEqual([
      "1 informational 100",
      "1 response :status|200",
      "1 data abc",
      "1 trailers grpc-status|0",
    ]);
    expect(connection.openStreams).toBe(0);
  });

  test("opens no more streams than the server allows", () => {
    const { give, recorder, connection } = createClient();
    give(f.settings(3, 1));
    const [first, second] = [1, 2].map(() => connection.request(request, true, recorder));
    expect([first?.id, second, connection.freeStreams]).toEqual([1, undefined, 0]);
    give(f.headers(1, [":status", "204"]));
    expect(connection.freeStreams).toBe(1);
  });

  test("learns from GOAWAY which requests may be sent again", () => {
    const { give, recorder, connection } = createClient();
    for (let i = 0; i < 3; i++) connection.request(request, true, recorder);
    give(f.goaway(3));
    expect(recorder.lines).toEqual(["5 reset 7 by connection, unprocessed", "goaway 3 0"]);
    expect([connection.freeStreams, connection.openStreams]).toEqual([0, 2]);
    expect(connection.request(request, true, recorder)).toBeUndefined();
  });

  test("learns from REFUSED_STREAM that its request may be sent again", () => {
    const { give, recorder, connection } = createClient();
    connection.request(request, true, recorder);
    connection.request(request, true, recorder);
    give(f.rstStream(1, 7), f.rstStream(3, 8));
    expect(recorder.lines).toEqual(["1 reset 7 by peer, unprocessed", "3 reset 8 by peer"]);
  });

  test("takes a length without a body for HEAD, 204 and 304 only", () => {
    const { give, recorder, connection, sent } = createClient();
    connection.request(new FieldBlock([":method", "HEAD", ...f.getFields.slice(2)]), true, recorder);
    connection.request(request, true, recorder);
    connection.request(request, true, recorder);
    const length = ["content-length", "9"];
    give(
      f.headers(1, [":status", "200", ...length]),
      f.headers(3, [":status", "304", ...length]),
      f.headers(5, [":status", "200", ...length]),
    );
    expect(errorsIn(sent())).toEqual(["5:1"]);
    expect(recorder.lines.at(-1)).toBe("5 reset 1 by rule");
  });

  const refused: readonly (readonly [string, string, readonly Buffer[]])[] = [
    ["data before the response", "1:1", [f.data(1, "x")]],
    ["data for a response that has none", "1:1", [f.headers(1, [":status", "204"], false), f.data(1, "x")]],
    ["an interim response that ends the stream", "1:1", [f.headers(1, [":status", "103"])]],
    [
      "an interim response behind the response",
      "1:1",
      [f.headers(1, [":status", "200"], false), f.headers(1, [":status", "103"], false)],
    ],
    ["101", "1:1", [f.headers(1, [":status", "101"], false)]],
    ["a response that is malformed", "1:1", [f.headers(1, [":status", "200", "Upper", "1"])]],
    [
      "less data than the length says",
      "1:1",
      [f.headers(1, [":status", "200", "content-length", "2"], false), f.data(1, "x", true)],
    ],
    ["a response on a stream that it did not open", "0:1", [f.headers(3, [":status", "200"])]],
    ["a stream opened by the server", "0:1", [f.headers(2, [":status", "200"])]],
    ["a promised stream", "0:1", [f.frame(FrameType.pushPromise, 4, 1, Buffer.alloc(4))]],
    ["ENABLE_PUSH allowed by a server", "0:1", [f.settings(2, 1)]],
  ];
  for (const [what, error, bytes] of refused) {
    test(`refuses ${what}`, () => {
      const { give, recorder, connection, sent } = createClient();
      connection.request(request, true, recorder);
      sent();
      give(...bytes);
      expect(errorsIn(sent())).toEqual([error]);
    });
  }

  test("asks how far the server is, and gets its own answer only", () => {
    const { give, recorder, connection, sent } = createClient();
    connection.ping(77);
    const [ping] = sent();
    give(
      f.frame(FrameType.ping, Flag.ack, 0, Buffer.alloc(8)),
      f.frame(FrameType.ping, Flag.ack, 0, ping?.payload ?? Buffer.alloc(8)),
    );
    expect(recorder.lines).toEqual(["ping 77"]);
  });
});
