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
