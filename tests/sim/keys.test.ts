import { expect, test } from "bun:test";
import { createReplica } from "./engine.ts";
import { keys } from "./keys-machine.ts";
import { runSeed } from "./run-seed.ts";

const seeds = Array.from({ length: 6 }, (_, at) => 5_000 + at * 7);

test.each(seeds)(
  "keys and transactions keep every promise under faults, and are alike everywhere (seed %i)",
  (seed) => {
    const { violation, acknowledgedWrites } = runSeed({ seed, createReplica, machine: keys });
    expect(violation).toBeUndefined();
    expect(acknowledgedWrites).toBeGreaterThan(0);
  },
);
