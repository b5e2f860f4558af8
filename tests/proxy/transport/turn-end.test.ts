import { expect, test } from "bun:test";
import { keep } from "../../../lib/base/received-memory.ts";
import { minFreedBytes, TurnEnd } from "../../../proxy/transport/turn-end.ts";

interface Turns {
  readonly end: TurnEnd;
  /** Lets the event at hand come to its end. */
  readonly endEvent: () => void;
  /** The same for the turn, if anybody waits for it. */
  readonly endTurn: () => boolean;
}

function turns(): Turns {
  const [ofTurn, ofEvent]: (() => void)[][] = [[], []];
  const end = new TurnEnd(
    (callback) => ofTurn?.push(callback),
    (callback) => ofEvent?.push(callback),
  );
  const runAll = (callbacks: (() => void)[] | undefined): boolean => {
    const due = callbacks?.splice(0) ?? [];
    for (const callback of due) callback();
    return due.length > 0;
  };
  return { end, endEvent: () => runAll(ofEvent), endTurn: () => runAll(ofTurn) };
}

function chunkOf(bytes: number): Buffer {
  return Buffer.allocUnsafeSlow(bytes).fill("x");
}

test("what waits for a turn's end comes in order, and then what was received is free", () => {
  const { end, endEvent, endTurn } = turns();
  const chunk = chunkOf(minFreedBytes);
  const seen: string[] = [];
  end.add(() => seen.push(`first, ${chunk.length}`));
  end.received(chunk);
  end.add(() => seen.push(`second, ${chunk.length}`));
  endEvent();
  expect(endTurn()).toBe(true);
  expect(seen).toEqual([`first, ${minFreedBytes}`, `second, ${minFreedBytes}`]);
  expect(chunk.length).toBe(0);
  expect(endTurn()).toBe(false);
});

test("what was received is free after its event where nothing waits for the turn's end", () => {
  const { end, endEvent, endTurn } = turns();
  const [first, second] = [chunkOf(minFreedBytes), chunkOf(minFreedBytes)];
  end.received(first);
  endEvent();
  end.received(second);
  endEvent();
  expect([first.length, second.length]).toEqual([0, 0]);
  expect(endTurn()).toBe(false);
});

test("something that comes to wait for the turn's end within the event still finds it", () => {
  const { end, endEvent, endTurn } = turns();
  const chunk = chunkOf(minFreedBytes);
  let written = -1;
  end.received(chunk);
  end.add(() => (written = chunk.length));
  endEvent();
  endTurn();
  expect([written, chunk.length]).toEqual([minFreedBytes, 0]);
});

test("small chunks are left to the garbage collector", () => {
  const { end, endEvent } = turns();
  const chunk = chunkOf(minFreedBytes - 1);
  end.received(chunk);
  end.received(chunkOf(minFreedBytes));
  endEvent();
  expect(chunk.length).toBe(minFreedBytes - 1);
});

test("what is kept stays, with all that lies in the same memory", () => {
  const { end, endEvent } = turns();
  const chunk = chunkOf(minFreedBytes);
  end.received(chunk);
  keep(chunk.subarray(minFreedBytes - 1));
  endEvent();
  expect(chunk.toString("latin1")).toBe("x".repeat(minFreedBytes));
});

test("a chunk that has its memory together with others is never freed", () => {
  const { end, endEvent } = turns();
  const whole = chunkOf(2 * minFreedBytes);
  end.received(whole.subarray(0, minFreedBytes));
  endEvent();
  expect(whole.length).toBe(2 * minFreedBytes);
});

test("while something is put off to the end of the next turn, nothing is freed", () => {
  const { end, endEvent, endTurn } = turns();
  const chunk = chunkOf(minFreedBytes);
  let written = -1;
  end.add(() => end.add(() => (written = chunk.length)));
  end.received(chunk);
  endEvent();
  endTurn();
  expect(chunk.length).toBe(minFreedBytes);
  endTurn();
  expect([written, chunk.length]).toEqual([minFreedBytes, 0]);
});
