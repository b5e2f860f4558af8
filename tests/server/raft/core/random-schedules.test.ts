import { expect, test } from "bun:test";
import { RandomWorld } from "./random-world.ts";
import { testSeed } from "./test-seed.ts";

const seedCount = Number(process.env["ATOLL_TEST_SEEDS"] ?? 60);
const stepsPerSeed = 6_000;

test(`random schedules break nothing, and after healing a write gets through (seeds from ${testSeed})`, () => {
  const totals = { committed: 0, reads: 0, changes: 0 };
  for (let seed = testSeed; seed < testSeed + seedCount; seed++) {
    const world = new RandomWorld(seed);
    try {
      for (let i = 0; i < stepsPerSeed; i++) world.step();
      world.heal();
      const leader = world.leader();
      const outcome = leader?.propose("the end");
      const before = world.committedCount;
      world.heal();
      expect(outcome?.ok, `${JSON.stringify(outcome)} ${world.describe()}`).toBe(true);
      expect(world.committedCount).toBeGreaterThan(before);
    } catch (thrown) {
      throw new Error(`seed ${seed}: ${thrown instanceof Error ? thrown.message : thrown}`, { cause: thrown });
    }
    totals.committed += world.committedCount;
    totals.reads += world.confirmedReads;
    totals.changes += world.changes;
  }
  // The schedules must get somewhere, or they prove nothing.
  expect(totals.committed).toBeGreaterThan(seedCount * 10);
  expect(totals.reads).toBeGreaterThan(seedCount);
  expect(totals.changes).toBeGreaterThan(seedCount / 10);
}, 60_000);
