import { expect, test } from "bun:test";
import { createAppliedWaiters } from "../../../../server/raft/shell/applied-waiters.ts";

const never = new AbortController().signal;

test("who waits for an index gets it as soon as it is applied, and at once when it is already", async () => {
  const waiters = createAppliedWaiters();
  const done: number[] = [];
  for (const index of [7, 5, 6]) void waiters.wait(index, never).then((isApplied) => isApplied && done.push(index));
  waiters.noteApplied(4);
  await Promise.resolve();
  expect(done).toEqual([]);
  waiters.noteApplied(6);
  await Promise.resolve();
  expect(done).toEqual([5, 6]);
  expect(await waiters.wait(6, never)).toBe(true);
  waiters.noteApplied(7);
  await Promise.resolve();
  expect(done).toEqual([5, 6, 7]);
});

test("a wait ends with its signal, and all of them when nothing more will be applied", async () => {
  const waiters = createAppliedWaiters();
  const stop = new AbortController();
  const aborted = waiters.wait(1, stop.signal);
  const ended = waiters.wait(1, never);
  stop.abort();
  expect(await aborted).toBe(false);
  expect(await waiters.wait(1, stop.signal)).toBe(false);
  waiters.endAll();
  expect(await ended).toBe(false);
  expect(await waiters.wait(1, never)).toBe(false);
});
