import { describe, expect, test } from "bun:test";
import { createSeededRandom } from "../../../lib/base/random.ts";
import { type Rate, TokenBucket } from "../../../proxy/rate-limit/token-bucket.ts";
import { testSeed, withSeed } from "../http2/test-seed.ts";

function taken(bucket: TokenBucket, nowMs: number, tries: number): number {
  let count = 0;
  for (let i = 0; i < tries; i++) {
    if (!bucket.has(nowMs)) break;
    bucket.take();
    count++;
  }
  return count;
}

describe("a bucket", () => {
  test("gives its burst at once and nothing more while the clock stands still", () => {
    const bucket = new TokenBucket({ perSecond: 1_000_000, burst: 7 }, 5_000);
    expect(taken(bucket, 5_000, 100)).toBe(7);
    for (let i = 0; i < 1_000; i++) expect(bucket.has(5_000)).toBe(false);
    expect(taken(bucket, 5_000.001, 100)).toBe(1);
  });

  test("gives nothing for a clock that went back", () => {
    const bucket = new TokenBucket({ perSecond: 10, burst: 1 }, 1_000);
    expect(taken(bucket, 1_000, 9)).toBe(1);
    expect([taken(bucket, 0, 9), taken(bucket, 1_000, 9), taken(bucket, 1_100, 9)]).toEqual([0, 0, 1]);
  });

  test("holds no more than its burst after a long rest", () => {
    const bucket = new TokenBucket({ perSecond: 50, burst: 20 }, 0);
    expect(taken(bucket, 0, 100)).toBe(20);
    const yearMs = 365 * 86_400_000;
    expect(taken(bucket, yearMs, 100)).toBe(20);
    expect(taken(bucket, yearMs, 100)).toBe(0);
    expect(taken(bucket, yearMs + 20, 100)).toBe(1);
  });

  test("keeps a rate that is a fraction", () => {
    const bucket = new TokenBucket({ perSecond: 1 / 3, burst: 1 }, 0);
    const times: number[] = [];
    for (let nowMs = 0; nowMs <= 30_000; nowMs++) if (taken(bucket, nowMs, 1) === 1) times.push(nowMs);
    expect(times).toEqual([0, 3_000, 6_000, 9_000, 12_000, 15_000, 18_000, 21_000, 24_000, 27_000, 30_000]);
  });

  test("says when there is a token again, and means it", () => {
    for (const perSecond of [0.001, 1 / 3, 7, 999.9, 123_456]) {
      const bucket = new TokenBucket({ perSecond, burst: 3 }, 0);
      let nowMs = 0;
      for (let i = 0; i < 200; i++) {
        taken(bucket, nowMs, 10);
        const readyMs = nowMs + bucket.waitMs;
        expect(bucket.has(nowMs + bucket.waitMs * 0.99)).toBe(false);
        nowMs = readyMs;
        expect(bucket.has(nowMs)).toBe(true);
      }
    }
  });

  test("says how much is left and when it is full", () => {
    const bucket = new TokenBucket({ perSecond: 10, burst: 5 }, 0);
    expect([bucket.remaining, bucket.fullMs, bucket.isFull(0)]).toEqual([5, 0, true]);
    taken(bucket, 0, 2);
    expect([bucket.remaining, bucket.fullMs, bucket.isFull(0)]).toEqual([3, 200, false]);
    expect([bucket.isFull(199), bucket.isFull(200)]).toEqual([false, true]);
  });
});

/** Takes whatever it can at random times, among them long rests and bursts at one moment; when each token was taken. */
function randomTakes(random: () => number, rate: Rate): number[] {
  const bucket = new TokenBucket(rate, 0);
  const times: number[] = [];
  const meanMs = 1_000 / rate.perSecond;
  let nowMs = 0;
  for (let i = 0; i < 600; i++) {
    const kind = random();
    if (kind > 0.97) nowMs += meanMs * rate.burst * 3 * random();
    else if (kind > 0.4) nowMs += meanMs * 2 * random();
    else if (kind > 0.2) nowMs += meanMs * 1e-6 * random();
    for (let j = taken(bucket, nowMs, 1 + Math.floor(3 * random())); j > 0; j--) times.push(nowMs);
  }
  return times;
}

test("between any two moments no more is given than the burst and the rate times what has passed", () => {
  const seed = testSeed();
  withSeed(seed, () => {
    const random = createSeededRandom(Number(seed)).float;
    for (let round = 0; round < 40; round++) {
      const rate = { perSecond: 10 ** (6 * random() - 2), burst: 1 + Math.floor(30 * random() ** 2) };
      const times = randomTakes(random, rate);
      for (const [i, fromMs] of times.entries()) {
        for (let j = i; j < times.length; j++) {
          const allowed = rate.burst + (((times[j] ?? 0) - fromMs) * rate.perSecond) / 1_000;
          expect(j - i + 1).toBeLessThanOrEqual(allowed + 1e-6);
        }
      }
    }
  });
});

test("who takes all there is gets the whole rate, however finely time comes", () => {
  const seed = testSeed();
  withSeed(seed, () => {
    const random = createSeededRandom(Number(seed)).float;
    for (let round = 0; round < 20; round++) {
      const rate = { perSecond: 10 ** (5 * random() - 1), burst: 2 + Math.floor(30 * random()) };
      const bucket = new TokenBucket(rate, 0);
      const meanMs = 1_000 / rate.perSecond;
      let [nowMs, count] = [0, taken(bucket, 0, 1_000)];
      for (let i = 0; i < 20_000; i++) {
        nowMs += meanMs * 0.2 * random();
        count += taken(bucket, nowMs, 1_000);
      }
      const most = rate.burst + (nowMs * rate.perSecond) / 1_000;
      expect(count).toBeLessThanOrEqual(most + 1e-6);
      expect(count).toBeGreaterThan(most - 1 - 1e-6);
    }
  });
});
