import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { runContest, type Scenario, withCpu } from "./contest.ts";
import { haproxyPair } from "./haproxy-pair.ts";
import { atollPair, local, nginxPair, smallAnswer, startNginxBackend } from "./pairs.ts";
import { runWrk } from "./wrk.ts";

const connectionCounts = [1, 16, 64] as const;
const answers = [
  { bytes: 100, path: "/" },
  { bytes: 10_000, path: "/large.txt" },
] as const;
const pairWarmUpSeconds = 8;
const warmUpSeconds = 1;
const measuredSeconds = 3;

/** HTTP/1.1 keep-alive GETs through client -> outbound -> mTLS -> inbound -> nginx. */
export async function benchProxyHttp1(): Promise<void> {
  await runContest({
    bench: "proxy-http1",
    basePort: 27_100,
    rounds: 3,
    pairs: [atollPair("http"), haproxyPair("http"), haproxyPair("http-over-h2"), nginxPair()],
    async warmUp({ ports }) {
      await runWrk({ port: ports.listen, path: "/", connections: 64, seconds: pairWarmUpSeconds });
    },
    scenarios: answers.flatMap(({ bytes, path }) =>
      connectionCounts.map((connections) => scenario(bytes, path, connections)),
    ),
    startBackend(workspace, port) {
      writeFileSync(join(workspace.directory, "large.txt"), "x".repeat(10_000));
      return startNginxBackend(workspace, port, [
        ` open_file_cache max=10; sendfile on; server { listen ${local(port)} backlog=4096; default_type text/plain;`,
        `  location / { return 200 "${smallAnswer}"; } location /large.txt { root ${workspace.directory}; } }`,
      ]);
    },
  });
}

function scenario(bytes: number, path: string, connections: number): Scenario {
  return {
    labels: { answer_bytes: bytes, connections },
    compared: "cpu_us_per_request",
    async run(target) {
      const load = { port: target.ports.listen, path, connections };
      await runWrk({ ...load, seconds: warmUpSeconds });
      const { result, cpuSeconds } = await withCpu(target, () => runWrk({ ...load, seconds: measuredSeconds }));
      return {
        cpu_us_per_request: (cpuSeconds * 1e6) / result.requests,
        requests_per_second: result.requestsPerSecond,
        p50_ms: result.p50Ms,
        p99_ms: result.p99Ms,
        load_cpu_share: result.loadCpuShare,
        resident_mb: target.pinned.residentMb(),
      };
    },
  };
}
