import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findLowPorts } from "../cluster/low-ports.ts";
import { type Pinned, startPinned, versionOf } from "./process.ts";
import { type BenchCluster, type BenchServer, mustLeader, serverCores, timeUntil } from "./store-cluster.ts";

const atoll = join(import.meta.dir, "..", "..", "bin", "atoll");

/** Real server processes without the proxies that the cluster tests put between them. */
export async function startAtollCluster(size: number): Promise<BenchCluster> {
  const directory = mkdtempSync(join(tmpdir(), "atoll-bench-cluster-"));
  const ports = await findLowPorts(2 * size);
  const addresses = Array.from({ length: size }, (_, n) => `127.0.0.1:${ports[n] ?? 0}`);
  const servers = addresses.map((address, n) =>
    benchServer({
      name: `atoll-${n + 1}`,
      httpPort: ports[size + n] ?? 0,
      directory,
      args: [
        `-rpc-port=${ports[n] ?? 0}`,
        `-bootstrap-expect=${size}`,
        ...addresses.filter((other) => other !== address).map((other) => `-join=${other}`),
      ],
    }),
  );
  const cluster: BenchCluster = {
    name: "atoll",
    version: await versionOf([atoll, "version"]),
    servers,
    ...catalogCalls(servers, (address) => addresses.indexOf(address)),
    async stop() {
      await Promise.all(servers.map((server) => server.kill()));
      rmSync(directory, { recursive: true, force: true });
    },
  };
  await startTogether(cluster);
  // A leader is there before the others count: until they are voters, its loss is the loss of the quorum.
  if (size > 1) await timeUntil("all servers to be voters", async () => (await countVoters(servers)) === size);
  return cluster;
}

/** What the API says and does alike whoever serves it; `placeOf` an address in `servers`. */
export function catalogCalls(
  servers: readonly BenchServer[],
  placeOf: (address: string) => number,
): Pick<BenchCluster, "leader" | "write" | "hasLocally"> {
  return {
    async leader() {
      for (const server of servers) {
        if (server.running === undefined) continue;
        const address = await getJson(`http://127.0.0.1:${server.httpPort}/v1/status/leader`);
        const leader = servers[placeOf(String(address))];
        if (leader?.running !== undefined) return leader;
      }
      return undefined;
    },
    async write(server, key, timeoutMs) {
      const body = { Node: key, Address: "10.0.0.1", Service: { Service: "bench", ID: key, Port: 1 } };
      return await isOk(`http://127.0.0.1:${server.httpPort}/v1/catalog/register`, {
        method: "PUT",
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(timeoutMs),
      });
    },
    async hasLocally(server, key) {
      const node: unknown = await getJson(`http://127.0.0.1:${server.httpPort}/v1/catalog/node/${key}?stale`);
      return typeof node === "object" && node !== null && "Services" in node;
    },
  };
}

async function countVoters(servers: readonly BenchServer[]): Promise<number> {
  const url = `http://127.0.0.1:${servers[0]?.httpPort ?? 0}/v1/operator/raft/configuration`;
  return JSON.stringify((await getJson(url)) ?? {}).split('"Voter":true').length - 1;
}

/** None of several servers is ready before the others are there. */
export async function startTogether(cluster: BenchCluster): Promise<void> {
  try {
    await Promise.all(cluster.servers.map((server) => server.start()));
    await mustLeader(cluster);
  } catch (thrown) {
    await cluster.stop();
    throw thrown;
  }
}

function benchServer(options: {
  readonly name: string;
  readonly httpPort: number;
  readonly directory: string;
  readonly args: readonly string[];
}): BenchServer {
  const cwd = join(options.directory, options.name);
  mkdirSync(cwd, { recursive: true });
  const flags = ["-server", `-node=${options.name}`, `-data-dir=${cwd}/data`, "-bind=127.0.0.1", "-log-level=warn"];
  const config = join(cwd, "bench.json");
  // The load comes from one address.
  writeFileSync(config, JSON.stringify({ limits: { http_max_conns_per_client: 0 } }));
  flags.push(`-config-file=${config}`);
  const command = [atoll, "agent", ...flags, `-http-port=${options.httpPort}`, "-dns-port=-1", ...options.args];
  return restartable({ name: options.name, httpPort: options.httpPort, command, cwd });
}

export function restartable(options: {
  readonly name: string;
  readonly httpPort: number;
  readonly command: readonly string[];
  readonly cwd: string;
}): BenchServer {
  let running: Pinned | undefined;
  return {
    name: options.name,
    httpPort: options.httpPort,
    get running() {
      return running;
    },
    async start() {
      const { name, command, cwd, httpPort } = options;
      running = await startPinned({ name, command, cwd, core: serverCores, readyPort: httpPort });
    },
    async kill() {
      running?.process.kill("SIGKILL");
      await running?.process.exited;
      running = undefined;
    },
  };
}

export async function getJson(url: string, init: RequestInit = {}): Promise<unknown> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(2_000), ...init });
    return answer.ok ? await answer.json() : undefined;
  } catch {
    return undefined;
  }
}

export async function isOk(url: string, init: RequestInit): Promise<boolean> {
  try {
    const answer = await fetch(url, { keepalive: false, ...init });
    await answer.arrayBuffer();
    return answer.ok;
  } catch {
    return false;
  }
}
