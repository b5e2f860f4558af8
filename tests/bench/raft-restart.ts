import { join } from "node:path";
import { startAtollCluster } from "./atoll-cluster.ts";
import { median, mustFind, report, rounded } from "./process.ts";
import { serversInBench } from "./servers-in-bench.ts";
import { type BenchCluster, type BenchServer, mustLeader, timeUntil } from "./store-cluster.ts";
import { runWrk } from "./wrk.ts";

const instances = 100_000;
const loadConnections = 64;
/** The steady load during the catch-up: what it is compared with is the same load without. */
const steadyConnections = 16;
const steadySeconds = 8;
const restarts = 3;
const register = join(import.meta.dir, "load", "atoll-register.lua");

/**
 * What 100,000 instances cost at the two moments that count: a server's start on them (from exec until it serves them
 * itself), and a follower that comes back 100,000 instances behind while the leader is writing. Its p99 meanwhile is
 * compared with that of the same load before.
 */
export async function benchRaftRestart(): Promise<void> {
  mustFind("wrk");
  const size = await serversInBench();
  const cluster = await startAtollCluster(size);
  try {
    const leader = await mustLeader(cluster);
    const behind = cluster.servers.find((server) => server !== leader);
    if (behind === undefined) await fill(leader);
    else await catchUp({ cluster, leader, behind, size });
    await restart(cluster, size);
  } finally {
    await cluster.stop();
  }
}

async function restart(cluster: BenchCluster, size: number): Promise<void> {
  const marker = "restart-marker";
  await timeUntil("the marker", async () => await cluster.write(await mustLeader(cluster), marker, 5_000));
  const leader = await mustLeader(cluster);
  const server = cluster.servers.find((one) => one !== leader) ?? leader;
  await timeUntil("the marker everywhere", () => cluster.hasLocally(server, marker));
  const times: number[] = [];
  for (let round = 0; round < restarts; round++) {
    await server.kill();
    const startMs = performance.now();
    await server.start();
    await timeUntil("the restarted server", () => cluster.hasLocally(server, marker));
    times.push(performance.now() - startMs);
  }
  report({
    bench: "raft-restart",
    what: "from exec until the server answers stale reads of its last row",
    servers: size,
    instances,
    rounds: restarts,
    median_ms: rounded(median(times), 0),
    max_ms: rounded(Math.max(...times), 0),
    resident_mb: rounded(server.running?.residentMb() ?? Number.NaN, 0),
  });
}

async function catchUp(parts: {
  readonly cluster: BenchCluster;
  readonly leader: BenchServer;
  readonly behind: BenchServer;
  readonly size: number;
}): Promise<void> {
  const { cluster, leader, behind } = parts;
  const steady = { port: leader.httpPort, connections: steadyConnections, script: register, scriptArgs: ["1000"] };
  await behind.kill();
  await fill(leader);
  const before = await runWrk({ ...steady, seconds: steadySeconds });
  const marker = "catch-up-marker";
  await timeUntil("the marker", () => cluster.write(leader, marker, 5_000));
  const load = runWrk({ ...steady, seconds: 2 * steadySeconds });
  const startMs = performance.now();
  await behind.start();
  await timeUntil("the follower to catch up", () => cluster.hasLocally(behind, marker));
  const caughtUpMs = performance.now() - startMs;
  const during = await load;
  report({
    bench: "raft-catch-up",
    what: "a follower that was away returns under load",
    servers: parts.size,
    instances_behind: instances,
    caught_up_ms: rounded(caughtUpMs, 0),
    p99_before_ms: rounded(before.p99Ms),
    p99_during_ms: rounded(during.p99Ms),
    p99_ratio: rounded(during.p99Ms / before.p99Ms),
    writes_per_second_before: rounded(before.requestsPerSecond, 0),
    writes_per_second_during: rounded(during.requestsPerSecond, 0),
  });
}

/** Registers as many nodes with an instance each. */
async function fill(leader: BenchServer): Promise<void> {
  let done = 0;
  for (let run = 0; done < instances; run++) {
    if (run > 100) throw new Error(`only ${done} instances after ${run} runs`);
    const scriptArgs = ["1000000", `${100_000 + done}`];
    const load = await runWrk({
      port: leader.httpPort,
      connections: loadConnections,
      seconds: 5,
      script: register,
      scriptArgs,
    });
    done += load.requests;
  }
}
