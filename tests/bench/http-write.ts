import { join } from "node:path";
import { startAtollCluster } from "./atoll-cluster.ts";
import { findConsul, startConsulCluster } from "./consul-cluster.ts";
import { startEtcdCluster } from "./etcd-cluster.ts";
import { median, mustFind, report, rounded } from "./process.ts";
import { serversInBench } from "./servers-in-bench.ts";
import { type BenchCluster, mustLeader } from "./store-cluster.ts";
import { type Load, runWrk } from "./wrk.ts";

const connections = 64;
const rounds = 3;
/** The compiler of ours is busy for the first seconds of a server that runs for months. */
const warmUpSeconds = 8;
const measuredSeconds = 4;
const nodes = 10_000;

/**
 * Registrations through the leader of three servers, and what they cost all three: the rate depends on the machine's two cores,
 * which the load takes part of; the CPU of a write does not. etcd's puts come through its JSON gateway; a Consul in the PATH registers
 * the same.
 */
export async function benchHttpWrite(): Promise<void> {
  mustFind("wrk");
  mustFind("etcd");
  const size = await serversInBench();
  const results = new Map<string, { readonly load: Load; readonly cpuMicros: number }[]>();
  for (let round = 0; round < rounds; round++) {
    for (const start of [
      startAtollCluster,
      startEtcdCluster,
      ...(findConsul() === undefined ? [] : [startConsulCluster]),
    ]) {
      const cluster = await start(size);
      try {
        results.set(cluster.name, [...(results.get(cluster.name) ?? []), await measure(cluster)]);
      } finally {
        await cluster.stop();
      }
    }
  }
  const costOf = (store: string): number => median((results.get(store) ?? []).map(({ cpuMicros }) => cpuMicros));
  const rateOf = (store: string): number =>
    median((results.get(store) ?? []).map(({ load }) => load.requestsPerSecond));
  for (const [store, found] of results) {
    report({
      bench: "http-write",
      store,
      servers: size,
      connections,
      rounds,
      writes_per_second: rounded(rateOf(store), 0),
      cpu_us_of_all_servers_per_write: rounded(costOf(store), 0),
      p99_ms: rounded(median(found.map(({ load }) => load.p99Ms))),
      ...(store === "atoll" && {
        ratio_to_etcd_http: rounded(rateOf("atoll") / rateOf("etcd"), 2),
        cpu_ratio_to_etcd_http: rounded(costOf("atoll") / costOf("etcd"), 2),
        ...(results.has("consul") && {
          ratio_to_consul: rounded(rateOf("atoll") / rateOf("consul"), 2),
          cpu_ratio_to_consul: rounded(costOf("atoll") / costOf("consul"), 2),
        }),
      }),
    });
  }
}

async function measure(cluster: BenchCluster): Promise<{ load: Load; cpuMicros: number }> {
  const { httpPort: port } = await mustLeader(cluster);
  const script = join(import.meta.dir, "load", cluster.name === "etcd" ? "etcd-put.lua" : "atoll-register.lua");
  const shape = { port, connections, script, scriptArgs: [`${nodes}`] };
  await runWrk({ ...shape, seconds: warmUpSeconds });
  const cpuSeconds = (): number =>
    cluster.servers.reduce((total, server) => total + (server.running?.cpuSeconds() ?? 0), 0);
  const before = cpuSeconds();
  const load = await runWrk({ ...shape, seconds: measuredSeconds });
  return { load, cpuMicros: ((cpuSeconds() - before) * 1e6) / load.requests };
}
