import { expect, test } from "bun:test";
import { keep } from "../../../proxy/transport/received.ts";
import { minFreedBytes, TurnEnd } from "../../../proxy/transport/turn-end.ts";

function turns(): { readonly end: TurnEnd; readonly run: () => void; readonly scheduled: () => number } {
  const waiting: (() => void)[] = [];
  const end = new TurnEnd((callback) => waiting.push(callback));
  return { end, run: () => waiting.shift()?.(), scheduled: () => waiting.length };
}

function chunkOf(bytes: number): Buffer {
  return Buffer.allocUnsafeSlow(bytes).fill("x");
}

test("what waits for a turn's end comes in order, and then what was received is free", () => {
  const { end, run, scheduled } = turns();
  const chunk = chunkOf(minFreedBytes);
  const seen: string[] = [];
  end.received(chunk);
  end.add(() => seen.push(`first, ${chunk.length}`));
  end.add(() => seen.push(`second, ${chunk.length}`));
  expect(scheduled()).toBe(1);
  run();
  expect(seen).toEqual([`first, ${minFreedBytes}`, `second, ${minFreedBytes}`]);
  expect(chunk.length).toBe(0);
  expect(scheduled()).toBe(0);
});

test("small chunks are left to the garbage collector, and cost no turn", () => {
  const { end, run, scheduled } = turns();
  const chunk = chunkOf(minFreedBytes - 1);
  end.received(chunk);
  expect(scheduled()).toBe(0);
  end.add(() => undefined);
  run();
  expect(chunk.length).toBe(minFreedBytes - 1);
});

test("what is kept stays, with all that lies in the same memory", () => {
  const { end, run } = turns();
  const chunk = chunkOf(minFreedBytes);
  end.received(chunk);
  keep(chunk.subarray(minFreedBytes - 1));
  run();
  expect(chunk.toString("latin1")).toBe("x".repeat(minFreedBytes));
});

test("a chunk that has its memory together with others is never freed", () => {
  const { end, run } = turns();
  const whole = chunkOf(2 * minFreedBytes);
  end.received(whole.subarray(0, minFreedBytes));
  run();
  expect(whole.length).toBe(2 * minFreedBytes);
});

test("while something is put off to the end of the next turn, nothing is freed", () => {
  const { end, run } = turns();
  const chunk = chunkOf(minFreedBytes);
  let written = -1;
  end.received(chunk);
  end.add(() => end.add(() => (written = chunk.length)));
  run();
  expect(chunk.length).toBe(minFreedBytes);
  run();
  expect(written).toBe(minFreedBytes);
  expect(chunk.length).toBe(0);
});
