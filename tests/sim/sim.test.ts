import { describe, expect, test } from "bun:test";
import { createReplica } from "./engine.ts";
import { runSeed } from "./run-seed.ts";

const seeds = Array.from({ length: 16 }, (_, at) => 1_000 + at * 13);

describe("simulated clusters", () => {
  test.each(seeds)("seed %i keeps every promise", (seed) => {
    const { violation } = runSeed({ seed, createReplica });
    expect(violation).toBeUndefined();
  });

  test("the same seed gives the same run, another seed another", () => {
    const [first, again] = [runSeed({ seed: 1_013, createReplica }), runSeed({ seed: 1_013, createReplica })];
    expect(again.traceHash).toBe(first.traceHash);
    expect(runSeed({ seed: 1_014, createReplica }).traceHash).not.toBe(first.traceHash);
  });

  test("a run is made of elections, faults, writes and answers", () => {
    const results = seeds.map((seed) => runSeed({ seed, createReplica }));
    expect(results.reduce((sum, { acknowledgedWrites }) => sum + acknowledgedWrites, 0)).toBeGreaterThan(500);
    expect(new Set(results.flatMap(({ faults }) => [...faults.keys()])).size).toBeGreaterThan(8);
    expect(results.reduce((sum, { membershipChanges }) => sum + membershipChanges, 0)).toBeGreaterThan(5);
  });
});
