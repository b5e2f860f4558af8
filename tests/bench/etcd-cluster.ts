import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findLowPorts } from "../cluster/low-ports.ts";
import { getJson, isOk, restartable, startTogether } from "./atoll-cluster.ts";
import { mustFind, versionOf } from "./process.ts";
import type { BenchCluster, BenchServer } from "./store-cluster.ts";

/** The same number of etcd servers with their defaults: every put is synced on a majority. */
export async function startEtcdCluster(size: number): Promise<BenchCluster> {
  const etcd = mustFind("etcd");
  const directory = mkdtempSync(join(tmpdir(), "atoll-bench-etcd-"));
  const ports = await findLowPorts(2 * size);
  const names = Array.from({ length: size }, (_, n) => `etcd-${n + 1}`);
  const peerUrl = (n: number): string => `http://127.0.0.1:${ports[n] ?? 0}`;
  const initial = names.map((name, n) => `${name}=${peerUrl(n)}`).join(",");
  const servers = names.map((name, n) => {
    const cwd = join(directory, name);
    mkdirSync(cwd, { recursive: true });
    const httpPort = ports[size + n] ?? 0;
    const clientUrl = `http://127.0.0.1:${httpPort}`;
    const flags = {
      name,
      "data-dir": `${cwd}/data`,
      "listen-client-urls": clientUrl,
      "advertise-client-urls": clientUrl,
      "listen-peer-urls": peerUrl(n),
      "initial-advertise-peer-urls": peerUrl(n),
      "initial-cluster": initial,
      "initial-cluster-state": "new",
      "log-level": "error",
      logger: "zap",
    };
    const command = [etcd, ...Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`)];
    return restartable({ name, httpPort, command, cwd });
  });
  const cluster: BenchCluster = {
    name: "etcd",
    version: await versionOf([etcd, "--version"]),
    servers,
    async leader() {
      for (const server of servers) if (server.running !== undefined && (await leads(server))) return server;
      return undefined;
    },
    async write(server, key, timeoutMs) {
      return await isOk(`http://127.0.0.1:${server.httpPort}/v3/kv/put`, {
        method: "POST",
        body: JSON.stringify({ key: base64(key), value: base64("v".repeat(200)) }),
        signal: AbortSignal.timeout(timeoutMs),
      });
    },
    async hasLocally(server, key) {
      const body = JSON.stringify({ key: base64(key), serializable: true });
      const found = await getJson(`http://127.0.0.1:${server.httpPort}/v3/kv/range`, { method: "POST", body });
      return isRecord(found) && Number(found["count"] ?? 0) > 0;
    },
    async stop() {
      await Promise.all(servers.map((server) => server.kill()));
      rmSync(directory, { recursive: true, force: true });
    },
  };
  await startTogether(cluster);
  return cluster;
}

async function leads(server: BenchServer): Promise<boolean> {
  const url = `http://127.0.0.1:${server.httpPort}/v3/maintenance/status`;
  const status = await getJson(url, { method: "POST", body: "{}" });
  if (!isRecord(status) || !isRecord(status["header"])) return false;
  return status["leader"] !== undefined && status["leader"] === status["header"]["member_id"];
}

export function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
