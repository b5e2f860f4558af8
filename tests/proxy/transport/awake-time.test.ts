import { expect, test } from "bun:test";
import { AwakeTime } from "../../../proxy/transport/awake-time.ts";

test("passes with the ticks, also with ticks that are a little late", () => {
  const awake = new AwakeTime(1_000, 500);
  awake.tick(1_500);
  awake.tick(2_400);
  expect(awake.ms).toBe(2_400);
});

test("passes by one tick while the process stands still", () => {
  const awake = new AwakeTime(0, 500);
  awake.tick(10_500);
  expect(awake.ms).toBe(500);
  awake.tick(11_000);
  expect(awake.ms).toBe(1_000);
});
