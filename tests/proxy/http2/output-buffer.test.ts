import { describe, expect, test } from "bun:test";
import { BufferPool, OutputBuffer } from "../../../proxy/http2/output-buffer.ts";
import * as f from "./frames.ts";
import { createServer, pool } from "./recorder.ts";

describe("the memory that a pool has lent", () => {
  test("is what was written into and not taken out, whole buffers", () => {
    const own = new BufferPool(100);
    const output = new OutputBuffer(own);
    output.append(Buffer.alloc(10));
    expect(own.lentBytes).toBe(100);
    output.append(Buffer.alloc(150));
    expect(own.lentBytes).toBe(output.bytes.length);
    output.take();
    output.giveBack();
    expect(own.lentBytes).toBe(0);
  });

  test("is also what full buffers hold, until the last of them is taken out or dropped", () => {
    const own = new BufferPool(100);
    const output = new OutputBuffer(own);
    for (let frame = 0; frame < 3; frame++) write(output, Buffer.alloc(60));
    expect(own.lentBytes).toBe(300);
    output.take();
    output.giveBack();
    expect(own.lentBytes).toBe(200);
    output.drop();
    expect(own.lentBytes).toBe(0);
  });

  test("comes back from a connection that closes with something left to write, whatever is written later", () => {
    const before = pool.lentBytes;
    const bench = createServer();
    bench.give(f.ping());
    expect(pool.lentBytes).toBeGreaterThan(before);
    bench.connection.close();
    expect(pool.lentBytes).toBe(before);
    bench.connection.close();
    expect(pool.lentBytes).toBe(before);
  });

  test("does not count what is written when nobody will take it", () => {
    const own = new BufferPool(100);
    const output = new OutputBuffer(own);
    output.drop();
    output.append(Buffer.alloc(500));
    expect(own.lentBytes).toBe(0);
  });
});

describe("frames", () => {
  test("leave in the order they were written, whole, whatever their lengths and however many have left before", () => {
    const output = new OutputBuffer(new BufferPool(100));
    const lengths = Array.from({ length: 200 }, (_, i) => (i * 37) % 150);
    let written = 0;
    let taken = 0;
    for (const [i, length] of lengths.entries()) {
      write(output, Buffer.alloc(length, i));
      written += length;
      expect(output.waitingBytes).toBe(written - taken);
      if (i % 7 !== 0) continue;
      const chunk = output.take();
      for (const byte of chunk) expect(byte).toBe(frameAt(lengths, taken++));
      output.giveBack();
    }
    while (output.waitingBytes > 0) for (const byte of output.take()) expect(byte).toBe(frameAt(lengths, taken++));
    expect(taken).toBe(written);
  });

  test("longer than a buffer of the pool have one of their own", () => {
    const output = new OutputBuffer(new BufferPool(100));
    write(output, Buffer.alloc(10));
    write(output, Buffer.alloc(250));
    expect([output.take().length, output.take().length, output.waitingBytes]).toEqual([10, 250, 0]);
  });

  test("that turn out longer than they began stay in one piece", () => {
    const output = new OutputBuffer(new BufferPool(100));
    write(output, Buffer.alloc(90));
    output.begin(20);
    for (let part = 0; part < 15; part++) output.append(Buffer.alloc(10));
    expect([output.take().length, output.take().length]).toEqual([90, 150]);
  });
});

function write(output: OutputBuffer, frame: Buffer): void {
  output.begin(frame.length);
  output.append(frame);
}

/** The number of the frame that the byte at `at` belongs to. */
function frameAt(lengths: readonly number[], at: number): number {
  let frame = 0;
  for (let rest = at; rest >= (lengths[frame] ?? Number.POSITIVE_INFINITY); frame++) rest -= lengths[frame] ?? 0;
  return frame;
}
