import { describe, expect, test } from "bun:test";
import { testSeed, withSeed } from "../http2/test-seed.ts";
import { BalanceWorld, candidates, expectShare, policies, type TestCandidate } from "./balance-world.ts";

const weights = [1, 2, 3, 10, 1, 5];
const sum = weights.reduce((a, b) => a + b, 0);
/** How far from its share by weight a member of the structure itself may be: a ring of 1,024 points is not even. */
const unevenness = { "ring-hash": 0.45, maglev: 0.002 } as const;

describe("shares go by weight", () => {
  for (const policy of policies) {
    test(`with ${policy}, of an idle group`, () => {
      const seed = testSeed();
      withSeed(seed, () => {
        const list = candidates(weights.length, (i) => ({ weight: weights[i] ?? 1 }));
        const world = new BalanceWorld(seed, { policy }, list);
        const counts = world.shares(50_000);
        for (const one of list) {
          const slack = policy === "ring-hash" || policy === "maglev" ? unevenness[policy] : 0;
          expectShare(counts.get(one) ?? 0, 50_000, { share: one.weight / sum, slack });
        }
      });
    });
  }

  test("with ring-hash more evenly the larger the ring is", () => {
    const seed = testSeed();
    withSeed(seed, () => {
      const list = candidates(10);
      const counts = new BalanceWorld(seed, { policy: "ring-hash", minRingSize: 100_000 }, list).shares(50_000);
      for (const one of list) expectShare(counts.get(one) ?? 0, 50_000, { share: 0.1, slack: 0.05 });
    });
  });
});

describe("round robin", () => {
  test("gives nobody more or less than its turns in any stretch, whatever joins and leaves before", () => {
    const seed = testSeed();
    withSeed(seed, () => {
      const list = candidates(40, (i) => ({ weight: 1 + (i % 7) }));
      const world = new BalanceWorld(seed, { policy: "round-robin" }, list.slice(0, 30));
      world.shares(world.below(500));
      for (const one of list.slice(0, 10)) world.balancer.remove(one);
      for (const one of list.slice(30)) world.balancer.changed(one);
      const present = list.slice(10);
      const total = present.reduce((all, { weight }) => all + weight, 0);
      for (let round = 0; round < 20; round++) {
        const picks = 1 + world.below(2_000);
        const counts = world.shares(picks);
        for (const one of present) {
          const fair = (picks * one.weight) / total;
          // A turn at either end, and as many as its weight is of the mean one while all the others have theirs.
          const bound = 1 + (one.weight * present.length) / total;
          expect(Math.abs((counts.get(one) ?? 0) - fair)).toBeLessThanOrEqual(bound);
        }
      }
    });
  });

  test("of equal ones never chooses one again before all others", () => {
    const seed = testSeed();
    withSeed(seed, () => {
      const world = new BalanceWorld(seed, { policy: "round-robin" }, candidates(17));
      const first = Array.from({ length: 17 }, () => world.pick());
      expect(new Set(first).size).toBe(17);
      for (let i = 0; i < 170; i++) expect(world.pick()).toBe(first[i % 17]);
    });
  });

  test("spreads the turns of a heavy one: five of seven are not in a row", () => {
    const seed = testSeed();
    withSeed(seed, () => {
      const list = candidates(3, (i) => ({ weight: i === 0 ? 5 : 1 }));
      const world = new BalanceWorld(seed, { policy: "round-robin" }, list);
      const turns = Array.from({ length: 700 }, () => (world.pick() === list[0] ? "a" : "b")).join("");
      expect(turns).not.toContain("aaaaaaa");
      expect(turns).not.toContain("bbb");
    });
  });
});

describe("least request", () => {
  test("of two takes the one with fewer under way by its weight", () => {
    const list = candidates(2, (i) => ({ weight: i === 0 ? 1 : 4, activeCount: i === 0 ? 2 : 7 }));
    expect(new Set(new BalanceWorld("1", {}, list).shares(100).keys())).toEqual(new Set(list.slice(1)));
    for (const one of list) one.activeCount = one.weight === 1 ? 1 : 7;
    expect(new Set(new BalanceWorld("1", {}, list).shares(100).keys())).toEqual(new Set(list.slice(0, 1)));
  });

  test("finds the least loaded more often with more choices", () => {
    const seed = testSeed();
    withSeed(seed, () => {
      const best = [2, 4, 10].map((choices) => {
        const list = candidates(20, (i) => ({ activeCount: i }));
        const [least] = list;
        return least === undefined ? 0 : (new BalanceWorld(seed, { choices }, list).shares(5_000).get(least) ?? 0);
      });
      expect(best.toSorted((a, b) => a - b)).toEqual(best);
      // Two different ones of 20: the least loaded is among them in one of ten draws.
      expectShare(best[0] ?? 0, 5_000, { share: 0.1 });
    });
  });

  test("keeps a loaded group level: nobody is more than a few above the mean", () => {
    const seed = testSeed();
    withSeed(seed, () => {
      const list = candidates(100);
      const world = new BalanceWorld(seed, {}, list);
      for (let i = 0; i < 10_000; i++) {
        const picked = world.pick();
        if (picked !== undefined) picked.activeCount++;
      }
      expect(Math.max(...list.map(({ activeCount }) => activeCount))).toBeLessThanOrEqual(100 + 6);
    });
  });
});

describe("peak-ewma", () => {
  test("turns away from the slow one at its first slow answer, and back when it has not been measured for long", () => {
    const list = candidates(2);
    const world = new BalanceWorld("1", { policy: "peak-ewma" }, list);
    const settings = { decayMs: 10_000, isFailure: false };
    for (const [i, one] of list.entries())
      for (let k = 0; k < 50; k++) one.latency.observe(i === 0 ? 5 : 6, k, settings);
    const [fast, other] = list;
    if (fast === undefined || other === undefined) throw new Error("two are needed");
    world.nowMs = 50;
    fast.latency.observe(100, 50, settings);
    expect([...world.shares(100).keys()]).toEqual([other]);
    // Twenty under way at the other one weigh as much as the slow answer.
    other.activeCount = 20;
    expect([...world.shares(100).keys()]).toEqual([fast]);
    other.activeCount = 0;
    for (world.nowMs = 100; world.nowMs < 60_000; world.nowMs += 100) other.latency.observe(6, world.nowMs, settings);
    expect([...world.shares(100).keys()]).toEqual([fast]);
  });

  test("believes no failure to be fast", () => {
    const [one] = candidates(1);
    one?.latency.observe(1, 1_000, { decayMs: 10_000, isFailure: true });
    expect(one?.latency.valueMs(0, 10_000)).toBe(30);
    one?.latency.observe(500, 1_000, { decayMs: 10_000, isFailure: true });
    expect(one?.latency.valueMs(1_000, 10_000)).toBe(500);
  });
});

describe("a key stays where it is", () => {
  /** The share of keys that move, beside those of the member that left, of all. */
  const keys = Array.from({ length: 20_000 }, (_, i) => Math.imul(i + 1, 0x9e3779b1) >>> 0);
  const owners = (world: BalanceWorld) => keys.map((key) => world.balancer.pick(new Set(), key));

  for (const [policy, bound] of [
    // The points of those who stay become 1/n more, so about 2/n move.
    ["ring-hash", 3],
    // The paper's figure 12: a few more than those of the one that left.
    ["maglev", 2.5],
  ] as const) {
    for (const count of [10, 100]) {
      test(`when one of ${count} leaves ${policy}, for all but ${bound} in ${count}; and comes back with it`, () => {
        const list = candidates(count);
        const world = new BalanceWorld("1", { policy }, list);
        const before = owners(world);
        const leaving = list[3];
        if (leaving === undefined) throw new Error("three are needed");
        world.balancer.remove(leaving);
        const after = owners(world);
        const moved = before.filter((owner, i) => owner !== after[i]).length;
        expect(moved).toBeGreaterThan(0);
        expect(moved / keys.length).toBeLessThan(bound / count);
        expect(after).not.toContain(leaving);
        world.balancer.changed(leaving);
        expect(owners(world)).toEqual(before);
      });
    }

    test(`when one of ${policy} is unhealthy or was tried, for all others' keys`, () => {
      const list = candidates(20);
      const world = new BalanceWorld("1", { policy }, list);
      const before = owners(world);
      const [out] = list;
      if (out === undefined) throw new Error("one is needed");
      const without = keys.map((key) => world.balancer.pick(new Set([out]), key));
      out.isHealthy = false;
      world.balancer.changed(out);
      const after = owners(world);
      expect(after).toEqual(without);
      for (const [i, owner] of before.entries()) {
        if (owner === out) expect(after[i]).not.toBe(out);
        else expect(after[i]).toBe(owner);
      }
      // Its keys do not all go to one other.
      expect(new Set(after.filter((_, i) => before[i] === out)).size).toBeGreaterThan(10);
    });

    test(`whatever order ${policy} was built in`, () => {
      const seed = testSeed();
      withSeed(seed, () => {
        const list = candidates(30, (i) => ({ weight: 1 + (i % 3) }));
        const shuffled = new BalanceWorld(seed, { policy }, []);
        const rest = [...list];
        while (rest.length > 0) {
          const [one] = rest.splice(shuffled.below(rest.length), 1);
          if (one !== undefined) shuffled.balancer.changed(one);
          if (shuffled.below(3) === 0) shuffled.pick();
        }
        expect(owners(shuffled)).toEqual(owners(new BalanceWorld(seed, { policy }, list)));
      });
    });
  }
});

test("a request that cannot be hashed goes to anybody", () => {
  for (const policy of ["ring-hash", "maglev"] as const) {
    const world = new BalanceWorld("1", { policy }, candidates(5));
    const picked = new Set<TestCandidate | undefined>();
    for (let i = 0; i < 200; i++) picked.add(world.balancer.pick(new Set()));
    expect(picked.size).toBe(5);
  }
});
