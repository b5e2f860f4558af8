import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { measureLoad, type Target } from "./contest.ts";
import { haproxyPair } from "./haproxy-pair.ts";
import { atollPair, local, nginxPair, type Pair, smallAnswer, startNginxBackend, type Workspace } from "./pairs.ts";
import type { Pinned } from "./process.ts";
import { type Contender, keepAwake, runSlices } from "./slices.ts";
import { runWrk } from "./wrk.ts";

const connectionCounts = [1, 16, 64] as const;
const answers = [
  { bytes: 100, path: "/" },
  { bytes: 10_000, path: "/large.txt" },
] as const;
const rounds = Number(process.env["ATOLL_BENCH_ROUNDS"] ?? 9);
/** As many as a pair of ours needs until it compiles no more; with one connection that would take a minute. */
const warmUpRequests = { 1: 60_000, 16: 150_000, 64: 150_000 } as const;
const basePort = 27_100;

/**
 * HTTP/1.1 keep-alive GETs through client -> outbound -> mTLS -> inbound -> nginx, in slices of a second that the pairs take in turns: what
 * else the machine does takes as long as a pair did in turns of half a minute, and moved ratios by a tenth.
 */
export async function benchProxyHttp1(): Promise<void> {
  for (const { bytes, path } of answers) {
    for (const connections of connectionCounts) {
      await runSlices({
        bench: "proxy-http1",
        basePort,
        rounds,
        contenders: [
          contender(atollPair("http"), path, warmUpRequests[connections]),
          contender(haproxyPair("http"), path, 1),
          contender(haproxyPair("http-over-h2"), path, 1),
          contender(nginxPair(), path, 1),
        ],
        startBackend,
        load: (target, seconds) =>
          measureLoad(target, () => runWrk({ port: target.ports.listen, path, connections, seconds })),
        compared: "cpu_us_per_request",
        bases: {
          haproxy: (_, base) => base["pair"] === "haproxy",
          "haproxy-h2-hop": (_, base) => base["pair"] === "haproxy-h2-hop",
          nginx: (_, base) => base["pair"] === "nginx",
        },
        best: { haproxy_best: ["haproxy", "haproxy-h2-hop"] },
        facts: { answer_bytes: bytes, connections },
      });
    }
  }
}

function contender(pair: Pair, path: string, requests: number): Contender {
  const isOurs = pair.name === "atoll";
  return {
    pair,
    labels: { pair: pair.name },
    warmUpRequests: requests,
    ...(isOurs ? { keepAwake: (target: Target) => keepAwake(target, path) } : {}),
  };
}

function startBackend(workspace: Workspace, port: number): Promise<Pinned> {
  writeFileSync(join(workspace.directory, "large.txt"), "x".repeat(10_000));
  return startNginxBackend(workspace, port, [
    ` open_file_cache max=10; sendfile on; server { listen ${local(port)} backlog=4096; default_type text/plain;`,
    `  location / { return 200 "${smallAnswer}"; } location /large.txt { root ${workspace.directory}; } }`,
  ]);
}
