import { describe, expect, test } from "bun:test";
import { FieldBlock } from "../../../proxy/message/field-block.ts";
import { Flag, FrameType } from "../../../proxy/http2/frame-types.ts";
import * as f from "./frames.ts";
import { createServer, errorsIn } from "./recorder.ts";

const zeroes = (count: number): Buffer => Buffer.alloc(count);

describe("a frame that ends the connection", () => {
  const cases: readonly (readonly [string, string, Buffer])[] = [
    ["larger than announced", "6 frame_size", f.data(1, Buffer.alloc(16_385))],
    ["of an unknown type, larger than announced", "6 frame_size", f.frame(99, 0, 0, zeroes(16_385))],
    ["DATA on stream 0", "1 bad_stream_id", f.data(0, "x")],
    ["HEADERS on stream 0", "1 bad_stream_id", f.get(0)],
    ["HEADERS on a stream of the server", "1 bad_stream_id", f.get(2)],
    ["PRIORITY on stream 0", "1 bad_stream_id", f.priority(0)],
    ["RST_STREAM on stream 0", "1 bad_stream_id", f.rstStream(0)],
    ["CONTINUATION on stream 0", "1 bad_stream_id", f.frame(FrameType.continuation, 4, 0)],
    ["SETTINGS on a stream", "1 bad_stream_id", f.frame(FrameType.settings, 0, 1)],
    ["PING on a stream", "1 bad_stream_id", f.frame(FrameType.ping, 0, 1, zeroes(8))],
    ["GOAWAY on a stream", "1 bad_stream_id", f.frame(FrameType.goaway, 0, 1, zeroes(8))],
    ["SETTINGS of a length that is no multiple of six", "6 frame_size", f.frame(FrameType.settings, 0, 0, zeroes(5))],
    ["an acknowledgement of SETTINGS with a payload", "6 frame_size", f.frame(FrameType.settings, 1, 0, zeroes(6))],
    ["PING of seven bytes", "6 frame_size", f.frame(FrameType.ping, 0, 0, zeroes(7))],
    ["RST_STREAM of three bytes", "6 frame_size", f.frame(FrameType.rstStream, 0, 1, zeroes(3))],
    ["WINDOW_UPDATE of five bytes", "6 frame_size", f.frame(FrameType.windowUpdate, 0, 0, zeroes(5))],
    ["GOAWAY of seven bytes", "6 frame_size", f.frame(FrameType.goaway, 0, 0, zeroes(7))],
    ["PUSH_PROMISE", "1 push_refused", f.frame(FrameType.pushPromise, 4, 1, zeroes(4))],
    ["CONTINUATION that continues nothing", "1 unexpected_continuation", f.frame(FrameType.continuation, 4, 1)],
    ["RST_STREAM on an idle stream", "1 unexpected_frame", f.rstStream(1)],
    ["WINDOW_UPDATE on an idle stream", "1 unexpected_frame", f.windowUpdate(1, 1)],
    ["DATA on an idle stream", "1 unexpected_frame", f.data(1, "x")],
    ["WINDOW_UPDATE of zero", "1 bad_window_update", f.windowUpdate(0, 0)],
    ["WINDOW_UPDATE beyond 2^31-1", "3 bad_window_update", f.windowUpdate(0, 0x7fff_ffff)],
    [
      "padded HEADERS with more padding than payload",
      "1 bad_padding",
      f.frame(FrameType.headers, 0xc, 1, Buffer.from([2, 0])),
    ],
    ["padded HEADERS without a byte", "1 bad_padding", f.frame(FrameType.headers, 0xc, 1)],
    ["HEADERS with half a priority", "1 bad_padding", f.frame(FrameType.headers, 0x24, 1, zeroes(4))],
    ["HEADERS that cannot be decompressed", "9 hpack", f.frame(FrameType.headers, 5, 1, Buffer.from([0x80]))],
    ["padded DATA without a byte", "6 frame_size", Buffer.concat([f.post(1), f.frame(FrameType.data, 8, 1)])],
    [
      "padded DATA with more padding than payload",
      "1 bad_padding",
      Buffer.concat([f.post(1), f.frame(FrameType.data, 8, 1, Buffer.from([2, 0]))]),
    ],
    ["PING inside a header block", "1 unexpected_frame", Buffer.concat([f.frame(FrameType.headers, 1, 1), f.ping()])],
    [
      "CONTINUATION of another stream",
      "1 unexpected_frame",
      Buffer.concat([f.frame(FrameType.headers, 1, 1), f.frame(FrameType.continuation, 4, 3)]),
    ],
    [
      "an unknown frame inside a header block",
      "1 unexpected_frame",
      Buffer.concat([f.frame(FrameType.headers, 1, 1), f.frame(99, 0, 1)]),
    ],
    ["a setting of ENABLE_PUSH other than 0 and 1", "1 bad_settings", f.settings(2, 2)],
    ["a setting of a window beyond 2^31-1", "3 bad_settings", f.settings(4, 0x8000_0000)],
    ["a setting of a frame size under 16,384", "1 bad_settings", f.settings(5, 16_383)],
    ["a setting of a frame size beyond 2^24-1", "1 bad_settings", f.settings(5, 0x100_0000)],
    ["a setting of ENABLE_CONNECT_PROTOCOL other than 0 and 1", "1 bad_settings", f.settings(8, 2)],
    ["taking back ENABLE_CONNECT_PROTOCOL", "1 bad_settings", f.settings(8, 1, 8, 0)],
    [
      "a setting that grows a stream's window beyond 2^31-1",
      "3 bad_settings",
      Buffer.concat([f.get(1), f.windowUpdate(1, 0x7fff_0000), f.settings(4, 0x7fff_ffff)]),
    ],
  ];
  for (const [what, problem, bytes] of cases) {
    test(`is ${what}`, () => {
      const { give, recorder, sent } = createServer();
      give(bytes);
      expect(recorder.lines.at(-1)).toBe(`failed ${problem}`);
      expect(errorsIn(sent())).toEqual([`0:${problem.split(" ")[0]}`]);
      const before = recorder.lines.length;
      give(f.get(101), f.ping());
      expect(recorder.lines.length).toBe(before);
      expect(sent()).toEqual([]);
    });
  }
});

describe("a frame that resets its stream", () => {
  const cases: readonly (readonly [string, string, Buffer])[] = [
    ["WINDOW_UPDATE of zero", "1:1", f.windowUpdate(1, 0)],
    ["WINDOW_UPDATE beyond 2^31-1", "1:3", f.windowUpdate(1, 0x7fff_ffff)],
    ["PRIORITY of four bytes", "1:6", f.frame(FrameType.priority, 0, 1, zeroes(4))],
    ["PRIORITY that depends on itself", "1:1", f.priority(1, 1)],
  ];
  for (const [what, error, bytes] of cases) {
    test(`is ${what}; the connection goes on`, () => {
      const { give, recorder, sent } = createServer();
      give(f.post(1), bytes, f.get(3));
      expect(errorsIn(sent())).toEqual([error]);
      expect(recorder.lines.at(-1)).toStartWith("3 request");
    });
  }
});

describe("a frame that is ignored", () => {
  const cases: readonly (readonly [string, Buffer])[] = [
    ["of an unknown type", f.frame(0x20, 0xff, 7, zeroes(100))],
    ["of an unknown type and empty", f.frame(0x20, 0, 0)],
    ["PRIORITY on an idle stream", f.priority(9)],
    ["an unknown setting", f.settings(0x99, 5)],
    ["SETTINGS acknowledged once more", f.settingsAck()],
    ["PING answered that nobody asked", f.frame(FrameType.ping, Flag.ack, 0, zeroes(8))],
  ];
  for (const [what, bytes] of cases) {
    test(`is one ${what}`, () => {
      const { give, recorder, sent } = createServer();
      give(bytes, f.get(1));
      expect(recorder.lines).toEqual([`1 request ${f.getFields.join("|")} end`]);
      expect(errorsIn(sent())).toEqual([]);
    });
  }

  test("has its reserved bit and unknown flags ignored too", () => {
    const { give, recorder } = createServer();
    const bytes = Buffer.from(f.get(1));
    bytes.writeUInt32BE(0x8000_0001, 5);
    bytes[4] = (bytes[4] ?? 0) | 0x40;
    give(bytes);
    expect(recorder.lines.at(-1)).toStartWith("1 request");
  });
});

describe("the preface", () => {
  test("may come a byte at a time", () => {
    const { give, recorder } = createServer({}, true);
    for (const byte of Buffer.concat([f.hello(), f.get(1)])) give(Buffer.from([byte]));
    expect(recorder.lines).toEqual([`1 request ${f.getFields.join("|")} end`]);
  });

  for (const [what, bytes] of [
    ["HTTP/1.1", Buffer.from("GET / HTTP/1.1\r\n\r\n")],
    ["the preface with another end", Buffer.from("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n")],
    ["a TLS hello", Buffer.from([22, 3, 1, 2, 0])],
    ["no SETTINGS first", Buffer.concat([f.hello().subarray(0, 24), f.ping()])],
    ["an acknowledgement first", Buffer.concat([f.hello().subarray(0, 24), f.settingsAck()])],
  ] as const) {
    test(`is not ${what}`, () => {
      const { give, recorder } = createServer({}, true);
      give(bytes);
      expect(recorder.lines).toEqual(["failed 1 bad_preface"]);
    });
  }
});

describe("a header block", () => {
  const block = f.literals(f.getFields);

  test("may come in many frames, padded and with a priority", () => {
    const { give, recorder } = createServer();
    const first = Buffer.concat([Buffer.from([3, 0, 0, 0, 0, 16]), block.subarray(0, 5), Buffer.alloc(3)]);
    give(f.frame(FrameType.headers, Flag.endStream | Flag.padded | Flag.priority, 1, first));
    for (let at = 5; at < block.length; at += 10) {
      const flags = at + 10 >= block.length ? Flag.endHeaders : 0;
      give(f.frame(FrameType.continuation, flags, 1, block.subarray(at, at + 10)));
    }
    expect(recorder.lines).toEqual([`1 request ${f.getFields.join("|")} end`]);
  });

  test("is written in as many frames as the peer's frame size asks for", () => {
    const server = createServer();
    server.give(f.get(1));
    const stream = server.recorder.streams.get(1);
    if (stream === undefined) throw new Error("no request came");
    server.connection.respond(stream, new FieldBlock([":status", "200", "x-long", "v".repeat(40_000)]), true);
    const frames = server.sent();
    expect(frames.map(({ type, flags, payload }) => [type, flags, payload.length <= 16_384])).toEqual([
      [FrameType.headers, Flag.endStream, true],
      [FrameType.continuation, 0, true],
      [FrameType.continuation, Flag.endHeaders, true],
    ]);
  });
});
