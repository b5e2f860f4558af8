import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findLowPorts } from "./low-ports.ts";
import { eventually } from "../fakes/eventually.ts";
import { LinkProxies } from "./link-proxies.ts";
import { votersOf } from "./membership.ts";
import { ServerProcess } from "./server-process.ts";
import { ownerOfSocket } from "./socket-owner.ts";

const leaderTimeoutMs = 20_000;
const votersTimeoutMs = 30_000;

/** Real server processes on loopback that reach each other through links that can be broken. */
export class Cluster {
  readonly servers: readonly ServerProcess[];
  readonly links: LinkProxies;
  readonly directory: string;
  readonly #afterEnd: (() => void) | undefined;

  private constructor(servers: readonly ServerProcess[], links: LinkProxies, directory: string, afterEnd?: () => void) {
    this.#afterEnd = afterEnd;
    this.servers = servers;
    this.links = links;
    this.directory = directory;
  }

  /** Starts `size` servers at once, since none can do without a quorum, and waits for their leader. */
  static async start(options: {
    readonly size: number;
    /** May put something at its data directory. */
    readonly beforeStart?: (server: ServerProcess) => void;
    /** Takes it away again, when all servers have ended. */
    readonly afterEnd?: () => void;
  }): Promise<Cluster> {
    const { size } = options;
    const directory = mkdtempSync(join(tmpdir(), "atoll-cluster-"));
    const ports = await findLowPorts(2 * size);
    const addresses = Array.from({ length: size }, (_, n) => `127.0.0.${11 + n}:${ports[n] ?? 0}`);
    const servers = addresses.map((address, n) => {
      const joins = addresses.filter((other) => other !== address).map((other) => `-join=${other}`);
      return new ServerProcess({
        name: `server-${n + 1}`,
        advertised: `127.0.0.${11 + n}`,
        rpcPort: ports[n] ?? 0,
        httpPort: ports[size + n] ?? 0,
        dataDir: join(directory, `server-${n + 1}`),
        args: [`-bootstrap-expect=${size}`, ...joins, "-log-level=info"],
      });
    });
    const pids = (): Map<string, number> => {
      const running = new Map<string, number>();
      for (const { name, pid } of servers) if (pid !== undefined) running.set(name, pid);
      return running;
    };
    const ends = servers.map(({ name, advertised, bound, rpcPort }) => ({ name, advertised, bound, port: rpcPort }));
    const links = await LinkProxies.start(ends, (local, remote) => ownerOfSocket(local, remote, pids()));
    const cluster = new Cluster(servers, links, directory, options.afterEnd);
    try {
      for (const server of servers) options.beforeStart?.(server);
      // All of them, since one whose start is not over cannot be stopped, and would stay.
      const starts = await Promise.allSettled(servers.map((server) => server.start()));
      const failed = starts.find((start) => start.status === "rejected");
      if (failed !== undefined) throw failed.reason;
      const leader = await cluster.waitForLeader();
      // Until the others are voters, the loss of the leader is the loss of the quorum.
      const areVoters = async (): Promise<boolean> => (await votersOf(leader).catch(() => [])).length === size;
      if (size > 1) await eventually("all servers to be voters", areVoters, votersTimeoutMs);
      // Servers that found a way around the proxies would make every partition a test of nothing.
      if (size > 1) await eventually("servers that talk through the proxies", () => links.count() >= size - 1);
    } catch (thrown) {
      await cluster.stop();
      throw thrown;
    }
    return cluster;
  }

  /** The leader that a quorum of the servers names; undefined while there is none. */
  async leader(): Promise<ServerProcess | undefined> {
    const alive = this.servers.filter((server) => server.isAlive);
    const named = await Promise.all(alive.map((server) => leaderNamedBy(server)));
    return this.servers.find((server) => {
      const votes = named.filter((address) => address === server.address).length;
      return server.isAlive && votes * 2 > this.servers.length;
    });
  }

  /** Waits until a quorum agrees on a leader, of which those in `except` are not wanted. */
  async waitForLeader(except: readonly ServerProcess[] = []): Promise<ServerProcess> {
    return await eventually(
      "a leader",
      async () => {
        const leader = await this.leader();
        return leader === undefined || except.includes(leader) ? undefined : leader;
      },
      leaderTimeoutMs,
    ).catch((thrown: unknown) => {
      const outputs = this.servers.map(({ name, output }) => `${name}:\n${output.slice(-2_000)}`);
      throw new Error(`${thrown instanceof Error ? thrown.message : String(thrown)}\n${outputs.join("\n")}`);
    });
  }

  /** All links work and all servers run and can be reached. */
  async heal(): Promise<void> {
    this.links.heal();
    const crashed = this.servers.find((server) => server.hasEndedByItself());
    if (crashed !== undefined) throw new Error(`${crashed.name} ended by itself: ${crashed.output.slice(-4_000)}`);
    for (const server of this.servers) server.resume();
    await Promise.all(this.servers.filter((server) => !server.isRunning).map((server) => server.start()));
    await this.waitForLeader();
  }

  async stop(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.end("SIGKILL")));
    await this.links.close();
    this.#afterEnd?.();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

async function leaderNamedBy(server: ServerProcess): Promise<string> {
  try {
    const url = `http://127.0.0.1:${server.httpPort}/v1/status/leader`;
    const answer = await fetch(url, { signal: AbortSignal.timeout(500) });
    const leader: unknown = await answer.json();
    return typeof leader === "string" ? leader : "";
  } catch {
    return "";
  }
}
