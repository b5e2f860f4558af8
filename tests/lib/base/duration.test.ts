import { expect, test } from "bun:test";
import { formatDurationMs, parseDurationMs } from "../../../lib/base/duration.ts";

test.each([
  ["10s", 10_000],
  ["1m30s", 90_000],
  ["1.5s", 1_500],
  [".5s", 500],
  ["250ms", 250],
  ["1h", 3_600_000],
  ["1500us", 1.5],
  ["0", 0],
  ["-5s", -5_000],
])("%s is %d milliseconds", (text, expected) => {
  expect(parseDurationMs(text)).toBeCloseTo(expected, 6);
});

test.each(["", "10", "s", "10 s", "1m 30s", "ten seconds", "10s!", "1e3s", "--1s", `${"1h".repeat(40)}`])(
  "%j is no duration",
  (text) => {
    expect(parseDurationMs(text)).toBeUndefined();
  },
);

test.each([
  [0, "0s"],
  [250, "250ms"],
  [10_000, "10s"],
  [60_000, "1m0s"],
  [90_500, "1m30.5s"],
  [3_600_000, "1h0m0s"],
  [-1_000, "-1s"],
])("%d milliseconds are printed as Go prints them, %s", (durationMs, text) => {
  expect(formatDurationMs(durationMs)).toBe(text);
});
