import { startAtollCluster } from "./atoll-cluster.ts";
import { median, report, rounded } from "./process.ts";
import { type BenchServer, mustLeader, timeUntil } from "./store-cluster.ts";

const defaults = { instances: 172_000, nodes: 10_000 };
/** 43 instances of each of this many services. */
const services = 4_000;
const reads = 300;
const changes = 40;
const bars = { residentMb: 1_500, visibleMs: 50 };

/**
 * One server with the largest catalog that a user of Consul has told of: 172,000 instances with a check each on 10,000 nodes with
 * one each. Memory after the writes and after a start from the disk, how long that takes, reads of one service, and how long one
 * change takes until a blocked query of its service has it. `--instances N` for fewer.
 */
export async function benchScale(args: readonly string[]): Promise<void> {
  const instances = Number(args[args.indexOf("--instances") + 1] ?? "") || defaults.instances;
  const cluster = await startAtollCluster(1);
  try {
    const server = await mustLeader(cluster);
    const startedMs = performance.now();
    await inTurn(instances, (n) => register(server, instance(n)));
    const figure = { bench: "scale", instances, nodes: defaults.nodes, services };
    report({
      ...figure,
      what: "registered",
      seconds: rounded((performance.now() - startedMs) / 1_000, 1),
      ...memory(server),
    });
    report({ ...figure, what: "read", ...(await readLatency(server)) });
    report({ ...figure, what: "change", ...(await changeLatency(server)) });
    await server.kill();
    const stoppedMs = performance.now();
    await server.start();
    await timeUntil("the catalog after a start", async () => (await get(server, "health/service/svc-1")).ok);
    const cpuSeconds = rounded(server.running?.cpuSeconds() ?? 0, 1);
    report({
      ...figure,
      what: "started",
      ms: rounded(performance.now() - stoppedMs, 0),
      cpu_s: cpuSeconds,
      ...memory(server),
    });
    report({ ...figure, what: "read after the start", ...(await readLatency(server)) });
  } finally {
    await cluster.stop();
  }
}

function memory(server: BenchServer): object {
  const residentMb = server.running?.residentMb() ?? 0;
  return { resident_mb: rounded(residentMb, 0), bar_mb: bars.residentMb, isMet: residentMb <= bars.residentMb };
}

/** Of services that nobody has read before, so that nothing is remembered. */
async function readLatency(server: BenchServer): Promise<object> {
  const times: number[] = [];
  for (let n = 0; n < reads; n++) {
    const startMs = performance.now();
    await (await get(server, `health/service/svc-${(n * 13 + 7) % services}`)).arrayBuffer();
    times.push(performance.now() - startMs);
  }
  return latencies(times);
}

/** From sending the write to the whole answer of the blocked query. */
async function changeLatency(server: BenchServer): Promise<object> {
  const times: number[] = [];
  for (let n = 0; n < changes; n++) {
    const name = `svc-${(n * 17 + 3) % services}`;
    const index = (await get(server, `health/service/${name}`)).headers.get("X-Consul-Index");
    const blocked = get(server, `health/service/${name}?index=${index}&wait=60s`).then((answer) =>
      answer.arrayBuffer(),
    );
    await Bun.sleep(20);
    const startMs = performance.now();
    const Service = { Service: name, ID: `${name}-changed-${n}`, Port: 1 };
    const written = register(server, { Node: "node-1", Address: "10.0.0.1", SkipNodeUpdate: true, Service });
    await blocked;
    times.push(performance.now() - startMs);
    await written;
  }
  return { ...latencies(times), bar_ms: bars.visibleMs, isMet: median(times) <= bars.visibleMs };
}

function latencies(times: readonly number[]): object {
  const sorted = times.toSorted((a, b) => a - b);
  const p95 = sorted[Math.floor(sorted.length * 0.95)] ?? Number.NaN;
  return { p50_ms: rounded(median(times)), p95_ms: rounded(p95), max_ms: rounded(sorted.at(-1) ?? Number.NaN) };
}

function instance(n: number): object {
  const node = n % defaults.nodes;
  const name = `svc-${n % services}`;
  const id = `${name}-${n}`;
  const alive = {
    CheckID: "serfHealth",
    Name: "Serf Health Status",
    Status: "passing",
    Output: "Agent alive and reachable",
  };
  const own = {
    CheckID: `service:${id}`,
    Name: "http",
    ServiceID: id,
    Status: "passing",
    Output: "HTTP GET /health: 200 OK",
  };
  return {
    ID: `00000000-0000-4000-8000-${String(node).padStart(12, "0")}`,
    Node: `node-${node}`,
    Address: `10.${node >> 8}.${node & 255}.1`,
    NodeMeta: { zone: `z${node % 3}` },
    Service: {
      Service: name,
      ID: id,
      Port: 8_000 + (n % 1_000),
      Tags: [`v${n % 3}`, "http"],
      Meta: { version: `1.${n % 7}` },
    },
    Checks: n < defaults.nodes ? [alive, own] : [own],
  };
}

async function get(server: BenchServer, path: string): Promise<Response> {
  return await fetch(`http://127.0.0.1:${server.httpPort}/v1/${path}`);
}

async function register(server: BenchServer, body: object): Promise<void> {
  const answer = await fetch(`http://127.0.0.1:${server.httpPort}/v1/catalog/register`, {
    method: "PUT",
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`a registration was refused: ${await answer.text()}`);
  await answer.arrayBuffer();
}

/** A hundred at a time. */
async function inTurn(count: number, run: (n: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) await run(next++);
  };
  await Promise.all(Array.from({ length: 100 }, worker));
}
