import { startAtollCluster } from "./atoll-cluster.ts";
import { findConsul, startConsulCluster } from "./consul-cluster.ts";
import { median, report, rounded } from "./process.ts";
import { type BenchServer, mustLeader } from "./store-cluster.ts";
import { startWatcherFleet, type WatcherFleet } from "./watcher-fleet.ts";

const rounds = 3;
const defaultWatchers = 10_000;
/** Of one service. */
const barMs = 1_000;

/**
 * Blocked queries at one server, and one write that all of them wait for: milliseconds from the write to the last byte of the last
 * answer, CPU of the server for each, memory of each while it waits. `one`: all of one service with ten instances. `different`:
 * each of a service of its own, all on one node, whose check changes. `--watchers N` for another number, which needs as many descriptors.
 */
export async function benchWatchers(args: readonly string[]): Promise<void> {
  const count = Number(args[args.indexOf("--watchers") + 1] ?? defaultWatchers) || defaultWatchers;
  const starts = [startAtollCluster, ...(findConsul() === undefined ? [] : [startConsulCluster])];
  for (const [shape, start] of [one, different].flatMap((shape) => starts.map((start) => [shape, start] as const))) {
    const cluster = await start(1);
    const server = await mustLeader(cluster);
    const fleet = startWatcherFleet(server.httpPort);
    try {
      await shape.fill(server, count);
      const found: Round[] = [];
      for (let round = 0; round < rounds; round++) found.push(await measure({ server, fleet, shape, count, round }));
      const lastMs = median(found.map(({ lastAnswerMs }) => lastAnswerMs));
      report({
        bench: "watchers",
        store: cluster.name,
        of: shape.name,
        watchers: count,
        rounds,
        last_answer_ms: rounded(lastMs, 0),
        cpu_us_per_answer: rounded(median(found.map(({ cpuMs }) => cpuMs)) * (1_000 / count), 1),
        cpu_us_to_wait: rounded(median(found.map(({ waitCpuMs }) => waitCpuMs)) * (1_000 / count), 1),
        kb_each_while_waiting: rounded(Math.max(...found.map(({ mbWaiting }) => mbWaiting)) * (1_024 / count), 1),
        resident_mb: rounded(Math.max(...found.map(({ residentMb }) => residentMb)), 0),
        ...(shape === one && cluster.name === "atoll" && { bar_ms: barMs, isMet: lastMs <= barMs }),
      });
    } finally {
      await fleet.stop();
      await cluster.stop();
    }
  }
}

interface Shape {
  readonly name: string;
  fill(server: BenchServer, count: number): Promise<void>;
  paths(count: number): readonly string[];
  change(server: BenchServer, round: number): Promise<void>;
}

const one: Shape = {
  name: "one service",
  fill: (server) => inTurn(10, (n) => register(server, { Node: `n${n}`, Service: service("bench", n, 80) })),
  paths: () => ["bench"],
  change: (server, round) => register(server, { Node: "n0", Service: service("bench", 0, 1_000 + round) }),
};

const different: Shape = {
  name: "different services",
  fill: (server, count) =>
    inTurn(count, (n) => register(server, { Node: "n0", Service: service(`bench-${n}`, n, 80) })),
  paths: (count) => Array.from({ length: count }, (_, n) => `bench-${n}`),
  change: (server, round) =>
    register(server, {
      Node: "n0",
      Check: { CheckID: "alive", Name: "alive", Status: round % 2 === 0 ? "passing" : "warning" },
    }),
};

function service(name: string, n: number, port: number): object {
  return { Service: name, ID: `${name}-${n}`, Port: port, Tags: ["v1"] };
}

interface Round {
  readonly lastAnswerMs: number;
  readonly cpuMs: number;
  readonly waitCpuMs: number;
  readonly mbWaiting: number;
  readonly residentMb: number;
}

async function measure(parts: {
  readonly server: BenchServer;
  readonly fleet: WatcherFleet;
  readonly shape: Shape;
  readonly count: number;
  readonly round: number;
}): Promise<Round> {
  const { server, fleet, shape, count, round } = parts;
  const cpuMs = (): number => (server.running?.cpuSeconds() ?? 0) * 1_000;
  const mb = (): number => server.running?.residentMb() ?? 0;
  const index = await indexOf(server, shape.paths(1)[0] ?? "");
  const paths = shape.paths(count).map((name) => `/v1/health/service/${name}?index=${index}&wait=300s`);
  const idle = { mb: mb(), cpuMs: cpuMs() };
  await fleet.open(count, paths);
  await Bun.sleep(1_500);
  const waiting = { mb: mb(), cpuMs: cpuMs() };
  const writtenAtMs = performance.timeOrigin + performance.now();
  await shape.change(server, round);
  const { lastAtMs } = await fleet.untilAnswered(count);
  const figures = {
    lastAnswerMs: lastAtMs - writtenAtMs,
    cpuMs: cpuMs() - waiting.cpuMs,
    waitCpuMs: waiting.cpuMs - idle.cpuMs,
    mbWaiting: waiting.mb - idle.mb,
    residentMb: mb(),
  };
  await fleet.reset();
  await Bun.sleep(500);
  return figures;
}

/** Of all that there is: a service that was registered earlier than another one has a smaller index of its own. */
async function indexOf(server: BenchServer, name: string): Promise<number> {
  const [own, all] = await Promise.all(
    [`health/service/${name}`, "health/state/any", "catalog/nodes", "catalog/services"].map(async (path) =>
      Number((await fetch(`http://127.0.0.1:${server.httpPort}/v1/${path}`)).headers.get("X-Consul-Index")),
    ),
  ).then((found) => [found[0] ?? 0, Math.max(...found)]);
  return Math.max(own ?? 0, all ?? 0);
}

async function register(server: BenchServer, body: object): Promise<void> {
  const answer = await fetch(`http://127.0.0.1:${server.httpPort}/v1/catalog/register`, {
    method: "PUT",
    body: JSON.stringify({ Address: "10.0.0.1", ...body }),
  });
  if (!answer.ok) throw new Error(`a registration was refused: ${await answer.text()}`);
  await answer.arrayBuffer();
}

/** Fifty at a time. */
async function inTurn(count: number, run: (n: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) await run(next++);
  };
  await Promise.all(Array.from({ length: Math.min(50, count) }, worker));
}
