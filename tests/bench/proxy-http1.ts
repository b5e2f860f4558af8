import { rmSync } from "node:fs";
import { atollPair, createWorkspace, haproxyPair, nginxPair, type Pair, writeNginxConfig } from "./pairs.ts";
import { loadCore, median, mustFind, report, rounded, startPinned } from "./process.ts";
import { runWrk } from "./wrk.ts";

const connectionCounts = [16, 64] as const;
const rounds = 3;
const warmUpSeconds = 2;
const measuredSeconds = 4;
const basePort = 27_100;
const body = "hello from the backend service, one hundred bytes of body text padded to be about this long ok.......\\n";

interface Measurement {
  readonly cpuUsPerRequest: number;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly residentMb: number;
}

/**
 * HTTP/1.1 keep-alive GET of 100 bytes through client -> outbound -> mTLS -> inbound -> nginx. The peers use their pooled
 * HTTP/1.1 hop; ours has its intentions and metrics on. Pairs take turns, so that drift of the machine hits all of them.
 */
export async function benchProxyHttp1(): Promise<void> {
  const workspace = createWorkspace();
  const backendPort = basePort;
  const config = writeNginxConfig(workspace, "backend", [
    ` server { listen 127.0.0.1:${backendPort} backlog=4096; location / { default_type text/plain; return 200 "${body}"; } }`,
  ]);
  const backend = await startPinned({
    name: "backend",
    command: [mustFind("nginx"), "-p", workspace.directory, "-c", config],
    core: loadCore,
    readyPort: backendPort,
    cwd: workspace.directory,
  });
  const pairs = [atollPair("http"), haproxyPair("http"), nginxPair()];
  const results = new Map<string, Measurement[]>();
  try {
    for (let round = 0; round < rounds; round++) {
      for (const [i, pair] of pairs.entries()) {
        const ports = { listen: basePort + 10 + i, mesh: basePort + 20 + i, backend: backendPort };
        const started = await pair.start(workspace, ports);
        try {
          for (const connections of connectionCounts) {
            await runWrk({ port: ports.listen, connections, seconds: warmUpSeconds });
            const before = started.cpuSeconds();
            const load = await runWrk({ port: ports.listen, connections, seconds: measuredSeconds });
            const cpuUsPerRequest = ((started.cpuSeconds() - before) * 1e6) / load.requests;
            const key = `${pair.name}/${connections}`;
            const { requests, p50Ms, p99Ms } = load;
            const measured = { cpuUsPerRequest, requestsPerSecond: requests / measuredSeconds, p50Ms, p99Ms };
            results.set(key, [...(results.get(key) ?? []), { ...measured, residentMb: started.residentMb() }]);
          }
        } finally {
          await started.stop();
        }
      }
    }
  } finally {
    await backend.stop();
    rmSync(workspace.directory, { recursive: true });
  }
  await reportAll(pairs, results);
}

async function reportAll(pairs: readonly Pair[], results: ReadonlyMap<string, readonly Measurement[]>): Promise<void> {
  const middle = (key: string, read: (one: Measurement) => number): number =>
    median((results.get(key) ?? []).map(read));
  for (const pair of pairs) {
    const version = await pair.version();
    for (const connections of connectionCounts) {
      const key = `${pair.name}/${connections}`;
      const cpu = middle(key, (one) => one.cpuUsPerRequest);
      const anchor = middle(`haproxy/${connections}`, (one) => one.cpuUsPerRequest);
      report({
        bench: "proxy-http1",
        pair: pair.name,
        version,
        connections,
        rounds,
        cpu_us_per_request: rounded(cpu),
        cpu_ratio_to_haproxy: rounded(cpu / anchor, 3),
        requests_per_second: rounded(
          middle(key, (one) => one.requestsPerSecond),
          0,
        ),
        p50_ms: rounded(
          middle(key, (one) => one.p50Ms),
          3,
        ),
        p99_ms: rounded(
          middle(key, (one) => one.p99Ms),
          3,
        ),
        resident_mb: rounded(
          middle(key, (one) => one.residentMb),
          1,
        ),
      });
    }
  }
}
