import { join } from "node:path";
import { startAtollCluster } from "./atoll-cluster.ts";
import { base64, startEtcdCluster } from "./etcd-cluster.ts";
import { median, mustFind, report, rounded } from "./process.ts";
import { serversInBench } from "./servers-in-bench.ts";
import { type BenchCluster, type BenchServer, mustLeader, timeUntil } from "./store-cluster.ts";
import { type Load, runWrk, type WrkOptions } from "./wrk.ts";

const connections = 64;
const rounds = 3;
const warmUpSeconds = 1;
const measuredSeconds = 4;
/** Instances of the service that is read, as keys of one prefix in etcd. */
const instances = 3;

type Mode = "leader default" | "leader stale" | "follower default" | "follower stale";
const modes: readonly Mode[] = ["leader default", "leader stale", "follower default", "follower stale"];

/**
 * Reads of one service with three instances: in the default mode (as new as the leader) and `stale` (what this server has),
 * at the leader and at a follower. etcd answers a range of three keys, linearizable and serializable, through its JSON
 * gateway. One store runs at a time.
 */
export async function benchCatalogRead(): Promise<void> {
  mustFind("wrk");
  mustFind("etcd");
  const size = await serversInBench();
  const results = new Map<string, Load[]>();
  for (let round = 0; round < rounds; round++) {
    for (const start of [startAtollCluster, startEtcdCluster]) {
      const cluster = await start(size);
      try {
        await measureModes(cluster, results);
      } finally {
        await cluster.stop();
      }
    }
  }
  for (const [key, loads] of results) {
    const [store = "", mode = ""] = key.split("/");
    const rate = rateOf(loads);
    const anchor = results.get(`etcd/${mode}`);
    report({
      bench: "catalog-read",
      store,
      servers: size,
      mode,
      connections,
      rounds,
      reads_per_second: rounded(rate, 0),
      p50_ms: rounded(median(loads.map((load) => load.p50Ms))),
      p99_ms: rounded(median(loads.map((load) => load.p99Ms))),
      load_cpu_share: rounded(median(loads.map((load) => load.loadCpuShare))),
      ...(store === "atoll" && anchor !== undefined ? { ratio_to_etcd_http: rounded(rate / rateOf(anchor), 3) } : {}),
    });
  }
}

async function measureModes(cluster: BenchCluster, results: Map<string, Load[]>): Promise<void> {
  const leader = await mustLeader(cluster);
  for (let n = 0; n < instances; n++) {
    if (!(await cluster.write(leader, `read-${n}`, 5_000))) throw new Error(`${cluster.name} refused a write`);
  }
  for (const server of cluster.servers) {
    await timeUntil("the written keys", () => cluster.hasLocally(server, `read-${instances - 1}`));
  }
  const follower = cluster.servers.find((server) => server !== leader);
  for (const mode of modes) {
    const server = mode.startsWith("leader") ? leader : follower;
    if (server === undefined) continue;
    const shape = shapeOf({ cluster, server, isStale: mode.endsWith("stale") });
    await runWrk({ ...shape, seconds: warmUpSeconds });
    const key = `${cluster.name}/${mode}`;
    results.set(key, [...(results.get(key) ?? []), await runWrk({ ...shape, seconds: measuredSeconds })]);
  }
}

function shapeOf(read: {
  readonly cluster: BenchCluster;
  readonly server: BenchServer;
  readonly isStale: boolean;
}): Omit<WrkOptions, "seconds"> {
  const { cluster, server, isStale } = read;
  const to = { port: server.httpPort, connections };
  if (cluster.name === "atoll") return { ...to, path: `/v1/catalog/service/bench${isStale ? "?stale" : ""}` };
  const scriptArgs = [base64("read-"), base64("read."), `${isStale}`];
  return { ...to, script: join(import.meta.dir, "load", "etcd-range.lua"), scriptArgs };
}

function rateOf(loads: readonly Load[]): number {
  return median(loads.map((load) => load.requestsPerSecond));
}
