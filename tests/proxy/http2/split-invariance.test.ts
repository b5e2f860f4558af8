import { describe, expect, test } from "bun:test";
import { createRng, type Rng } from "../../sim/random.ts";
import * as f from "./frames.ts";
import { damaged } from "./hpack/random-blocks.ts";
import { createServer, errorsIn } from "./recorder.ts";
import { testSeed, withSeed } from "./test-seed.ts";
import { randomInput } from "./random-input.ts";

/** What a server makes of the chunks: events with data joined, and the errors it sent. */
function outcomeOf(chunks: readonly Buffer[]): string[] {
  const { give, recorder, sent } = createServer({}, true);
  give(...chunks);
  return [...recorder.lines, ...errorsIn(sent()).map((error) => `sent ${error}`)];
}

function split(rng: Rng, bytes: Buffer): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const size = rng.between(1, rng.pick([1, 8, 30, 500]));
    // Each piece in memory of its own, as sockets give them.
    chunks.push(Buffer.from(bytes.subarray(at, at + size)));
    at += size;
  }
  return chunks;
}

describe("a connection makes the same of its input", () => {
  test("whatever the chunks are, for good input and for bad", () => {
    const seed = testSeed();
    withSeed(seed, () => {
      for (let round = 0; round < 400; round++) {
        const rng = createRng(`${seed}/${round}`);
        let bytes = Buffer.concat([f.hello(), randomInput(rng)]);
        for (let i = round % 4; i > 0; i--) bytes = Buffer.from(damaged(rng, bytes));
        const whole = outcomeOf([bytes]);
        expect(outcomeOf(split(rng, bytes))).toEqual(whole);
        expect(outcomeOf([...bytes].map((byte) => Buffer.from([byte])))).toEqual(whole);
      }
    });
  });

  test("when the chunk's memory is used again afterwards", () => {
    const seed = testSeed();
    withSeed(seed, () => {
      for (let round = 0; round < 100; round++) {
        const rng = createRng(`${seed}/${round}`);
        const bytes = Buffer.concat([f.hello(), randomInput(rng)]);
        const whole = outcomeOf([bytes]);
        const { give, recorder, sent } = createServer({}, true);
        const memory = Buffer.alloc(1000);
        for (const chunk of split(rng, bytes)) {
          chunk.copy(memory);
          give(memory.subarray(0, chunk.length));
          memory.fill(0xee);
        }
        expect([...recorder.lines, ...errorsIn(sent()).map((error) => `sent ${error}`)]).toEqual(whole);
      }
    });
  });
});
