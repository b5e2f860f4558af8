import { describe, expect, test } from "bun:test";
import { BodyPipe, maxReplayBytes } from "../../../proxy/exchange/body-pipe.ts";
import type { BodySink } from "../../../proxy/exchange/ends.ts";
import { FieldBlock } from "../../../proxy/message/field-block.ts";
import { createSeededRandom } from "../../../lib/base/random.ts";
import { testSeed, withSeed } from "../http2/test-seed.ts";

/** A sink that takes as much as it has room for. */
class Sink implements BodySink {
  text = "";
  room: number;
  ends = 0;
  trailerFields: readonly string[] = [];

  constructor(room = Number.POSITIVE_INFINITY) {
    this.room = room;
  }

  data(bytes: Buffer, start: number, end: number, isEnd: boolean): number {
    const taken = Math.min(this.room, end - start);
    this.room -= taken;
    this.text += bytes.toString("latin1", start, start + taken);
    if (isEnd && taken === end - start) this.ends++;
    return taken;
  }

  trailers(block: FieldBlock): void {
    this.ends++;
    this.trailerFields = block.fields;
  }
}

function give(pipe: BodyPipe, sink: BodySink | undefined, text: string, isEnd = false): number {
  const bytes = Buffer.from(text);
  return pipe.data(sink, bytes, 0, bytes.length, isEnd);
}

describe("a body pipe", () => {
  test("passes on at once what its sink takes, and keeps the rest in order", () => {
    const pipe = new BodyPipe({ heldBytes: 0 }, false);
    const sink = new Sink(3);
    expect(give(pipe, sink, "abcde")).toBe(3);
    expect(give(pipe, sink, "fg", true)).toBe(0);
    expect([pipe.isHeldUp, pipe.hasEnded, pipe.isDone]).toEqual([true, true, false]);
    sink.room = 3;
    expect(pipe.resume(sink)).toBe(3);
    sink.room = 10;
    expect(pipe.resume(sink)).toBe(1);
    expect([sink.text, sink.ends, pipe.isDone]).toEqual(["abcdefg", 1, true]);
  });

  test("says the end once, with the last bytes, by itself or with trailers", () => {
    const alone = new BodyPipe({ heldBytes: 0 }, false);
    give(alone, undefined, "", true);
    const sink = new Sink();
    expect(alone.resume(sink)).toBe(0);
    expect(alone.resume(sink)).toBe(0);
    expect([sink.ends, alone.isDone]).toEqual([1, true]);

    const trailed = new BodyPipe({ heldBytes: 0 }, false);
    const narrow = new Sink(0);
    give(trailed, narrow, "x");
    trailed.trailers(narrow, new FieldBlock(["t", "1"]));
    expect([narrow.ends, trailed.isDone]).toEqual([0, false]);
    narrow.room = 1;
    trailed.resume(narrow);
    expect([narrow.text, narrow.ends, narrow.trailerFields]).toEqual(["x", 1, ["t", "1"]]);
  });

  test("passes everything on once more after a rewind, and counts it as new once", () => {
    const pipe = new BodyPipe({ heldBytes: 0 }, true);
    const first = new Sink(4);
    expect(give(pipe, first, "abcdef")).toBe(4);
    pipe.trailers(first, new FieldBlock(["t", "1"]));
    pipe.rewind();
    const second = new Sink(2);
    expect(pipe.resume(second)).toBe(0);
    pipe.rewind();
    const third = new Sink();
    expect(pipe.resume(third)).toBe(2);
    expect([third.text, third.trailerFields, third.ends, pipe.isDone]).toEqual(["abcdef", ["t", "1"], 1, true]);
  });

  test("keeps so many bytes for that, and not one more", () => {
    const fits = new BodyPipe({ heldBytes: 0 }, true);
    give(fits, new Sink(), "x".repeat(maxReplayBytes));
    expect(fits.canRewind).toBe(true);
    give(fits, new Sink(), "x");
    expect(fits.canRewind).toBe(false);
    expect(new BodyPipe({ heldBytes: 0 }, false).canRewind).toBe(false);
  });

  test("takes a body of single bytes in time and memory that grow with the bytes alone", () => {
    const pipe = new BodyPipe({ heldBytes: 0 }, false);
    const count = 256 * 1024;
    const chunk = Buffer.alloc(16 * 1024, "x");
    const before = process.cpuUsage().user;
    for (let i = 0; i < count; i++) pipe.data(undefined, chunk, i % 1024, (i % 1024) + 1, i === count - 1);
    // One copy of everything kept for each piece took minutes; this takes milliseconds.
    expect((process.cpuUsage().user - before) / 1e6).toBeLessThan(3);
    const sink = new Sink();
    expect(pipe.resume(sink)).toBe(count);
    expect(sink.text.length).toBe(count);
  });

  test("gives out what was put in, whatever the pieces, room and rewinds", () => {
    const seed = testSeed();
    withSeed(seed, () => {
      for (let round = 0; round < 300; round++) {
        const random = createSeededRandom(Number(seed) + round);
        const below = (limit: number): number => Math.floor(random.float() * limit);
        const source = Buffer.alloc(below(20_000));
        for (let i = 0; i < source.length; i++) source[i] = below(256);
        const pipe = new BodyPipe({ heldBytes: 0 }, true);
        let sink: Sink | undefined;
        let at = 0;
        let taken = 0;
        while (!pipe.isDone) {
          const choice = below(10);
          if (choice === 0) {
            sink = undefined;
            pipe.rewind();
          } else if (choice < 3 && sink === undefined) {
            sink = new Sink(0);
          } else if (choice < 6 && sink !== undefined) {
            sink.room = below(6_000);
            taken += pipe.resume(sink);
          } else if (at < source.length || !pipe.hasEnded) {
            const end = Math.min(source.length, at + below(below(2) === 0 ? 20 : 6_000));
            taken += pipe.data(sink, source, at, end, end === source.length);
            at = end;
          }
        }
        expect(sink?.text).toBe(source.toString("latin1"));
        expect([sink?.ends, taken]).toEqual([1, source.length]);
      }
    });
  });
});
