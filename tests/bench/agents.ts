import { join } from "node:path";
import type { Subprocess } from "bun";
import { getJson, startAtollCluster } from "./atoll-cluster.ts";
import { cpuSecondsOf, report, rounded } from "./process.ts";
import { type BenchCluster, timeUntil } from "./store-cluster.ts";

const program = join(import.meta.dirname, "load", "simulated-agents.ts");
const runBun = join(import.meta.dirname, "..", "..", "bin", "run-bun");
const defaultAgents = 500;
/** More agents than this share no process: its memory, and its one core, would be what is measured. */
const agentsPerProcess = 2_500;
const defaultSeconds = 60;

/**
 * What agents cost three real servers when nothing happens: each has its own certificate and connection, holds a lease and
 * compares itself with the catalog every minute or two. `--agents N --seconds S`. One JSON line; 1 when a node that is well was
 * taken for lost.
 */
export async function benchAgents(args: readonly string[]): Promise<void> {
  const agents = numberOf(args, "--agents", defaultAgents);
  const seconds = numberOf(args, "--seconds", defaultSeconds);
  const cluster = await startAtollCluster(3);
  const loads: Subprocess<"pipe", "pipe", "inherit">[] = [];
  try {
    const http = cluster.servers.map(({ httpPort }) => `http://127.0.0.1:${httpPort}`);
    const peers = await getJson(`${http[0]}/v1/status/peers`);
    const servers = Array.isArray(peers) ? peers.map(String) : [];
    const beganMs = performance.now();
    const startCpu = sum(cpuOf(cluster));
    for (let from = 0; from < agents; from += agentsPerProcess) {
      const count = Math.min(agentsPerProcess, agents - from);
      const cmd = [runBun, program, String(from), String(count), ...servers];
      loads.push(Bun.spawn({ cmd, stdin: "pipe", stdout: "pipe", stderr: "inherit" }));
    }
    await timeUntil(
      "all agents to be members",
      async () => {
        await Bun.sleep(1_000);
        return (await countAlive(http)) === agents + 3;
      },
      1_800_000,
    );
    const joinCpu = sum(cpuOf(cluster)) - startCpu;
    const joinSeconds = (performance.now() - beganMs) / 1_000;
    // What joining has set in motion, such as the first comparisons, is over.
    await Bun.sleep(10_000);
    const before = {
      cpu: cpuOf(cluster),
      load: sum(loads.map(({ pid }) => cpuSecondsOf(pid))),
      renewals: await renewals(http),
      entries: await logIndex(http),
    };
    const startMs = performance.now();
    await Bun.sleep(seconds * 1_000);
    const passedSeconds = (performance.now() - startMs) / 1_000;
    const cpu = cpuOf(cluster).map((after, n) => rounded((after - (before.cpu[n] ?? 0)) / passedSeconds, 3));
    const loadCpu = (sum(loads.map(({ pid }) => cpuSecondsOf(pid))) - before.load) / passedSeconds;
    const alive = await countAlive(http);
    report({
      bench: "agents",
      agents,
      servers: 3,
      seconds: rounded(passedSeconds, 0),
      join_seconds: rounded(joinSeconds, 1),
      join_server_cpu_ms_per_agent: rounded((joinCpu * 1_000) / agents, 1),
      server_cpu_per_second: rounded(sum(cpu), 3),
      each_server: cpu,
      server_cpu_us_per_agent_and_second: rounded((sum(cpu) * 1e6) / agents, 1),
      renewals_per_second: rounded(((await renewals(http)) - before.renewals) / passedSeconds, 0),
      log_entries_per_second: rounded(((await logIndex(http)) - before.entries) / passedSeconds, 2),
      servers_resident_mb: cluster.servers.map((server) => rounded(server.running?.residentMb() ?? 0, 0)),
      load_cpu_per_second: rounded(loadCpu, 3),
      lost: agents + 3 - alive,
    });
    if (alive !== agents + 3) throw new Error(`${agents + 3 - alive} nodes that are well were taken for lost`);
  } finally {
    for (const load of loads) load.kill("SIGKILL");
    await Promise.all(loads.map((load) => load.exited));
    await cluster.stop();
  }
}

function numberOf(args: readonly string[], flag: string, otherwise: number): number {
  const at = args.indexOf(flag);
  return at < 0 ? otherwise : Number(args[at + 1]);
}

function cpuOf(cluster: BenchCluster): number[] {
  return cluster.servers.map((server) => server.running?.cpuSeconds() ?? 0);
}

async function countAlive(http: readonly string[]): Promise<number> {
  const members = await getJson(`${http[0]}/v1/agent/members`, { signal: AbortSignal.timeout(10_000) });
  return Array.isArray(members) ? members.filter((member: { Status: number }) => member.Status === 1).length : 0;
}

async function logIndex(http: readonly string[]): Promise<number> {
  const answer = await getJson(`${http[0]}/v1/operator/raft/configuration`);
  return typeof answer === "object" && answer !== null && "Index" in answer ? Number(answer.Index) : Number.NaN;
}

async function renewals(http: readonly string[]): Promise<number> {
  const texts = await Promise.all(
    http.map((base) => fetch(`${base}/v1/agent/metrics?format=prometheus`).then((answer) => answer.text())),
  );
  return sum(texts.map((text) => Number(/^atoll_server_lease_renewals_total (\d+)/m.exec(text)?.[1] ?? 0)));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
