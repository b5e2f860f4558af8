import { createReplica as realReplica } from "../engine.ts";
import type { CreateReplica } from "../server.ts";
import { runSeed } from "../run-seed.ts";
import { loadMutant } from "./load-mutant.ts";
import { knownKillers } from "./known-killers.ts";
import { mutants } from "./mutants.ts";

/** A mutant that lives longer survives. */
export const maxSeeds = 400;

interface Killed {
  readonly seed: number;
  readonly check: string;
}

/** Runs every mutant over the seeds from 1 until a checker sees it; prints the table and returns whether none survived. */
export async function runMutants(options: {
  readonly print: (line: string) => void;
  /** A regular expression for the names of those to run; all when absent. */
  readonly only: string | undefined;
  /** Those alone whose killing seed is written down, beginning with it: for CI, which has a minute. */
  readonly isQuick?: boolean;
}): Promise<boolean> {
  const { print, only, isQuick = false } = options;
  const startedMs = performance.now();
  const survivors: string[] = [];
  const chosen = mutants.filter(
    ({ name }) => (only === undefined || new RegExp(only).test(name)) && (!isQuick || knownKillers[name] !== undefined),
  );
  print(`${"mutant".padEnd(50)} seed  found by`);
  for (const mutant of chosen) {
    const killed = findKiller(await loadMutant(mutant), knownKillers[mutant.name]);
    if (killed === undefined) survivors.push(mutant.name);
    const verdict = killed === undefined ? `   -  SURVIVED ${maxSeeds} seeds` : row(killed);
    print(`${mutant.name.padEnd(50)} ${verdict}`);
  }
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  print(`${chosen.length - survivors.length} of ${chosen.length} mutants killed in ${seconds} s`);
  return survivors.length === 0;
}

function row({ seed, check }: Killed): string {
  return `${String(seed).padStart(4)}  ${check}`;
}

/** A seed that shows the mutant: the known one if it still does, else the first. */
function findKiller(createReplica: CreateReplica, known: number | undefined): Killed | undefined {
  for (let seed = known === undefined ? 1 : 0; seed <= maxSeeds; seed++) {
    const tried = seed === 0 && known !== undefined ? known : seed;
    const { violation } = runSeed({ seed: tried, createReplica });
    // What the real engine fails as well says nothing about the mutant.
    const isKilled =
      violation !== undefined && runSeed({ seed: tried, createReplica: realReplica }).violation === undefined;
    if (isKilled) return { seed: tried, check: violation.check };
  }
  return undefined;
}
