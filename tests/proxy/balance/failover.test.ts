import { describe, expect, test } from "bun:test";
import { createSeededRandom } from "../../../lib/base/random.ts";
import { chooseByLoad, failoverLoads } from "../../../proxy/balance/failover.ts";
import { zoneShares } from "../../../proxy/balance/zone-shares.ts";
import { testSeed, withSeed } from "../http2/test-seed.ts";

const rules = { overprovisioningPercent: 140, panicThresholdPercent: 50 };

/** Healthy ones of ten in each group, as in the tables of Envoy's documentation. */
function percents(healthy: readonly number[], more: Partial<typeof rules> = {}): (number | string)[] {
  const groups = healthy.map((count) => ({ total: 100, healthy: count }));
  const { loads, panics } = failoverLoads(groups, { ...rules, ...more });
  return loads.map((load, i) => (panics[i] === true ? `${Math.round(load * 100)} panic` : Math.round(load * 100)));
}

describe("failover groups", () => {
  test.each([
    [
      [100, 100],
      [100, 0],
    ],
    [
      [72, 72],
      [100, 0],
    ],
    [
      [71, 71],
      [99, 1],
    ],
    [
      [50, 50],
      [70, 30],
    ],
    [
      [25, 100],
      [35, 65],
    ],
    [
      [0, 100],
      [0, 100],
    ],
    [
      [50, 20, 60],
      [70, 28, 2],
    ],
  ])("with %p percent healthy take %p percent of the load", (healthy, loads) => {
    expect(percents(healthy)).toEqual(loads);
  });

  test("that cannot take everything take it in proportion, and ignore health where too little is healthy", () => {
    expect(percents([60, 10])).toEqual([86, "14 panic"]);
    expect(percents([5, 65])).toEqual(["7 panic", 93]);
    expect(percents([60])).toEqual([100]);
    expect(percents([49])).toEqual(["100 panic"]);
  });

  test("that are all in panic share by number; without panic nobody healthy is nobody", () => {
    expect(
      failoverLoads(
        [
          { total: 30, healthy: 1 },
          { total: 10, healthy: 0 },
        ],
        rules,
      ),
    ).toEqual({
      loads: [0.75, 0.25],
      panics: [true, true],
    });
    expect(percents([0, 0], { panicThresholdPercent: 0 })).toEqual([0, 0]);
    expect(percents([10, 20], { panicThresholdPercent: 0 })).toEqual([33, 67]);
  });

  test("get loads that are one in sum, none without a healthy one, and later ones only what earlier ones cannot take", () => {
    const seed = testSeed();
    withSeed(seed, () => {
      const random = createSeededRandom(Number(seed)).float;
      for (let round = 0; round < 2_000; round++) {
        const groups = Array.from({ length: 1 + Math.floor(random() * 5) }, () => {
          const total = 1 + Math.floor(random() * 20);
          return { total, healthy: Math.floor(random() * (total + 1)) };
        });
        const { loads, panics } = failoverLoads(groups, rules);
        expect(loads.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 9);
        const isTotalPanic = panics.every(Boolean);
        let left = 1;
        for (const [i, { total, healthy }] of groups.entries()) {
          const load = loads[i] ?? 0;
          if (healthy === 0 && !isTotalPanic) expect(load).toBe(0);
          // Whoever has somebody behind it that is used takes all it can.
          if (!isTotalPanic && load < left - 1e-9) expect(load).toBeGreaterThanOrEqual((1.4 * healthy) / total - 1e-9);
          left -= load;
        }
      }
    });
  });

  test("are chosen by their loads, never one without any", () => {
    expect([0, 0.29, 0.31, 0.99, 0.9999999999].map((chance) => chooseByLoad([0.3, 0, 0.7], chance))).toEqual([
      0, 0, 2, 2, 2,
    ]);
    expect(chooseByLoad([0, 0], 0.5)).toBe(-1);
    expect(chooseByLoad([0.1, 0.2, 0], 0.9)).toBe(1);
  });
});

describe("zones", () => {
  const zones = (...weights: readonly number[]) =>
    weights.map((healthyWeight, i) => ({ name: "abc"[i] ?? "", healthyWeight }));

  test("keep all of their load while they have their part of the capacity", () => {
    expect(zoneShares(zones(4, 4, 4), "b")).toEqual([0, 1, 0]);
    expect(zoneShares(zones(1, 8, 1), "b")).toEqual([0, 1, 0]);
    expect(zoneShares(zones(2, 2, 0), "a")).toEqual([1, 0, 0]);
  });

  test("with half of that keep half of it, and the rest goes where there is more than that", () => {
    const shares = zoneShares(zones(2, 4, 6), "a") ?? [];
    // A sixth where a third is due: half. Nothing is to spare where there is a third.
    expect(shares.map((share) => Math.round(share * 1_000))).toEqual([500, 0, 500]);
    expect(zoneShares(zones(0, 6, 6), "a")?.map((share) => Math.round(share * 1_000))).toEqual([0, 500, 500]);
  });

  test("mean nothing when ours is unknown, alone, or nobody is healthy", () => {
    expect(zoneShares(zones(1, 1), "c")).toBeUndefined();
    expect(zoneShares(zones(1), "a")).toBeUndefined();
    expect(zoneShares(zones(0, 0), "a")).toBeUndefined();
  });

  test("of evenly spread callers load every endpoint alike, whatever the capacities", () => {
    const seed = testSeed();
    withSeed(seed, () => {
      const random = createSeededRandom(Number(seed)).float;
      for (let round = 0; round < 1_000; round++) {
        const list = zones(...Array.from({ length: 3 }, () => Math.floor(random() * 10)));
        const capacity = list.reduce((sum, { healthyWeight }) => sum + healthyWeight, 0);
        if (capacity === 0) continue;
        const loads = [0, 0, 0];
        for (const { name } of list) {
          const shares = zoneShares(list, name) ?? [];
          expect(shares.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 9);
          for (const [i, share] of shares.entries()) loads[i] = (loads[i] ?? 0) + share / 3;
        }
        for (const [i, { healthyWeight }] of list.entries()) expect(loads[i]).toBeCloseTo(healthyWeight / capacity, 9);
      }
    });
  });
});
