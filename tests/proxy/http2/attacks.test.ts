import { describe, expect, test } from "bun:test";
import { FieldBlock } from "../../../proxy/message/field-block.ts";
import { Flag, FrameType } from "../../../proxy/http2/frame-types.ts";
import { defaultProxyLimits } from "../../../lib/contract/proxy-limits.ts";
import * as f from "./frames.ts";
import { type Bench, createClient, createServer, errorsIn } from "./recorder.ts";
import type { Http2ServerConnection } from "../../../proxy/http2/server-connection.ts";

/** Every item about HTTP/2 that has a CVE in a peer, by its number; what is refused elsewhere is named in those tests. */
const limits = defaultProxyLimits.http2;
const ok = new FieldBlock([":status", "200"]);
const maxFramesOfAnAttack = 100_000;

/** Sends frames until the connection breaks; returns how many it took, and why it broke. */
function flood(bench: Bench<Http2ServerConnection>, next: (i: number) => Buffer): { frames: number; end: string } {
  for (let i = 0; i < maxFramesOfAnAttack; i++) {
    bench.give(next(i));
    const last = bench.recorder.lines.at(-1) ?? "";
    if (last.startsWith("failed")) return { frames: i + 1, end: last };
    bench.recorder.lines.length = Math.min(bench.recorder.lines.length, 10);
    bench.sent();
  }
  return { frames: maxFramesOfAnAttack, end: "never" };
}

describe("floods end the connection with ENHANCE_YOUR_CALM", () => {
  test("rapid reset: requests that are reset at once (CVE-2023-44487, CVE-2021-32778)", () => {
    const bench = createServer();
    const { frames, end } = flood(bench, (i) => Buffer.concat([f.get(2 * i + 1), f.rstStream(2 * i + 1)]));
    expect(end).toBe("failed 11 reset_flood");
    expect(frames).toBe(limits.resets.burst + 1);
    expect(bench.connection.openStreams).toBe(0);
  });

  test("but not resets at a rate that a busy proxy has", () => {
    const bench = createServer();
    const { end } = flood(bench, (i) => {
      bench.nowMs = i * 6;
      return Buffer.concat([f.get(2 * i + 1), f.rstStream(2 * i + 1)]);
    });
    expect(end).toBe("never");
  }, 60_000);

  test("MadeYouReset: errors that make the server reset (CVE-2025-8671)", () => {
    for (const provoke of [
      (id: number) => f.windowUpdate(id, 0),
      (id: number) => f.frame(FrameType.priority, 0, id, Buffer.alloc(4)),
      (id: number) => f.windowUpdate(id, 0x7fff_ffff),
      (id: number) => f.data(id, "behind the end"),
      (id: number) => f.headers(id, ["a", "1"], false),
    ]) {
      const { frames, end } = flood(createServer(), (i) => Buffer.concat([f.get(2 * i + 1), provoke(2 * i + 1)]));
      expect([frames, end]).toEqual([limits.provokedResets.burst + 1, "failed 11 provoked_reset_flood"]);
    }
  });

  test("requests that are malformed, one after the other", () => {
    const { end } = flood(createServer(), (i) => f.headers(2 * i + 1, [":method", "GET"]));
    expect(end).toBe("failed 11 provoked_reset_flood");
  });

  test("header lists that are too large, one after the other", () => {
    const fields = [...f.getFields, "x", "v".repeat(500)];
    const { end } = flood(createServer({ maxHeaderListBytes: 400 }), (i) => f.headers(2 * i + 1, fields));
    expect(end).toBe("failed 11 provoked_reset_flood");
  });

  test("CONTINUATION without end (CVE-2024-27983, CVE-2024-30255)", () => {
    const bench = createServer();
    bench.give(f.frame(FrameType.headers, Flag.endStream, 1, f.literals(f.getFields)));
    const fragment = f.literals(["x", "v".repeat(100)]);
    const { frames, end } = flood(bench, () => f.frame(FrameType.continuation, 0, 1, fragment));
    expect([frames, end]).toEqual([limits.maxContinuationFrames + 1, "failed 11 continuation_flood"]);
  });

  test("CONTINUATION that carries much in few frames", () => {
    const bench = createServer({ maxContinuationFrames: 1000 });
    bench.give(f.frame(FrameType.headers, 0, 1, Buffer.alloc(16_000)));
    const { frames, end } = flood(bench, () => f.frame(FrameType.continuation, 0, 1, Buffer.alloc(16_000)));
    expect([frames, end]).toEqual([4, "failed 11 header_block_too_large"]);
  });

  test("empty CONTINUATION and HEADERS (CVE-2019-9516, CVE-2019-9518)", () => {
    const bench = createServer({ maxContinuationFrames: 1e6 });
    bench.give(f.frame(FrameType.headers, 0, 1));
    const { end } = flood(bench, () => f.frame(FrameType.continuation, 0, 1));
    expect(end).toBe("failed 11 empty_frame_flood");
  });

  test("empty DATA, padded or not (CVE-2019-9518)", () => {
    for (const empty of [f.data(1, ""), f.paddedData(1, "", 100)]) {
      const bench = createServer();
      bench.give(f.post(1));
      const { frames, end } = flood(bench, () => empty);
      expect([frames, end]).toEqual([limits.emptyFrames.burst + 1, "failed 11 empty_frame_flood"]);
    }
  });

  test("PING (CVE-2019-9512)", () => {
    const { end } = flood(createServer(), () => f.ping());
    expect(end).toBe("failed 11 control_flood");
  });

  test("SETTINGS (CVE-2019-9515)", () => {
    const { end } = flood(createServer(), () => f.settings(4, 70_000));
    expect(end).toBe("failed 11 control_flood");
  });

  test("PRIORITY (CVE-2019-9513)", () => {
    const { frames, end } = flood(createServer(), (i) => f.priority(2 * i + 1));
    expect([frames, end]).toEqual([limits.priority.burst + 1, "failed 11 priority_flood"]);
  });

  test("WINDOW_UPDATE that answers nothing", () => {
    const bench = createServer();
    bench.give(f.post(1));
    const { end } = flood(bench, () => f.windowUpdate(0, 1));
    expect(end).toBe("failed 11 window_update_flood");
  });

  test("unknown frames, and frames for streams that are gone", () => {
    expect(flood(createServer(), () => f.frame(0x30, 0, 0)).end).toBe("failed 11 control_flood");
    const bench = createServer();
    bench.give(f.get(1), f.rstStream(1));
    expect(flood(bench, () => f.rstStream(1)).end).toBe("failed 11 control_flood");
  });

  test("interim responses, towards a client", () => {
    const { give, recorder, connection } = createClient();
    connection.request(new FieldBlock(f.getFields), true, recorder);
    for (let i = 0; i <= limits.control.burst; i++) give(f.headers(1, [":status", "103"], false));
    expect(recorder.lines.at(-1)).toBe("failed 11 control_flood");
  });
});

describe("what a peer could make us keep is bounded", () => {
  test("answers to PING and SETTINGS that it does not read (CVE-2019-9512, CVE-2019-9515)", () => {
    const bench = createServer({ control: { burst: 1e9, perSecond: 1e9 } });
    bench.connection.pauseOutput();
    for (let i = 0; i < 10_000; i++) bench.give(f.ping());
    expect(bench.recorder.lines).toEqual(["failed 11 output_overflow"]);
    expect(bench.connection.takeOutput()?.length).toBeLessThan(limits.maxWaitingControlBytes + 100);
  });

  test("resets that it provokes and does not read", () => {
    const bench = createServer({ provokedResets: { burst: 1e9, perSecond: 1e9 } });
    bench.connection.pauseOutput();
    for (let i = 0; i < 10_000; i++) bench.give(f.headers(2 * i + 1, [":method", "GET"]));
    expect(bench.recorder.lines.at(-1)).toBe("failed 11 output_overflow");
  });

  test("bodies for windows that it opens a little and never again (CVE-2019-9511, CVE-2019-9517)", () => {
    const bench = createServer();
    bench.give(f.settings(4, 1));
    const body = Buffer.alloc(1_000_000);
    for (let id = 1; id < 401; id += 2) bench.give(f.get(id));
    let taken = 0;
    for (const stream of bench.recorder.streams.values()) {
      bench.connection.respond(stream, ok, false);
      taken += bench.connection.data(stream, body, 0, body.length, true);
    }
    expect(taken).toBe(200);
    bench.connection.sweep(limits.stalledWindowMs);
    expect(errorsIn(bench.sent())).toEqual([]);
    bench.connection.sweep(limits.stalledWindowMs + 1);
    expect(errorsIn(bench.sent()).length).toBe(200);
    expect(bench.connection.openStreams).toBe(0);
  });

  test("a window that trickles does not count as progress, one that moves does", () => {
    for (const [step, expected] of [
      [1, 0],
      [2000, 1],
    ] as const) {
      const bench = createServer();
      bench.give(f.settings(4, 1), f.get(1));
      const body = Buffer.alloc(1_000_000);
      let at = 0;
      bench.recorder.onRoom = (stream) => {
        at += bench.connection.data(stream, body, at, body.length, true);
      };
      for (const stream of bench.recorder.streams.values()) bench.recorder.onRoom(stream);
      for (bench.nowMs = 0; bench.nowMs <= limits.stalledWindowMs; bench.nowMs += 5000)
        bench.give(f.windowUpdate(1, step));
      bench.connection.sweep(limits.stalledWindowMs + 1);
      expect(bench.connection.openStreams).toBe(expected);
    }
  });

  test("a header block that never ends in time", () => {
    const bench = createServer();
    bench.give(f.frame(FrameType.headers, 0, 1));
    bench.connection.sweep(limits.headerBlockMs);
    expect(bench.recorder.lines).toEqual([]);
    bench.connection.sweep(limits.headerBlockMs + 1);
    expect(bench.recorder.lines).toEqual(["failed 11 header_timeout"]);
  });

  test("SETTINGS that are never acknowledged", () => {
    const bench = createServer({}, true);
    bench.give(f.hello());
    bench.connection.sweep(limits.settingsAckMs);
    expect(bench.recorder.lines).toEqual([]);
    bench.connection.sweep(limits.settingsAckMs + 1);
    expect(bench.recorder.lines).toEqual(["failed 4 settings_timeout"]);
  });

  test("streams: opened and reset in turn, or left open, they never exceed what was announced", () => {
    const bench = createServer({ resets: { burst: 1e9, perSecond: 1 }, provokedResets: { burst: 1e9, perSecond: 1 } });
    for (let i = 0; i < 3000; i++) {
      bench.give(f.get(2 * i + 1));
      if (i % 3 === 0) bench.give(f.rstStream(2 * i + 1));
      expect(bench.connection.openStreams).toBeLessThanOrEqual(limits.maxConcurrentStreams);
      bench.sent();
    }
  });
});

describe("messages that others have misread", () => {
  test("equal Host fields count against the limit and are refused (CVE-2026-73550)", () => {
    const { give, recorder } = createServer();
    const hosts = Array.from({ length: 200 }, () => ["host", "web"]).flat();
    give(f.headers(1, [...f.getFields, ...hosts]), f.headers(3, [...f.getFields, "host", "web", "host", "web"]));
    expect(recorder.lines).toEqual(["1 problem header_list_too_large", "3 problem bad_host"]);
  });

  test("a body is exactly as long as its Content-Length, so HTTP/1.1 behind us reads the same (CVE-2026-48743)", () => {
    const { give, sent } = createServer();
    give(f.post(1, "content-length", "5"), f.data(1, "hello"), f.data(1, "GET /admin"));
    give(f.headers(3, [...f.getFields, "content-length", "5"]));
    expect(errorsIn(sent())).toEqual(["1:1", "3:1"]);
  });

  test("CONNECT without a path crashes nothing (CVE-2026-73547)", () => {
    const { give, recorder } = createServer();
    give(f.headers(1, [":method", "CONNECT", ":authority", "db:1"], false));
    give(
      f.headers(3, [":method", "CONNECT", ":protocol", "websocket", ":authority", "db:1", ":scheme", "http"], false),
    );
    expect(recorder.lines).toEqual(["1 request :method|CONNECT|:authority|db:1", "3 problem bad_target"]);
  });

  test("trailers have to end their stream (CVE-2026-73513)", () => {
    const { give, recorder, connection } = createClient();
    connection.request(new FieldBlock(f.getFields), true, recorder);
    give(f.headers(1, [":status", "200"], false), f.headers(1, ["grpc-status", "0"], false));
    expect(recorder.lines.slice(1)).toEqual(["1 problem bad_trailers", "1 reset 1 by rule"]);
  });

  test("GOAWAY followed by SETTINGS without streams leaves requests neither lost nor hanging (CVE-2021-32780)", () => {
    const { give, recorder, connection } = createClient();
    connection.request(new FieldBlock(f.getFields), true, recorder);
    connection.request(new FieldBlock(f.getFields), true, recorder);
    give(Buffer.concat([f.goaway(1), f.settings(3, 0)]));
    expect(recorder.lines).toEqual(["3 reset 7 by connection, unprocessed", "goaway 1 0"]);
    expect(connection.freeStreams).toBe(0);
    give(f.headers(1, [":status", "204"]));
    expect(recorder.lines.at(-1)).toBe("1 response :status|204 end");
    expect(connection.openStreams).toBe(0);
  });

  test("a scheme of mixed case is no scheme (CVE-2023-35944)", () => {
    const { give, recorder } = createServer();
    give(f.headers(1, [":method", "GET", ":scheme", "HTTPS", ":authority", "web", ":path", "/"]));
    expect(recorder.lines).toEqual(["1 problem bad_scheme"]);
  });

  test("a header value cannot smuggle a line (CVE-2019-9900)", () => {
    for (const value of ["a\r\nb: c", "a\nb", "a\0b", "a\rb"]) {
      const { give, recorder } = createServer();
      give(f.headers(1, [...f.getFields, "x", value]));
      expect(recorder.lines).toEqual(["1 problem malformed_field"]);
    }
  });
});
