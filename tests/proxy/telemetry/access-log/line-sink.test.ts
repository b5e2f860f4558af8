import { expect, test } from "bun:test";
import { LineSink } from "../../../../proxy/telemetry/access-log/line-sink.ts";
import { MemoryOutputs } from "../../../fakes/memory-outputs.ts";

function sinkOf(maxWaitingBytes: number) {
  const outputs = new MemoryOutputs();
  const turns: (() => void)[] = [];
  const errors: (Error | undefined)[] = [];
  const counts = { written: 0, dropped: 0 };
  const sink = new LineSink({
    counts,
    output: outputs.openLog("log"),
    atEndOfTurn: (callback) => turns.push(callback),
    maxWaitingBytes: () => maxWaitingBytes,
    onWritten: (error) => errors.push(error),
  });
  const endTurn = (): void => {
    for (const turn of turns.splice(0)) turn();
  };
  return { outputs, counts, errors, sink, endTurn };
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

test("what a slow output leaves waiting is bounded, the one under way included; the rest is dropped and counted", async () => {
  const { outputs, sink, endTurn, counts } = sinkOf(10);
  outputs.isSlow = true;
  sink.add("1234\n");
  endTurn();
  sink.add("abcd\n");
  sink.add("x\n");
  expect(counts).toEqual({ written: 0, dropped: 1 });
  outputs.release();
  expect(outputs.lines("log")).toEqual(["1234"]);
  const flushed = sink.flush();
  outputs.release();
  await flushed;
  expect(outputs.lines("log")).toEqual(["1234", "abcd"]);
  sink.add("y\n");
  endTurn();
  outputs.release();
  expect(counts).toEqual({ written: 3, dropped: 1 });
});

test("lines that could not be written are counted as dropped, and the next ones are tried", () => {
  const { outputs, sink, errors, endTurn, counts } = sinkOf(100);
  outputs.error = new Error("no space");
  sink.add("a\n");
  endTurn();
  outputs.error = undefined;
  sink.add("b\n");
  endTurn();
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
