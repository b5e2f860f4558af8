import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { which } from "bun";
import { findLowPorts } from "../cluster/low-ports.ts";
import { catalogCalls, restartable, startTogether } from "./atoll-cluster.ts";
import { versionOf } from "./process.ts";
import type { BenchCluster } from "./store-cluster.ts";

/** Nobody's package manager has a Consul under an open licence any more: who has built one (at most 1.16) puts it into the PATH. */
export function findConsul(): string | undefined {
  return which("consul") ?? undefined;
}

/** The same number of Consul servers, with the fast timing that its manual advises for production. */
export async function startConsulCluster(size: number): Promise<BenchCluster> {
  const consul = findConsul();
  if (consul === undefined) throw new Error("there is no consul in the PATH");
  const directory = mkdtempSync(join(tmpdir(), "atoll-bench-consul-"));
  const ports = await findLowPorts(3 * size);
  const rpcPorts = ports.slice(0, size);
  const serfPorts = ports.slice(size, 2 * size);
  const servers = rpcPorts.map((rpcPort, n) => {
    const name = `consul-${n + 1}`;
    const cwd = join(directory, name);
    mkdirSync(cwd, { recursive: true });
    const httpPort = ports[2 * size + n] ?? 0;
    const config = join(cwd, "bench.json");
    writeFileSync(
      config,
      JSON.stringify({
        node_name: name,
        server: true,
        bootstrap_expect: size,
        data_dir: join(cwd, "data"),
        bind_addr: "127.0.0.1",
        log_level: "error",
        // The load comes from one address; Consul refuses more than its descriptors allow.
        limits: { http_max_conns_per_client: 15_000 },
        performance: { raft_multiplier: 1 },
        ports: {
          http: httpPort,
          server: rpcPort,
          serf_lan: serfPorts[n],
          serf_wan: -1,
          dns: -1,
          grpc: -1,
          grpc_tls: -1,
        },
        retry_join: serfPorts.filter((_, other) => other !== n).map((port) => `127.0.0.1:${port}`),
      }),
    );
    return restartable({ name, httpPort, command: [consul, "agent", `-config-file=${config}`], cwd });
  });
  const cluster: BenchCluster = {
    name: "consul",
    version: await versionOf([consul, "version"]),
    servers,
    ...catalogCalls(servers, (address) => rpcPorts.findIndex((port) => address === `127.0.0.1:${port}`)),
    async stop() {
      await Promise.all(servers.map((server) => server.kill()));
      rmSync(directory, { recursive: true, force: true });
    },
  };
  await startTogether(cluster);
  return cluster;
}
