import { difference, startLoad } from "../mesh/rolling/load.ts";
import { type RollingMesh, startRollingMesh } from "../mesh/rolling/rolling-mesh.ts";
import { report } from "./process.ts";

const rounds = Number(process.env["ATOLL_BENCH_ROUNDS"] ?? 5);
/** Answered by each kind of client after every change, before the next one. */
const callsBetween = 200;

/**
 * Clients of Node.js call over HTTP/1.1 with and without keep-alive, HTTP/2 and TCP, while everything under them is exchanged again and
 * again: what was sent and what failed, per kind of change. Exits with 1 when anything failed.
 */
export async function benchRolling(): Promise<void> {
  for (const workers of [1, 2]) await rollAll(workers);
}

async function rollAll(workers: number): Promise<void> {
  const mesh = await startRollingMesh({ workers });
  const load = await startLoad(mesh.ports);
  try {
    for (const [change, run] of Object.entries(changesOf(mesh))) {
      const before = load.tallies();
      const startMs = performance.now();
      for (let round = 0; round < rounds; round++) {
        await run();
        await load.passes(callsBetween);
      }
      const seconds = Number(((performance.now() - startMs) / 1_000).toFixed(1));
      const lost = difference(before, load.tallies());
      report({ bench: "rolling", change, workers, rounds, seconds, ...lost });
      if (lost.failed > 0) process.exitCode = 1;
    }
  } finally {
    await load.stop();
    await mesh.stop();
  }
}

function changesOf(mesh: RollingMesh): Readonly<Record<string, () => Promise<void>>> {
  return {
    endpoints: () => mesh.changeEndpoints(),
    listeners: () => mesh.changeListeners(),
    certificates: () => mesh.changeCertificates(),
    executable: () => mesh.changeExecutable(),
  };
}
