import { expect, test } from "bun:test";
import { createSeededRandom } from "../../../lib/base/random.ts";
import { LatencyWindow } from "../../../proxy/concurrency/latency-window.ts";
import { testSeed, withSeed } from "../http2/test-seed.ts";

test("a percentile is that of the latencies, within the width of a bucket", () => {
  const seed = testSeed();
  withSeed(seed, () => {
    const random = createSeededRandom(Number(seed)).float;
    const window = new LatencyWindow();
    for (let round = 0; round < 50; round++) {
      window.clear();
      const latencies = Array.from({ length: 1 + Math.floor(random() * 300) }, () => 10 ** (random() * 6 - 2));
      for (const latency of latencies) window.add(latency);
      const sorted = latencies.toSorted((a, b) => a - b);
      for (const percent of [0, 1, 50, 90, 99, 100]) {
        const exact = sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? 0;
        expect(Math.abs(window.percentileMs(percent) / exact - 1)).toBeLessThan(0.0225);
      }
      expect(window.count).toBe(latencies.length);
    }
  });
});

test("latencies without measure, and none at all, have their place", () => {
  const window = new LatencyWindow();
  expect(window.percentileMs(50)).toBe(0);
  for (const latency of [0, -1, 1e-9]) window.add(latency);
  expect(window.percentileMs(100)).toBeLessThan(0.002);
  window.clear();
  window.add(1e12);
  expect(window.percentileMs(50)).toBeGreaterThan(100_000);
});
