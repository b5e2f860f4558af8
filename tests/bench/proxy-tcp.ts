import { rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { atollPair, createWorkspace, haproxyPair, type Pair, writeNginxConfig } from "./pairs.ts";
import { loadCore, median, mustFind, report, rounded, startPinned } from "./process.ts";

const rounds = 5;
const sizeGb = 1;
const basePort = 27_200;

interface Measurement {
  readonly cpuSecondsPerGb: number;
  readonly gbPerSecond: number;
  readonly residentMb: number;
}

/** One gigabyte from nginx through the TCP pair to curl, both hops mTLS 1.3 on one core. */
export async function benchProxyTcp(): Promise<void> {
  const workspace = createWorkspace();
  const file = join(workspace.directory, "bulk.bin");
  writeFileSync(file, "");
  truncateSync(file, sizeGb * 1024 ** 3);
  const config = writeNginxConfig(workspace, "backend", [
    ` sendfile on; server { listen 127.0.0.1:${basePort}; location / { root ${workspace.directory}; } }`,
  ]);
  const backend = await startPinned({
    name: "backend",
    command: [mustFind("nginx"), "-p", workspace.directory, "-c", config],
    core: loadCore,
    readyPort: basePort,
    cwd: workspace.directory,
  });
  const pairs = [atollPair("tcp"), haproxyPair("tcp")];
  const results = new Map<string, Measurement[]>();
  try {
    for (const [i, pair] of pairs.entries()) {
      const ports = { listen: basePort + 10 + i, mesh: basePort + 20 + i, backend: basePort };
      const started = await pair.start(workspace, ports);
      try {
        await download(ports.listen);
        for (let round = 0; round < rounds; round++) {
          const before = started.cpuSeconds();
          const startMs = performance.now();
          await download(ports.listen);
          const seconds = (performance.now() - startMs) / 1000;
          const cpuSecondsPerGb = (started.cpuSeconds() - before) / sizeGb;
          const measured = { cpuSecondsPerGb, gbPerSecond: sizeGb / seconds, residentMb: started.residentMb() };
          results.set(pair.name, [...(results.get(pair.name) ?? []), measured]);
        }
      } finally {
        await started.stop();
      }
    }
  } finally {
    await backend.stop();
    rmSync(workspace.directory, { recursive: true });
  }
  await reportAll(pairs, results);
}

async function reportAll(pairs: readonly Pair[], results: ReadonlyMap<string, readonly Measurement[]>): Promise<void> {
  const middle = (name: string, read: (one: Measurement) => number): number =>
    median((results.get(name) ?? []).map(read));
  const anchor = middle("haproxy", (one) => one.cpuSecondsPerGb);
  for (const pair of pairs) {
    const cpu = middle(pair.name, (one) => one.cpuSecondsPerGb);
    report({
      bench: "proxy-tcp",
      pair: pair.name,
      version: await pair.version(),
      rounds,
      cpu_seconds_per_gb: rounded(cpu, 3),
      cpu_ratio_to_haproxy: rounded(cpu / anchor, 3),
      gb_per_second: rounded(
        middle(pair.name, (one) => one.gbPerSecond),
        3,
      ),
      resident_mb: rounded(
        middle(pair.name, (one) => one.residentMb),
        1,
      ),
    });
  }
}

async function download(port: number): Promise<void> {
  const command = [
    "taskset",
    "-c",
    `${loadCore}`,
    mustFind("curl"),
    "-sf",
    "-o",
    "/dev/null",
    "-w",
    "%{size_download}",
  ];
  const child = Bun.spawn([...command, `http://127.0.0.1:${port}/bulk.bin`], { stdout: "pipe" });
  const size = Number(await new Response(child.stdout).text());
  if (size !== sizeGb * 1024 ** 3) throw new Error(`only ${size} bytes came through port ${port}`);
}
