import { startAtollCluster } from "./atoll-cluster.ts";
import { startEtcdCluster } from "./etcd-cluster.ts";
import { median, mustFind, report, rounded } from "./process.ts";
import { serversInBench } from "./servers-in-bench.ts";
import { type BenchCluster, mustLeader, timeUntil } from "./store-cluster.ts";

const rounds = 20;
/** Attempts begin so often, whether earlier ones are answered or not: what is measured must not depend on a client's timeout. */
const attemptEveryMs = 20;
const attemptTimeoutMs = 5_000;
const recoveryTimeoutMs = 60_000;

/**
 * The leader is killed (SIGKILL): time until a write that began after that is acknowledged by any survivor, each of which
 * is asked every few milliseconds. The killed server is back and has caught up before the next round. etcd beside with its default
 * election timeout of 1 s.
 */
export async function benchFailover(): Promise<void> {
  mustFind("etcd");
  const size = await serversInBench();
  if (size === 1) throw new Error("failover needs several servers, which this version of atoll refuses");
  const medians = new Map<string, number>();
  for (const start of [startEtcdCluster, startAtollCluster]) {
    const cluster = await start(size);
    try {
      const times: number[] = [];
      for (let round = 0; round < rounds; round++) times.push(await failOver(cluster, round));
      medians.set(cluster.name, median(times));
      const anchor = cluster.name === "atoll" ? medians.get("etcd") : undefined;
      report({
        bench: "failover",
        store: cluster.name,
        version: cluster.version,
        servers: size,
        rounds,
        median_ms: rounded(median(times), 0),
        min_ms: rounded(Math.min(...times), 0),
        max_ms: rounded(Math.max(...times), 0),
        ...(anchor === undefined ? {} : { ratio_to_etcd: rounded(median(times) / anchor, 3) }),
      });
    } finally {
      await cluster.stop();
    }
  }
}

async function failOver(cluster: BenchCluster, round: number): Promise<number> {
  const leader = await mustLeader(cluster);
  const survivors = cluster.servers.filter((server) => server !== leader);
  await leader.kill();
  const killedMs = performance.now();
  let writtenMs: number | undefined;
  const attempts: Promise<void>[] = [];
  for (let attempt = 0; writtenMs === undefined; attempt++) {
    if (performance.now() - killedMs > recoveryTimeoutMs) throw new Error(`no write for ${recoveryTimeoutMs} ms`);
    for (const server of survivors) {
      const write = cluster.write(server, `failover-${round}-${server.name}-${attempt}`, attemptTimeoutMs);
      attempts.push(
        write.then((isWritten) => {
          if (isWritten) writtenMs ??= performance.now();
        }),
      );
    }
    await Bun.sleep(attemptEveryMs);
  }
  await Promise.all(attempts);
  await leader.start();
  const marker = `back-${round}`;
  const next = await mustLeader(cluster);
  await timeUntil("a write after the round", () => cluster.write(next, marker, 5_000));
  await timeUntil("the killed server to catch up", () => cluster.hasLocally(leader, marker));
  return (writtenMs ?? Number.NaN) - killedMs;
}
