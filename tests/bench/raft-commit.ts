import { join } from "node:path";
import { startAtollCluster } from "./atoll-cluster.ts";
import { startEtcdCluster } from "./etcd-cluster.ts";
import { h2loadPut } from "./grpc-put.ts";
import { median, mustFind, report, rounded } from "./process.ts";
import { serversInBench } from "./servers-in-bench.ts";
import { type BenchCluster, mustLeader } from "./store-cluster.ts";
import { type Load, runWrk, type WrkOptions } from "./wrk.ts";

const connectionCounts = [1, 64, 1_000] as const;
const rounds = 3;
/** Of a cluster once, then of every shape. */
const clusterWarmUpSeconds = 12;
const warmUpSeconds = 1;
const measuredSeconds = 4;
const nodes = 10_000;

/**
 * Acknowledged writes per second at the leader: catalog registrations of Atoll and puts of as many bytes to as many keys of
 * etcd, each through its own HTTP and JSON from the same load generator. etcd's JSON gateway costs it a hop of its own
 * that its native clients do not have, so its gRPC put is measured as well where h2load is there. One store runs at a time.
 */
export async function benchRaftCommit(): Promise<void> {
  mustFind("wrk");
  mustFind("etcd");
  const size = await serversInBench();
  const results = new Map<string, Load[]>();
  const versions = new Map<string, string>();
  const keep = (key: string, load: Load): void => void results.set(key, [...(results.get(key) ?? []), load]);
  for (let round = 0; round < rounds; round++) {
    for (const start of [startAtollCluster, startEtcdCluster]) {
      const cluster = await start(size);
      versions.set(cluster.name, cluster.version);
      try {
        await warmUp(cluster);
        for (const connections of connectionCounts) {
          keep(`${cluster.name} http/${connections}`, await measure(cluster, connections));
          const isGrpc = cluster.name === "etcd" && Bun.which("h2load") !== null;
          if (isGrpc) keep(`etcd grpc/${connections}`, await measureGrpc(cluster, connections));
        }
      } finally {
        await cluster.stop();
      }
    }
  }
  for (const [key, loads] of results) reportOne({ key, loads, results, size, versions });
}

/** A server runs for months, so what its first seconds cost is not what it costs: the compiler of ours is busy for ten of them. */
async function warmUp(cluster: BenchCluster): Promise<void> {
  const { httpPort: port } = await mustLeader(cluster);
  await runWrk({ ...shapeOf(cluster, { port, connections: 64 }), seconds: clusterWarmUpSeconds });
}

function shapeOf(
  { name }: BenchCluster,
  target: { readonly port: number; readonly connections: number },
): Omit<WrkOptions, "seconds"> {
  const script = join(import.meta.dir, "load", name === "atoll" ? "atoll-register.lua" : "etcd-put.lua");
  return { ...target, script, scriptArgs: [`${nodes}`] };
}

async function measure(cluster: BenchCluster, connections: number): Promise<Load> {
  const { httpPort: port } = await mustLeader(cluster);
  const shape = shapeOf(cluster, { port, connections });
  await runWrk({ ...shape, seconds: warmUpSeconds });
  return await runWrk({ ...shape, seconds: measuredSeconds });
}

async function measureGrpc(cluster: BenchCluster, connections: number): Promise<Load> {
  const { httpPort: port } = await mustLeader(cluster);
  return await h2loadPut({ port, connections, seconds: measuredSeconds, warmUpSeconds });
}

function reportOne(figure: {
  readonly key: string;
  readonly loads: readonly Load[];
  readonly results: ReadonlyMap<string, readonly Load[]>;
  readonly size: number;
  readonly versions: ReadonlyMap<string, string>;
}): void {
  const [store = "", connections = ""] = figure.key.split("/");
  const rate = rateOf(figure.loads);
  const ratioTo = (anchor: string): number | undefined => {
    const loads = figure.results.get(`${anchor}/${connections}`);
    return loads === undefined ? undefined : rounded(rate / rateOf(loads), 3);
  };
  report({
    bench: "raft-commit",
    store,
    version: figure.versions.get(store.split(" ")[0] ?? ""),
    servers: figure.size,
    connections: Number(connections),
    rounds: figure.loads.length,
    writes_per_second: rounded(rate, 0),
    p50_ms: rounded(median(figure.loads.map((load) => load.p50Ms)), 2),
    p99_ms: rounded(median(figure.loads.map((load) => load.p99Ms)), 2),
    load_cpu_share: rounded(median(figure.loads.map((load) => load.loadCpuShare))),
    ...(store.startsWith("atoll") ? { ratio_to_etcd_http: ratioTo("etcd http") } : {}),
    ...(store.startsWith("atoll") ? { ratio_to_etcd_grpc: ratioTo("etcd grpc") } : {}),
  });
}

function rateOf(loads: readonly Load[]): number {
  return median(loads.map((load) => load.requestsPerSecond));
}
