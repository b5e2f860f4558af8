import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { balancePolicies } from "../../lib/contract/proxy-cluster.ts";
import { runContest, type Scenario, type Target } from "./contest.ts";
import { mustBuildGoJudge } from "./go-judge.ts";
import { openLoop } from "./open-loop.ts";
import { atoll, local, type Pair, type PairPorts, type Workspace } from "./pairs.ts";
import { loadCore, mustFind, proxyCore, startPinned, versionOf } from "./process.ts";
import { runWrk } from "./wrk.ts";

const replicas = 6;
const slowReplica = 3;
const usualMs = 5;
const slowMs = 50;
const requestsPerSecond = 1_000;
const connections = 64;
const fullSpeedSeconds = 8;
const warmUpSeconds = 2;
const phaseSeconds = 6;
const basePort = 28_600;
/** Behind the control port of the replicas. */
const firstReplica = basePort + 1;
/** Every pair has so many from here on. */
const firstMeshPort = basePort + 40;

/**
 * Six replicas behind one destination, each with a sidecar, that answer in 5 ms, until one of them needs 50: what clients see at a
 * fixed rate of 1,000 requests per second before and after, and which part of the requests the slow one still gets. Of the phase
 * after the turn every request counts, those included by which the balancer learns of it. A sixth is an equal part; times run from
 * the point at which a request was due.
 */
export async function benchProxyBalance(): Promise<void> {
  await mustBuildGoJudge();
  const pairs = [
    ...(["peak-ewma", "least-request", "round-robin"] as const).map(atollBalancer),
    ...(["leastconn", "roundrobin"] as const).map(haproxyBalancer),
  ];
  await runContest({
    bench: "proxy-balance",
    basePort,
    rounds: 5,
    pairs: pairs.map((start, i) => start(firstMeshPort + i * replicas)),
    // At full speed: at the fixed rate the compiler would be at work for a minute.
    async warmUp(target) {
      await setAllDelays(target, 0);
      await runWrk({ port: target.ports.listen, connections, seconds: fullSpeedSeconds });
    },
    scenarios: [turn],
    startBackend: (workspace, port) =>
      startPinned({
        name: "replicas",
        command: [
          process.execPath,
          join(import.meta.dir, "load", "replicas.ts"),
          ...[port, firstReplica, replicas].map(String),
        ],
        core: loadCore,
        readyPort: port,
        cwd: workspace.directory,
      }),
  });
}

const turn: Scenario = {
  labels: { replicas, usual_ms: usualMs, slow_ms: slowMs, requests_per_second: requestsPerSecond, connections },
  compared: "p99_ms",
  async run(target) {
    const load = (seconds: number) => openLoop({ port: target.ports.listen, requestsPerSecond, connections, seconds });
    await setAllDelays(target, usualMs);
    await load(warmUpSeconds);
    const before = await countsAround(target, () => load(phaseSeconds));
    await setDelay(target, slowReplica, slowMs);
    const after = await countsAround(target, () => load(phaseSeconds));
    return {
      p50_ms: after.result.p50,
      p99_ms: after.result.p99,
      p999_ms: after.result.p999,
      slow_share: after.shares[slowReplica] ?? Number.NaN,
      before_p50_ms: before.result.p50,
      before_p99_ms: before.result.p99,
      before_p999_ms: before.result.p999,
      before_largest_share: Math.max(...before.shares),
    };
  },
};

/** What `work` answers, and the part of the requests meanwhile that each replica has had. */
async function countsAround<T>(
  target: Target,
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly shares: readonly number[] }> {
  const before = await askReplicas(target, "counts");
  const result = await work();
  const after = await askReplicas(target, "counts");
  const had = after.map((count, i) => count - (before[i] ?? 0));
  const total = had.reduce((sum, count) => sum + count, 0);
  return { result, shares: had.map((count) => count / total) };
}

async function setAllDelays(target: Target, ms: number): Promise<void> {
  for (let replica = 0; replica < replicas; replica++) await setDelay(target, replica, ms);
}

async function setDelay(target: Target, replica: number, ms: number): Promise<void> {
  await askReplicas(target, `delay?replica=${replica}&ms=${ms}`);
}

async function askReplicas(target: Target, path: string): Promise<readonly number[]> {
  const answer: unknown = await (await fetch(`http://${local(target.ports.backend)}/${path}`)).json();
  if (!Array.isArray(answer)) throw new Error(`the replicas answered ${JSON.stringify(answer)}`);
  return answer.map(Number);
}

type StartOn = (firstPort: number) => Pair;

function meshPortsFrom(firstPort: number): readonly number[] {
  return Array.from({ length: replicas }, (_, i) => firstPort + i);
}

function atollBalancer(policy: (typeof balancePolicies)[number]): StartOn {
  return (firstPort) => ({
    name: `atoll-${policy}`,
    version: () => versionOf([atoll, "version"]),
    start(workspace, ports) {
      const common = { service: "web", protocol: "http" };
      const intentions = {
        default: "deny",
        rules: [{ source: "spiffe://*/ns/default/dc/*/svc/web", action: "allow" }],
      };
      const meshPorts = meshPortsFrom(firstPort);
      const document = {
        identity: workspace.files,
        inbound: meshPorts.map((mesh, i) => ({
          ...common,
          listen: local(mesh),
          app: local(firstReplica + i),
          intentions,
        })),
        outbound: [
          {
            ...common,
            listen: local(ports.listen),
            endpoints: meshPorts.map((mesh) => ({ address: local(mesh) })),
            balancer: { policy },
          },
        ],
        admin: { listen: local(ports.admin) },
      };
      const config = join(workspace.directory, `atoll-${policy}.json`);
      writeFileSync(config, JSON.stringify(document));
      return startOnProxyCore(`atoll-${policy}`, [atoll, "proxy", "-config", config], workspace, ports);
    },
  });
}

function haproxyBalancer(algorithm: "leastconn" | "roundrobin"): StartOn {
  return (firstPort) => ({
    name: `haproxy-${algorithm}`,
    version: () => versionOf([mustFind("haproxy"), "-v"]),
    start(workspace, ports) {
      const tls = `ssl crt ${workspace.bundle} ca-file ${workspace.files.caFile} verify required alpn h2`;
      const meshPorts = meshPortsFrom(firstPort);
      const lines = [
        ...["global", " nbthread 1", " maxconn 1000", "defaults", " mode http", " http-reuse always"],
        ...[" timeout connect 5s", " timeout client 60s", " timeout server 60s"],
        ...["frontend out", ` bind ${local(ports.listen)}`, " default_backend peers"],
        ...["backend peers", ` balance ${algorithm}`],
        ...meshPorts.map((mesh, i) => ` server p${i} ${local(mesh)} ${tls} pool-max-conn 256`),
        ...meshPorts.flatMap((mesh, i) => [
          ...[`frontend in${i}`, ` bind ${local(mesh)} ${tls}`, ` default_backend be${i}`],
          ...[`backend be${i}`, ` server b ${local(firstReplica + i)} pool-max-conn 256`],
        ]),
        "",
      ];
      const config = join(workspace.directory, `haproxy-${algorithm}.cfg`);
      writeFileSync(config, lines.join("\n"));
      return startOnProxyCore(`haproxy-${algorithm}`, [mustFind("haproxy"), "-f", config], workspace, ports);
    },
  });
}

function startOnProxyCore(name: string, command: readonly string[], workspace: Workspace, ports: PairPorts) {
  return startPinned({ name, command, core: proxyCore, readyPort: ports.listen, cwd: workspace.directory });
}
