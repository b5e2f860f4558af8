import { join } from "node:path";
import { startAtollCluster } from "./atoll-cluster.ts";
import { findConsul, startConsulCluster } from "./consul-cluster.ts";
import { base64, startEtcdCluster } from "./etcd-cluster.ts";
import { median, mustFind, report, rounded } from "./process.ts";
import { type BenchCluster, mustLeader } from "./store-cluster.ts";
import { runWrk, type WrkOptions } from "./wrk.ts";

const connections = 64;
const instances = 10;
const rounds = 3;
const warmUpSeconds = 2;
const measuredSeconds = 4;
/** Requests per second that one core of the server shall answer. */
const bar = 25_000;

const modes = ["default", "stale"] as const;
type Mode = (typeof modes)[number];

/**
 * `health/service` of a service with ten instances and a check each, at one server: what a core of it answers, whatever the
 * load generator and the rest of the machine do meanwhile. etcd answers a range of ten keys of as many bytes through its JSON
 * gateway; a Consul in the PATH answers what Atoll does. One server runs at a time.
 */
export async function benchHttpRead(): Promise<void> {
  mustFind("wrk");
  mustFind("etcd");
  const rates = new Map<string, number[]>();
  const latencies = new Map<string, number[]>();
  for (let round = 0; round < rounds; round++) {
    for (const start of [
      startAtollCluster,
      startEtcdCluster,
      ...(findConsul() === undefined ? [] : [startConsulCluster]),
    ]) {
      const cluster = await start(1);
      try {
        await fill(cluster);
        for (const mode of modes) {
          const { perCore, p99Ms } = await measure(cluster, mode);
          const key = `${cluster.name}/${mode}`;
          rates.set(key, [...(rates.get(key) ?? []), perCore]);
          latencies.set(key, [...(latencies.get(key) ?? []), p99Ms]);
        }
      } finally {
        await cluster.stop();
      }
    }
  }
  for (const [key, found] of rates) {
    const [store = "", mode = ""] = key.split("/");
    const perCore = median(found);
    const ratioTo = (peer: string): number => rounded(perCore / median(rates.get(`${peer}/${mode}`) ?? []), 2);
    report({
      bench: "http-read",
      store,
      mode,
      connections,
      instances,
      rounds,
      requests_per_core_second: rounded(perCore, 0),
      p99_ms: rounded(median(latencies.get(key) ?? [])),
      ...(store === "atoll" && {
        ratio_to_etcd_http: ratioTo("etcd"),
        ...(rates.has(key.replace("atoll", "consul")) && { ratio_to_consul: ratioTo("consul") }),
        bar,
        isMet: perCore >= bar,
      }),
    });
  }
}

async function fill(cluster: BenchCluster): Promise<void> {
  const { httpPort } = await mustLeader(cluster);
  for (let n = 0; n < instances; n++) {
    const isWritten =
      cluster.name === "etcd"
        ? await put(`http://127.0.0.1:${httpPort}/v3/kv/put`, "POST", {
            key: base64(`read-${n}`),
            value: base64("v".repeat(880)),
          })
        : await put(`http://127.0.0.1:${httpPort}/v1/catalog/register`, "PUT", instance(n));
    if (!isWritten) throw new Error(`${cluster.name} refused a write`);
  }
}

function instance(n: number): object {
  return {
    Node: `node-${n}`,
    Address: "10.0.0.1",
    Service: { ID: `bench-${n}`, Service: "bench", Port: 8_000 + n, Tags: ["v1"], Meta: { version: "1.2.3" } },
    Checks: [{ CheckID: `service:bench-${n}`, Name: "http", ServiceID: `bench-${n}`, Status: "passing" }],
  };
}

async function put(url: string, method: string, body: object): Promise<boolean> {
  const answer = await fetch(url, { method, body: JSON.stringify(body), signal: AbortSignal.timeout(5_000) });
  await answer.arrayBuffer();
  return answer.ok;
}

async function measure(cluster: BenchCluster, mode: Mode): Promise<{ perCore: number; p99Ms: number }> {
  const server = await mustLeader(cluster);
  const shape = shapeOf(cluster, server.httpPort, mode);
  await runWrk({ ...shape, seconds: warmUpSeconds });
  const before = server.running?.cpuSeconds() ?? 0;
  const load = await runWrk({ ...shape, seconds: measuredSeconds });
  const cpuSeconds = (server.running?.cpuSeconds() ?? 0) - before;
  return { perCore: load.requests / cpuSeconds, p99Ms: load.p99Ms };
}

function shapeOf(cluster: BenchCluster, port: number, mode: Mode): Omit<WrkOptions, "seconds"> {
  const to = { port, connections };
  if (cluster.name !== "etcd") return { ...to, path: `/v1/health/service/bench${mode === "stale" ? "?stale" : ""}` };
  const scriptArgs = [base64("read-"), base64("read."), `${mode === "stale"}`];
  return { ...to, script: join(import.meta.dir, "load", "etcd-range.lua"), scriptArgs };
}
