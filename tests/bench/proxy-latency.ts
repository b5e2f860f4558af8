import { runContest } from "./contest.ts";
import { mustBuildGoJudge } from "./go-judge.ts";
import { haproxyPair } from "./haproxy-pair.ts";
import { openLoop } from "./open-loop.ts";
import { atollPair, local, nginxPair, smallAnswer, startNginxBackend } from "./pairs.ts";
import { runWrk } from "./wrk.ts";

const requestsPerSecond = 1_000;
const connections = 64;
const seconds = 5;
const pairWarmUpSeconds = 8;

/**
 * What two hops add to a request's time at a fixed rate of 1,000 requests per second, below what any of the pairs can do: the
 * percentiles through the pair less those of the app asked directly just before. Times run from the point at which a
 * request was due, so a stall counts for everything that it held up.
 */
export async function benchProxyLatency(): Promise<void> {
  await mustBuildGoJudge();
  await runContest({
    bench: "proxy-latency",
    basePort: 27_900,
    rounds: 5,
    pairs: [atollPair("http"), haproxyPair("http"), haproxyPair("http-over-h2"), nginxPair()],
    async warmUp({ ports }) {
      await runWrk({ port: ports.listen, path: "/", connections, seconds: pairWarmUpSeconds });
    },
    scenarios: [
      {
        labels: { requests_per_second: requestsPerSecond, connections },
        compared: "added_p99_ms",
        async run(target) {
          const load = { requestsPerSecond, connections };
          await openLoop({ ...load, port: target.ports.listen, seconds: 1 });
          const direct = await openLoop({ ...load, port: target.ports.backend, seconds });
          const through = await openLoop({ ...load, port: target.ports.listen, seconds });
          return {
            added_p50_ms: through.p50 - direct.p50,
            added_p99_ms: through.p99 - direct.p99,
            p50_ms: through.p50,
            p99_ms: through.p99,
            p999_ms: through.p999,
            direct_p50_ms: direct.p50,
            direct_p99_ms: direct.p99,
          };
        },
      },
    ],
    startBackend: (workspace, port) =>
      startNginxBackend(workspace, port, [
        ` server { listen ${local(port)} backlog=4096; location / { return 200 "${smallAnswer}"; } }`,
      ]),
  });
}
