import { expect, test } from "bun:test";
import { knownKillers } from "./known-killers.ts";
import { mutants } from "./mutants.ts";
import { runMutants } from "./run-mutants.ts";

/** Of a run with a lying disk, where nothing but one vote a term is owed. */
const blindSeed = 13;
const name = "executes a retry again";

async function run(knownSeeds: Readonly<Record<string, number>>): Promise<{ isGood: boolean; lines: string }> {
  const lines: string[] = [];
  const isGood = await runMutants({ print: (line) => lines.push(line), only: name, knownSeeds });
  return { isGood, lines: lines.join("\n") };
}

test("every mutant has a seed written down, and nothing else has", () => {
  expect(Object.keys(knownKillers).toSorted()).toEqual(mutants.map((mutant) => mutant.name).toSorted());
});

test("a sample of mutants is good when the seed shows the mutant", async () => {
  expect((await run({ [name]: knownKillers[name] ?? 0 })).isGood).toBe(true);
});

test("a sample of mutants fails on one without a seed, on a seed that shows nothing and on a name that is gone", async () => {
  const without = await run({});
  expect(without.isGood).toBe(false);
  expect(without.lines).toContain("no seed is written down for it");
  const blind = await run({ [name]: blindSeed });
  expect(blind.isGood).toBe(false);
  expect(blind.lines).toContain(`seed ${blindSeed} no longer shows it`);
  expect((await run({ [name]: knownKillers[name] ?? 0, "was there once": 1 })).isGood).toBe(false);
});
