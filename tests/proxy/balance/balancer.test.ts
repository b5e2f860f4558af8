import { describe, expect, test } from "bun:test";
import type { BalancerConfig } from "../../../lib/contract/proxy-cluster.ts";
import { SubsetSelector } from "../../../proxy/balance/subset.ts";
import { slowStartShare } from "../../../proxy/balance/slow-start.ts";
import { testSeed, withSeed } from "../http2/test-seed.ts";
import {
  BalanceWorld,
  balancerConfig,
  candidates,
  expectShare,
  nobody,
  policies,
  TestCandidate,
} from "./balance-world.ts";

/** Who may be chosen, judged one by one: the model of what a balancer does with structures. */
function usable(list: readonly TestCandidate[], excluded: ReadonlySet<TestCandidate>, config: Partial<BalancerConfig>) {
  const threshold = (config.panicThresholdPercent ?? 50) / 100;
  const groups = Map.groupBy(list, ({ priority }) => priority);
  const capacity = [...groups.values()].reduce((sum, group) => sum + Math.min(1, 1.4 * healthyShare(group)), 0);
  return list.filter((one) => {
    const isPanicking = capacity < 1 && healthyShare(groups.get(one.priority) ?? []) < threshold;
    return !excluded.has(one) && (one.isHealthy || isPanicking);
  });
}

function healthyShare(group: readonly TestCandidate[]): number {
  return group.filter(({ isHealthy }) => isHealthy).length / group.length;
}

describe("whatever happens to its candidates", () => {
  for (const policy of policies) {
    test(`${policy} chooses one that may be chosen, whenever there is one`, () => {
      const seed = testSeed();
      withSeed(seed, () => {
        for (let round = 0; round < 12; round++) {
          const config: Partial<BalancerConfig> = {
            policy,
            tableSize: 127,
            panicThresholdPercent: round % 3 === 0 ? 0 : 50,
            localZone: round % 2 === 0 ? "a" : "",
            minZoneEndpoints: 3,
            slowStartMs: 1_000,
          };
          runOperations(new BalanceWorld(`${Number(seed) + round}`, config, []), config);
        }
      });
    });
  }

  function runOperations(world: BalanceWorld, config: Partial<BalancerConfig>): void {
    const even = new SubsetSelector({ parity: "even" });
    const present: TestCandidate[] = [];
    let made = 0;
    for (let step = 0; step < 400; step++) {
      world.nowMs += world.below(50);
      const one = present[world.below(Math.max(1, present.length))];
      const operation = world.below(12);
      if (one === undefined || operation === 0) {
        const tags = { parity: made % 2 === 0 ? "even" : "odd" };
        const more = { tags, weight: 1 + world.below(5), zone: "abc"[world.below(4)] ?? "", priority: world.below(3) };
        present.push(new TestCandidate(made++, { ...more, joinedAtMs: world.nowMs }));
      } else if (operation === 1 && present.length > 1) {
        present.splice(present.indexOf(one), 1);
        if (world.below(2) === 0) world.balancer.remove(one);
      } else if (operation <= 4) one.isHealthy = world.below(3) > 0;
      else if (operation === 5) one.weight = 1 + world.below(9);
      else if (operation === 6) one.zone = "abc"[world.below(4)] ?? "";
      else if (operation === 7) one.priority = world.below(3);
      else if (operation === 8) one.isSuspect = world.below(2) === 0;
      else if (operation === 9) one.backoffUntilMs = world.nowMs + world.below(200);
      else one.activeCount = world.below(10);
      world.balancer.update(present);
      for (let pick = 0; pick < 3; pick++) {
        const excluded = new Set(present.filter(() => world.below(3) === 0));
        const subset = world.below(3) === 0 ? even : undefined;
        const list = present.filter(({ tags }) => subset?.matches(tags) !== false);
        const allowed = usable(list, excluded, config);
        const picked = world.balancer.pick(excluded, world.below(2 ** 32), subset);
        if (picked === undefined) expect(allowed).toEqual([]);
        else {
          expect(allowed).toContain(picked);
          // Whoever asked to be left alone or cannot be reached is for when there is nobody else.
          const clean = allowed.filter(({ isSuspect, backoffUntilMs }) => !isSuspect && backoffUntilMs <= world.nowMs);
          const reachable = allowed.filter(({ isSuspect }) => !isSuspect);
          if (clean.length > 0) expect(clean).toContain(picked);
          else if (reachable.length > 0) expect(reachable).toContain(picked);
        }
      }
    }
  }
});

describe("slow start", () => {
  test("rises from the minimum to all, straight or as aggressively as is said", () => {
    const rules = { slowStartMs: 1_000, slowStartAggression: 1, slowStartMinWeightPercent: 10 };
    expect([0, 50, 100, 500, 999, 1_000, 5_000].map((ageMs) => slowStartShare(ageMs, rules))).toEqual([
      0.1, 0.1, 0.1, 0.5, 0.999, 1, 1,
    ]);
    expect(slowStartShare(250, { ...rules, slowStartAggression: 2 })).toBeCloseTo(0.5, 9);
    expect(slowStartShare(500, { ...rules, slowStartAggression: 0.5 })).toBeCloseTo(0.25, 9);
  });

  for (const policy of policies.filter((one) => one !== "least-request" && one !== "peak-ewma")) {
    test(`gives one that joined ${policy} its present part of its share`, () => {
      const seed = testSeed();
      withSeed(seed, () => {
        const list = candidates(10);
        const late = new TestCandidate(10, { joinedAtMs: 0 });
        const world = new BalanceWorld(seed, { policy, slowStartMs: 10_000, minRingSize: 50_000 }, [...list, late]);
        for (const [nowMs, part] of [
          [0, 0.1],
          [5_000, 0.5],
          [10_000, 1],
        ] as const) {
          world.nowMs = nowMs;
          expectShare(world.shares(20_000).get(late) ?? 0, 20_000, { share: part / (10 + part), slack: 0.1 });
        }
      });
    });
  }

  test("leaves a key where it is once it has moved", () => {
    const list = candidates(10);
    const late = new TestCandidate(10, { joinedAtMs: 0 });
    const world = new BalanceWorld("1", { policy: "maglev", slowStartMs: 10_000 }, [...list, late]);
    let before = new Set<number>();
    for (world.nowMs = 0; world.nowMs <= 10_000; world.nowMs += 1_000) {
      const keys = Array.from({ length: 2_000 }, (_, i) => Math.imul(i, 0x9e3779b1) >>> 0);
      const now = new Set(keys.filter((key) => world.balancer.pick(nobody, key) === late));
      expect([...before].every((key) => now.has(key))).toBeTrue();
      expect(now.size).toBeGreaterThanOrEqual(before.size);
      before = now;
    }
    expect(before.size).toBeGreaterThan(100);
  });
});

describe("loads", () => {
  test("go to failover groups by what each can take", () => {
    const seed = testSeed();
    withSeed(seed, () => {
      const list = candidates(20, (i) => ({ priority: i < 10 ? 0 : 1, isHealthy: i >= 5 }));
      const counts = new BalanceWorld(seed, {}, list).shares(20_000);
      const first = list.filter(({ priority }) => priority === 0);
      expectShare(
        first.reduce((sum, one) => sum + (counts.get(one) ?? 0), 0),
        20_000,
        { share: 0.7 },
      );
      for (const one of list) if (!one.isHealthy) expect(counts.has(one)).toBeFalse();
    });
  });

  test("spill over into other zones by what ours has too little", () => {
    const seed = testSeed();
    withSeed(seed, () => {
      const list = candidates(12, (i) => ({ zone: "aabbbbcccccc"[i] ?? "" }));
      const counts = new BalanceWorld(seed, { localZone: "a" }, list).shares(20_000);
      const of = (name: string) =>
        list.filter(({ zone }) => zone === name).reduce((sum, one) => sum + (counts.get(one) ?? 0), 0);
      expectShare(of("a"), 20_000, { share: 0.5 });
      expect(of("b")).toBe(0);
      expectShare(of("c"), 20_000, { share: 0.5 });
    });
  });

  test("know no zone while there are too few endpoints", () => {
    const list = candidates(4, (i) => ({ zone: i < 2 ? "a" : "b" }));
    expect(new BalanceWorld("1", { localZone: "a" }, list).shares(200).size).toBe(4);
    expect(new BalanceWorld("1", { localZone: "a", minZoneEndpoints: 4 }, list).shares(200).size).toBe(2);
  });

  test("go to everybody in panic, and to the healthy alone where that is off", () => {
    const list = candidates(10, (i) => ({ isHealthy: i < 4 }));
    expect(new BalanceWorld("1", {}, list).shares(500).size).toBe(10);
    expect(new BalanceWorld("1", { panicThresholdPercent: 0 }, list).shares(500).size).toBe(4);
    expect(new BalanceWorld("1", { panicThresholdPercent: 40 }, list).shares(500).size).toBe(4);
    for (const one of list) one.isHealthy = false;
    expect(new BalanceWorld("1", { panicThresholdPercent: 0 }, list).pick()).toBeUndefined();
  });
});

test("a subset is those that have all its tags; one that nobody belongs to is nobody", () => {
  const list = candidates(6, (i) => ({ tags: { version: i < 3 ? "1" : "2", canary: i % 3 === 0 ? "yes" : "no" } }));
  const { balancer } = new BalanceWorld("1", {}, list);
  const pick = (tags: Record<string, string>) =>
    new Set(Array.from({ length: 100 }, () => balancer.pick(nobody, 0, new SubsetSelector(tags))));
  expect(pick({ version: "2" })).toEqual(new Set(list.slice(3)));
  expect(pick({ canary: "yes", version: "2" })).toEqual(new Set(list.slice(3, 4)));
  expect(pick({ version: "3" })).toEqual(new Set([undefined]));
  expect(pick({ toString: "x" })).toEqual(new Set([undefined]));
  for (const one of list) {
    one.tags = { version: "3" };
    balancer.changed(one);
  }
  expect(pick({ version: "3" }).size).toBe(6);
  expect(pick({ version: "2" })).toEqual(new Set([undefined]));
});

test("another policy takes over with all candidates and their health", () => {
  const list = candidates(4, (i) => ({ isHealthy: i > 0, weight: i + 1 }));
  const world = new BalanceWorld("1", { policy: "random" }, list);
  for (const policy of policies) {
    world.balancer.configure(balancerConfig({ policy }));
    expect(new Set(world.shares(300).keys())).toEqual(new Set(list.slice(1)));
  }
});
