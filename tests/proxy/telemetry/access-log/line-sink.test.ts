import { expect, test } from "bun:test";
import { LineSink } from "../../../../proxy/telemetry/access-log/line-sink.ts";
import { MemoryOutputs } from "../../../fakes/memory-outputs.ts";
import { createVirtualClock } from "../../../fakes/virtual-clock.ts";

function sinkOf(maxWaitingBytes: number) {
  const clock = createVirtualClock(0);
  const outputs = new MemoryOutputs();
  const turns: (() => void)[] = [];
  const errors: (Error | undefined)[] = [];
  const counts = { written: 0, dropped: 0 };
  const sink = new LineSink({
    counts,
    output: outputs.openLog("log"),
    clock,
    atEndOfTurn: (callback) => turns.push(callback),
    maxWaitingBytes: () => maxWaitingBytes,
    onWritten: (error) => errors.push(error),
  });
  const endTurn = (): void => {
    for (const turn of turns.splice(0)) turn();
  };
  return { clock, outputs, counts, errors, sink, endTurn };
}

test("the lines of one turn are one write", () => {
  const { outputs, sink, errors, endTurn, counts } = sinkOf(100);
  sink.add("a\n");
  sink.add("b\n");
  expect(outputs.lines("log")).toEqual([]);
  endTurn();
  expect(outputs.lines("log")).toEqual(["a", "b"]);
  expect(errors).toEqual([undefined]);
  expect(counts).toEqual({ written: 2, dropped: 0 });
});

test("a busy log writes ten times a second, a full one at once, and one that was quiet at the end of the turn", async () => {
  const { clock, outputs, sink, endTurn, counts } = sinkOf(1_000_000);
  sink.add("first\n");
  endTurn();
  for (let i = 0; i < 3; i++) {
    sink.add(`${i}\n`);
    endTurn();
  }
  expect(counts.written).toBe(1);
  await clock.advance(99);
  expect(counts.written).toBe(1);
  await clock.advance(1);
  expect(outputs.lines("log")).toEqual(["first", "0", "1", "2"]);
  sink.add("x".repeat(70_000));
  endTurn();
  expect(counts.written).toBe(5);
  await clock.advance(500);
  expect(clock.pendingTimers()).toBe(0);
  sink.add("last\n");
  endTurn();
  expect(counts.written).toBe(6);
});

test("what a slow output leaves waiting is bounded, the one under way included; the rest is dropped and counted", async () => {
  const { clock, outputs, sink, endTurn, counts } = sinkOf(10);
  outputs.isSlow = true;
  sink.add("1234\n");
  endTurn();
  sink.add("abcd\n");
  sink.add("x\n");
  expect(counts).toEqual({ written: 0, dropped: 1 });
  outputs.release();
  expect(outputs.lines("log")).toEqual(["1234"]);
  // The next one is due in a tenth of a second, unless somebody wants it now.
  const flushed = sink.flush();
  outputs.release();
  await flushed;
  expect(outputs.lines("log")).toEqual(["1234", "abcd"]);
  sink.add("y\n");
  await clock.advance(100);
  outputs.release();
  expect(counts).toEqual({ written: 3, dropped: 1 });
});

test("lines that could not be written are counted as dropped, and the next ones are tried", async () => {
  const { clock, outputs, sink, errors, endTurn, counts } = sinkOf(100);
  outputs.error = new Error("no space");
  sink.add("a\n");
  endTurn();
  outputs.error = undefined;
  sink.add("b\n");
  await clock.advance(100);
  expect(errors.map((error) => error?.message)).toEqual(["no space", undefined]);
  expect(outputs.lines("log")).toEqual(["b"]);
  expect(counts).toEqual({ written: 1, dropped: 1 });
});

test("closing writes what is there first", async () => {
  const { outputs, sink, endTurn } = sinkOf(100);
  sink.add("a\n");
  sink.close();
  endTurn();
  await sink.flush();
  expect(outputs.lines("log")).toEqual(["a"]);
  expect(outputs.closed).toEqual(["log"]);
});
