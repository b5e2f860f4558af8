import { truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runContest, withCpu } from "./contest.ts";
import { haproxyPair } from "./haproxy-pair.ts";
import { atollPair, local, startNginxBackend } from "./pairs.ts";
import { loadCore, mustFind } from "./process.ts";

const sizeGb = 1;

/** One gigabyte from nginx through the TCP pair to curl, both hops mTLS 1.3 on one core. */
export async function benchProxyTcp(): Promise<void> {
  await runContest({
    bench: "proxy-tcp",
    basePort: 27_200,
    rounds: 5,
    pairs: [atollPair("tcp"), haproxyPair("tcp")],
    scenarios: [
      {
        labels: { gb: sizeGb },
        compared: "cpu_seconds_per_gb",
        async run(target) {
          const startMs = performance.now();
          const { cpuSeconds } = await withCpu(target, () => download(target.ports.listen));
          const seconds = (performance.now() - startMs) / 1000;
          return {
            cpu_seconds_per_gb: cpuSeconds / sizeGb,
            gb_per_second: sizeGb / seconds,
            resident_mb: target.pinned.residentMb(),
          };
        },
      },
    ],
    verify: (target) => download(target.ports.listen),
    startBackend(workspace, port) {
      const file = join(workspace.directory, "bulk.bin");
      writeFileSync(file, "");
      truncateSync(file, sizeGb * 1024 ** 3);
      return startNginxBackend(workspace, port, [
        ` sendfile on; server { listen ${local(port)}; location / { root ${workspace.directory}; } }`,
      ]);
    },
  });
}

async function download(port: number): Promise<void> {
  const command = [mustFind("taskset"), "-c", `${loadCore}`, mustFind("curl"), "-sf", "-o", "/dev/null"];
  const child = Bun.spawn([...command, "-w", "%{size_download}", `http://${local(port)}/bulk.bin`], { stdout: "pipe" });
  const size = Number(await new Response(child.stdout).text());
  if (size !== sizeGb * 1024 ** 3) throw new Error(`only ${size} bytes came through port ${port}`);
}
