import { expect, test } from "bun:test";
import type { FromWorker, ToWorker } from "../../../proxy/workers/messages.ts";
import { TappedRequests, WorkerTaps } from "../../../proxy/workers/worker-taps.ts";
import type { TapFilter } from "../../../proxy/telemetry/tap/tap-filter.ts";
import type { TapListener } from "../../../proxy/telemetry/tap/tap-hub.ts";

/** A worker whose requests are what a test says. */
function createWorker(send: (message: FromWorker) => void) {
  const turns: (() => void)[] = [];
  const open = new Map<TapListener, TapFilter>();
  const tapped = new TappedRequests({
    subscribe: (filter, listener) => {
      open.set(listener, filter);
      return { close: () => open.delete(listener) };
    },
    send,
    atEndOfTurn: (callback) => turns.push(callback),
  });
  return {
    receive: (message: ToWorker) => {
      if (message.type === "tap") tapped.open(message.id, message.filter);
      if (message.type === "untap") tapped.close(message.id);
    },
    filters: () => [...open.values()],
    line: (text: string) => {
      for (const listener of open.keys()) listener.onLine(text);
    },
    drop: (count: number) => {
      for (const listener of open.keys()) listener.onDropped(count);
    },
    endTurn: () => {
      for (const turn of turns.splice(0)) turn();
    },
  };
}

function createMain() {
  const sent: FromWorker[] = [];
  const workers: ReturnType<typeof createWorker>[] = [];
  const taps: WorkerTaps = new WorkerTaps((message) => {
    for (const worker of workers) worker.receive(message);
  });
  const start = () => {
    const worker = createWorker((message) => {
      sent.push(message);
      if (message.type === "tapped") taps.onTapped(message);
    });
    for (const message of taps.messages()) worker.receive(message);
    workers.push(worker);
    return worker;
  };
  const read: string[] = [];
  const listener: TapListener = {
    onLine: (line) => read.push(line),
    onDropped: (count) => read.push(`dropped ${count}`),
    onQuiet: () => undefined,
  };
  return { sent, taps, start, read, listener };
}

test("requests of all workers are read in one place, one message per turn", () => {
  const { sent, taps, start, read, listener } = createMain();
  const [first, second] = [start(), start()];
  taps.subscribe({ service: "api" }, listener);
  expect(second.filters()).toEqual([{ service: "api" }]);
  first.line("a");
  first.line("b");
  second.line("c");
  expect(read).toEqual([]);
  first.endTurn();
  second.drop(3);
  second.endTurn();
  expect(read).toEqual(["a", "b", "c", "dropped 3"]);
  expect(sent.length).toBe(2);
});

test("a worker that starts later is told who reads", () => {
  const { taps, start, read, listener } = createMain();
  taps.subscribe({ method: "GET" }, listener);
  const worker = start();
  expect(worker.filters()).toEqual([{ method: "GET" }]);
  worker.line("a");
  worker.endTurn();
  expect(read).toEqual(["a"]);
});

test("who has gone gets nothing more, and workers stop telling", () => {
  const { taps, start, read, listener } = createMain();
  const worker = start();
  const subscription = taps.subscribe({}, listener);
  worker.line("late");
  subscription.close();
  worker.endTurn();
  expect(read).toEqual([]);
  expect(worker.filters()).toEqual([]);
  expect(start().filters()).toEqual([]);
});
