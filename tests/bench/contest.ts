import { rmSync } from "node:fs";
import { createWorkspace, type Pair, type PairPorts, type Workspace } from "./pairs.ts";
import { median, type Pinned, report, rounded } from "./process.ts";
import type { Load } from "./wrk.ts";

/** A pair that runs, as a scenario sees it. */
export interface Target {
  readonly ports: PairPorts;
  readonly pinned: Pinned;
  readonly workspace: Workspace;
}

/** Figures by name; the median of each over the rounds is reported. */
export type Sample = Readonly<Record<string, number>>;

export interface Scenario {
  /** What tells its lines from others', such as `{ connections: 64 }`. */
  readonly labels: Readonly<Record<string, number | string>>;
  /** The figure that is set in relation to the peers'; less is better. */
  readonly compared: string;
  run(target: Target): Promise<Sample>;
}

export interface Contest {
  readonly bench: string;
  /** Ports up to 100 above it are used. */
  readonly basePort: number;
  readonly rounds: number;
  readonly pairs: readonly Pair[];
  readonly scenarios: readonly Scenario[];
  /** A new process for every scenario, for those that look at memory. */
  readonly isFreshEach?: boolean;
  readonly startBackend: (workspace: Workspace, port: number) => Promise<Pinned>;
  /** Once per started pair, before anything is measured: throws when the pair does not do what will be measured. */
  readonly verify?: (target: Target) => Promise<void>;
  /**
   * Once per started pair as well: load before the first scenario. A proxy runs for weeks; what a compiler needs in its first seconds, about
   * 1 s of processor time over 100,000 requests, is no cost of a request.
   */
  readonly warmUp?: (target: Target) => Promise<void>;
  /** Goes into every line. */
  readonly facts?: Readonly<Record<string, unknown>>;
}

/** For a quick look; one round says little on a noisy machine. */
const roundsWanted =
  process.env["ATOLL_BENCH_ROUNDS"] === undefined ? undefined : Number(process.env["ATOLL_BENCH_ROUNDS"]);

/**
 * Runs every scenario on every pair, the pairs taking turns in each round, so that drift of the machine hits all of them,
 * and reports a line per pair and scenario with the ratio to each peer.
 */
export async function runContest(given: Contest): Promise<void> {
  const contest = { ...given, rounds: roundsWanted ?? given.rounds };
  const workspace = createWorkspace();
  const samples = new Map<string, Sample[]>();
  try {
    const backend = await contest.startBackend(workspace, contest.basePort);
    try {
      for (let round = 0; round < contest.rounds; round++) {
        for (const [i, pair] of contest.pairs.entries()) {
          const ports = {
            listen: contest.basePort + 10 + i,
            mesh: contest.basePort + 20 + i,
            admin: contest.basePort + 30 + i,
            backend: contest.basePort,
          };
          await runPair(contest, pair, workspace, ports, samples);
        }
      }
    } finally {
      await backend.stop();
    }
  } finally {
    rmSync(workspace.directory, { recursive: true });
  }
  for (const pair of contest.pairs) {
    const version = await pair.version();
    for (const scenario of contest.scenarios) reportLine(contest, pair, version, scenario, samples);
  }
}

async function runPair(
  contest: Contest,
  pair: Pair,
  workspace: Workspace,
  ports: PairPorts,
  samples: Map<string, Sample[]>,
): Promise<void> {
  const { scenarios } = contest;
  const turns = contest.isFreshEach === true ? scenarios.map((scenario) => [scenario]) : [scenarios];
  for (const turn of turns) {
    const pinned = await pair.start(workspace, ports);
    const target = { ports, pinned, workspace };
    try {
      await contest.verify?.(target);
      await contest.warmUp?.(target);
      for (const scenario of turn) {
        const key = keyOf(pair.name, scenario);
        samples.set(key, [...(samples.get(key) ?? []), await scenario.run(target)]);
      }
    } finally {
      await pinned.stop();
    }
  }
}

function reportLine(
  contest: Contest,
  pair: Pair,
  version: string,
  scenario: Scenario,
  samples: ReadonlyMap<string, readonly Sample[]>,
): void {
  const middle = (name: string, figure: string): number =>
    median((samples.get(keyOf(name, scenario)) ?? []).map((sample) => sample[figure] ?? Number.NaN));
  const own = middle(pair.name, scenario.compared);
  const ratioTo = (name: string): number => rounded(own / middle(name, scenario.compared), 3);
  const peers = contest.pairs.map(({ name }) => name).filter((name) => name !== "atoll");
  const haproxies = peers.filter((name) => name.startsWith("haproxy")).map(ratioTo);
  const figures = Object.keys(samples.get(keyOf(pair.name, scenario))?.[0] ?? {});
  report({
    bench: contest.bench,
    pair: pair.name,
    version,
    ...contest.facts,
    ...scenario.labels,
    rounds: contest.rounds,
    ...Object.fromEntries(figures.map((figure) => [figure, rounded(middle(pair.name, figure), 3)])),
    compared: scenario.compared,
    ratio_to: Object.fromEntries(peers.map((name) => [name, ratioTo(name)])),
    ratio_to_haproxy_best: Math.max(...haproxies),
  });
}

function keyOf(pair: string, scenario: Scenario): string {
  return `${pair} ${JSON.stringify(scenario.labels)}`;
}

/** What `work` answers, and the processor time that the pair spent meanwhile. */
export async function withCpu<T>(
  target: Target,
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly cpuSeconds: number }> {
  const before = target.pinned.cpuSeconds();
  const result = await work();
  return { result, cpuSeconds: target.pinned.cpuSeconds() - before };
}

/** What some load says, and what it cost the pair. */
export async function measureLoad(
  target: Target,
  work: () => Promise<Load>,
): Promise<Sample & { readonly requests: number }> {
  const { result, cpuSeconds } = await withCpu(target, work);
  return {
    cpu_us_per_request: (cpuSeconds * 1e6) / result.requests,
    requests: result.requests,
    requests_per_second: result.requestsPerSecond,
    p50_ms: result.p50Ms,
    p99_ms: result.p99Ms,
    load_cpu_share: result.loadCpuShare,
    resident_mb: target.pinned.residentMb(),
  };
}
