import { type Server, type ServerOptions, startServer } from "../../server/server.ts";
import { findFreePorts } from "../../tools/free-ports.ts";
import { createTempDir, type TempDir } from "../fakes/temp-dir.ts";
import { createTestRuntime, type TestRuntime } from "../fakes/test-runtime.ts";
import { eventually } from "../fakes/eventually.ts";

/** Real servers of one cluster in this process: real databases, sockets, certificates and clocks. */
export interface ServerCluster extends AsyncDisposable {
  readonly members: readonly ClusterMember[];
  leader(): Promise<ClusterMember>;
}

export interface ClusterMember {
  readonly name: string;
  readonly address: string;
  readonly dataDir: string;
  readonly fatal: string[];
  /** Throws while it is stopped. */
  server(): Server;
  isRunning(): boolean;
  runtime(): TestRuntime;
  start(options?: Partial<ServerOptions>): Promise<void>;
  stop(): Promise<void>;
}

export async function createMembers(count: number): Promise<ServerCluster> {
  const temp = createTempDir();
  const ports = await findFreePorts("127.0.0.1", count);
  const addresses = ports.map((port) => `127.0.0.1:${port}`);
  const members = ports.map((port, i) => createMember({ temp, port, i, count, addresses }));
  return {
    members,
    leader: () =>
      eventually("a leader", () => members.find((one) => one.isRunning() && one.server().log.leadership().isLeader)),
    async [Symbol.asyncDispose]() {
      await Promise.all(members.map((one) => one.stop()));
      temp[Symbol.dispose]();
    },
  };
}

/** All of them started together, every one a voter. */
export async function startCluster(count: number, options: Partial<ServerOptions> = {}): Promise<ServerCluster> {
  const cluster = await createMembers(count);
  await Promise.all(cluster.members.map((one) => one.start(options)));
  await votersOf(cluster, count);
  return cluster;
}

/** Waits until every running server knows of that many voters. */
export async function votersOf(cluster: ServerCluster, count: number): Promise<void> {
  await eventually(`${count} voters`, () =>
    cluster.members
      .filter((one) => one.isRunning())
      .every((one) => one.server().operator.status().membership.voters.length === count),
  );
}

let seed = Math.floor(performance.now() * 1000);

function createMember(parts: {
  readonly temp: TempDir;
  readonly port: number;
  readonly i: number;
  readonly count: number;
  readonly addresses: readonly string[];
}): ClusterMember {
  const { port, i } = parts;
  const fatal: string[] = [];
  const dataDir = `${parts.temp.path}/server-${i}`;
  let server: Server | undefined;
  let runtime = createTestRuntime();
  return {
    name: `server-${i}`,
    address: `127.0.0.1:${port}`,
    dataDir,
    fatal,
    server() {
      if (server === undefined) throw new Error(`server ${i} is not running`);
      return server;
    },
    isRunning: () => server !== undefined,
    runtime: () => runtime,
    async start(options = {}) {
      runtime = createTestRuntime({ seed: ++seed });
      server = await startServer({
        datacenter: "dc1",
        dataDir,
        rpcHost: "127.0.0.1",
        rpcPort: port,
        bootstrapExpect: parts.count,
        join: parts.addresses,
        runtime,
        onFatal: (error) => fatal.push(error.message),
        ...options,
      });
    },
    async stop() {
      const stopped = server;
      server = undefined;
      await stopped?.stop(500);
    },
  };
}
