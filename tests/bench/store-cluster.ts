import type { Pinned } from "./process.ts";

/** Servers share both cores, as they would on one small machine: pinning three to two would measure the pinning. */
export const serverCores = "0,1";

/** One server process that a bench starts, kills and starts again. */
export interface BenchServer {
  readonly name: string;
  readonly httpPort: number;
  readonly running: Pinned | undefined;
  start(): Promise<void>;
  kill(): Promise<void>;
}

/** A replicated store of several server processes with its data on the same disk as its peer's. */
export interface BenchCluster {
  readonly name: "atoll" | "consul" | "etcd";
  readonly version: string;
  readonly servers: readonly BenchServer[];
  /** Where the leader takes HTTP; undefined while there is none. */
  leader(): Promise<BenchServer | undefined>;
  /** One write through this server; whether it was acknowledged. */
  write(server: BenchServer, key: string, timeoutMs: number): Promise<boolean>;
  /** Whether this server itself, without asking another, has the key. */
  hasLocally(server: BenchServer, key: string): Promise<boolean>;
  stop(): Promise<void>;
}

export async function mustLeader(cluster: BenchCluster, timeoutMs = 30_000): Promise<BenchServer> {
  const endMs = performance.now() + timeoutMs;
  while (performance.now() < endMs) {
    const leader = await cluster.leader();
    if (leader !== undefined) return leader;
    await Bun.sleep(20);
  }
  throw new Error(`${cluster.name} has no leader after ${timeoutMs} ms`);
}

/** Polls every few milliseconds; the milliseconds it took. */
export async function timeUntil(what: string, probe: () => Promise<boolean>, timeoutMs = 120_000): Promise<number> {
  const startMs = performance.now();
  while (!(await probe())) {
    if (performance.now() - startMs > timeoutMs) throw new Error(`waited ${timeoutMs} ms in vain: ${what}`);
    await Bun.sleep(5);
  }
  return performance.now() - startMs;
}
