import type { CreateReplica } from "../server.ts";
import { runSeed } from "../run-seed.ts";
import { loadMutant } from "./load-mutant.ts";
import { type Mutant, mutants } from "./mutants.ts";

/** A mutant that lives longer survives. */
export const maxSeeds = 600;

interface Killed {
  readonly seed: number;
  readonly check: string;
}

/** Runs every mutant over the seeds from 1 until a checker sees it; prints the table and returns whether none survived. */
export async function runMutants(options: {
  readonly print: (line: string) => void;
  /** A part of the name of those to run; all when absent. */
  readonly only: string | undefined;
}): Promise<boolean> {
  const { print, only } = options;
  const startedMs = performance.now();
  const survivors: string[] = [];
  const chosen = mutants.filter(({ name }) => only === undefined || name.includes(only));
  print(`${"mutant".padEnd(50)} seed  found by`);
  for (const mutant of chosen) {
    const killed = findKiller(await loadMutant(mutant));
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

/** The first seed that shows the mutant. The real engine passes all of them. */
export function findKiller(createReplica: CreateReplica): Killed | undefined {
  for (let seed = 1; seed <= maxSeeds; seed++) {
    const { violation } = runSeed({ seed, createReplica });
    if (violation !== undefined) return { seed, check: violation.check };
  }
  return undefined;
}

export type { Mutant };
