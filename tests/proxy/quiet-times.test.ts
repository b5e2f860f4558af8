import { expect, test } from "bun:test";
import { QuietTimes } from "../../proxy/quiet-times.ts";

/** Seconds, from 1 on, in which memory was given back, when so many bytes moved in each. */
function givenBackAt(bytesPerSecond: readonly number[]): number[] {
  const seconds: number[] = [];
  let second = 0;
  const quiet = new QuietTimes(() => seconds.push(second));
  let total = 0;
  for (const bytes of bytesPerSecond) {
    second++;
    total += bytes;
    quiet.sweep(second * 1_000, total);
  }
  return seconds;
}

const [busy, calm] = [2_000_000, 500];

test("memory is given back after three quiet seconds that follow busy ones", () => {
  expect(givenBackAt([busy, busy, calm, calm, calm, calm, calm])).toEqual([5]);
});

test("traffic that goes on is not disturbed", () => {
  expect(givenBackAt([busy, calm, calm, busy, calm, calm, busy, 20_000, 20_000, 20_000])).toEqual([]);
});

test("little traffic leaves nothing that would be worth it", () => {
  expect(givenBackAt(Array<number>(600).fill(calm))).toEqual([]);
});

test("it is not given back more often than every ten seconds", () => {
  const bursts = Array.from({ length: 10 }, () => [busy, 0, 0, 0]).flat();
  expect(givenBackAt(bursts)).toEqual([4, 16, 28, 40]);
});

test("a listener that leaves takes its bytes with it, which is no reason to give anything back", () => {
  const seconds: number[] = [];
  const quiet = new QuietTimes(() => seconds.push(1));
  quiet.sweep(1_000, 900_000);
  for (let second = 2; second < 6; second++) quiet.sweep(second * 1_000, 0);
  expect(seconds).toEqual([]);
});
