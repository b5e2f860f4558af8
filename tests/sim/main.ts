/**
 * The simulator's command line.
 *   npm run sim -- --seeds N [--start S]   N seeds from S; non-zero when one of them breaks a promise
 *   npm run sim -- --seed S                one seed with a line per event, a column per server
 *   npm run sim -- --mutants [--only NAME] every broken variant must be caught; how many seeds that takes
 *   npm run sim -- --sample                what CI runs: a spread of seeds, each twice, and each mutant by its known seed
 */
import { parseArgs } from "node:util";
import { createReplica } from "./engine.ts";
import { knownKillers } from "./mutants/known-killers.ts";
import { runMutants } from "./mutants/run-mutants.ts";
import { profileNames } from "./profiles.ts";
import { type RunResult, runSeed } from "./run-seed.ts";
import { faultKinds } from "./sim-options.ts";
import { legend } from "./trace.ts";

const print = (line: string): void => void process.stdout.write(`${line}\n`);

/** Spread over the numbers, and so over the profiles; no more than CI has time for. */
const sampleSeeds = Array.from({ length: 56 }, (_, at) => 7 + at * 97);

const { values } = parseArgs({
  options: {
    seeds: { type: "string" },
    start: { type: "string", default: "1" },
    seed: { type: "string" },
    mutants: { type: "boolean", default: false },
    only: { type: "string" },
    sample: { type: "boolean", default: false },
  },
});

process.exitCode = (await main()) ? 0 : 1;

async function main(): Promise<boolean> {
  if (values.seed !== undefined) return replay(numberOf("--seed", values.seed));
  if (values.mutants) return await runMutants({ print, only: values.only });
  if (values.sample) {
    const isGood = sample();
    return (await runMutants({ print, only: undefined, knownSeeds: knownKillers })) && isGood;
  }
  const count = numberOf("--seeds", values.seeds ?? "100");
  return runMany(numberOf("--start", values.start), count);
}

function numberOf(flag: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${flag} must be a whole number, not "${text}"`);
  return value;
}

function replay(seed: number): boolean {
  for (const one of legend) print(one);
  const result = runSeed({ seed, createReplica, print });
  print(`options: ${JSON.stringify(result.options)}`);
  report(result);
  print(`seed ${seed}: ${result.events} events, trace ${result.traceHash}`);
  return result.violation === undefined;
}

function report({ seed, violation }: RunResult): void {
  if (violation === undefined) return;
  print(`VIOLATION of "${violation.check}" in seed ${seed}: ${violation.message}`);
  if (violation.cause instanceof Error) print(violation.cause.stack ?? "");
  print(`  replay: npm run sim -- --seed ${seed}`);
}

function runMany(start: number, count: number): boolean {
  const startedMs = performance.now();
  const totals = { violations: 0, acknowledged: 0, changes: 0, events: 0, faults: 0 };
  for (let seed = start; seed < start + count; seed++) {
    const result = runSeed({ seed, createReplica });
    report(result);
    totals.violations += result.violation === undefined ? 0 : 1;
    totals.acknowledged += result.acknowledgedWrites;
    totals.changes += result.membershipChanges;
    totals.events += result.events;
    for (const [, times] of result.faults) totals.faults += times;
    const done = seed - start + 1;
    if (done % 100 === 0 && done < count) print(`${done} of ${count} seeds, ${totals.violations} violations`);
  }
  const seconds = (performance.now() - startedMs) / 1000;
  print(
    `${count} seeds from ${start}: ${totals.violations} violations, ${totals.acknowledged} writes acknowledged, ` +
      `${totals.changes} membership changes, ${totals.faults} faults, ${totals.events} events, ` +
      `${seconds.toFixed(1)} s (${(seconds / count).toFixed(3)} s a seed)`,
  );
  return totals.violations === 0;
}

/** Each twice: what is not repeatable cannot be looked into. A sample that leaves a fault or a profile out proves too little. */
function sample(): boolean {
  const missing = new Set<string>([...faultKinds, ...profileNames, "lying disk"]);
  let isGood = true;
  for (const seed of sampleSeeds) {
    const first = runSeed({ seed, createReplica });
    const second = runSeed({ seed, createReplica });
    report(first);
    const isSame = first.traceHash === second.traceHash;
    if (!isSame) print(`seed ${seed} is not repeatable: ${first.traceHash}, then ${second.traceHash}`);
    isGood &&= isSame && first.violation === undefined;
    for (const kind of first.faults.keys()) missing.delete(kind);
    missing.delete(first.options.profile);
    if (first.options.disk.isLying) missing.delete("lying disk");
  }
  if (missing.size > 0) print(`the sample never had: ${[...missing].join(", ")}`);
  isGood &&= missing.size === 0;
  print(`sample: ${sampleSeeds.length} seeds, each twice, ${isGood ? "no violation" : "NOT GOOD"}`);
  return isGood;
}
