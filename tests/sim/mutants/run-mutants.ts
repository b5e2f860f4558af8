import { createReplica as realReplica } from "../engine.ts";
import type { CreateReplica } from "../server.ts";
import { runSeed } from "../run-seed.ts";
import { loadMutant } from "./load-mutant.ts";
import { type Mutant, mutants } from "./mutants.ts";

/** A mutant that lives longer survives. */
export const maxSeeds = 1_000;

interface Killed {
  readonly seed: number;
  readonly check: string;
  readonly runs: number;
}

interface MutantsOptions {
  readonly print: (line: string) => void;
  /** A regular expression for the names of those to run; all when absent. */
  readonly only: string | undefined;
  /** For CI, which has no time to search: each by the seed that is written down for it, and by that one alone. */
  readonly knownSeeds?: Readonly<Record<string, number>>;
}

/** Runs every mutant until a checker sees it; prints the table and returns whether none survived. */
export async function runMutants({ print, only, knownSeeds }: MutantsOptions): Promise<boolean> {
  const startedMs = performance.now();
  const chosen = mutants.filter(({ name }) => only === undefined || new RegExp(only).test(name));
  const survivors: string[] = [];
  print(`${"mutant".padEnd(50)}  seed  runs  found by`);
  for (const mutant of chosen) {
    const killed = findKiller(await loadMutant(mutant), seedsFor(mutant, knownSeeds));
    if (killed === undefined) survivors.push(mutant.name);
    print(`${mutant.name.padEnd(50)}  ${killed === undefined ? survival(mutant, knownSeeds) : row(killed)}`);
  }
  const unknown = Object.keys(knownSeeds ?? {}).filter((name) => !mutants.some((mutant) => mutant.name === name));
  for (const name of unknown) print(`${name.padEnd(50)}  is no mutant and has a known seed`);
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  print(`${chosen.length - survivors.length} of ${chosen.length} mutants killed in ${seconds} s`);
  return survivors.length === 0 && unknown.length === 0;
}

function row({ seed, runs, check }: Killed): string {
  return `${String(seed).padStart(4)}  ${String(runs).padStart(4)}  ${check}`;
}

function survival({ name }: Mutant, knownSeeds: MutantsOptions["knownSeeds"]): string {
  if (knownSeeds === undefined) return `   -     -  SURVIVED ${maxSeeds} seeds`;
  const seed = knownSeeds[name];
  const reason = seed === undefined ? "no seed is written down for it" : `seed ${seed} no longer shows it`;
  return `   -     -  SURVIVED: ${reason}; npm run sim -- --mutants --only "${name}" finds one`;
}

function seedsFor({ name }: Mutant, knownSeeds: MutantsOptions["knownSeeds"]): readonly number[] {
  const known = knownSeeds?.[name];
  if (knownSeeds !== undefined) return known === undefined ? [] : [known];
  return Array.from({ length: maxSeeds }, (_, at) => at + 1);
}

function findKiller(createReplica: CreateReplica, seeds: readonly number[]): Killed | undefined {
  for (const [at, seed] of seeds.entries()) {
    const { violation } = runSeed({ seed, createReplica });
    if (violation !== undefined && isRealGood(seed)) return { seed, check: violation.check, runs: at + 1 };
  }
  return undefined;
}

const realVerdicts = new Map<number, boolean>();

/** What the real engine fails as well says nothing about the mutant. */
function isRealGood(seed: number): boolean {
  const known = realVerdicts.get(seed) ?? runSeed({ seed, createReplica: realReplica }).violation === undefined;
  realVerdicts.set(seed, known);
  return known;
}
