import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "../fakes/eventually.ts";
import { findLowPorts } from "./low-ports.ts";
import { type AgentProcess, startAgentProcess } from "../mesh/agent-process.ts";
import { isServiceInDns } from "./service-in-dns.ts";

/** Real servers and real agents, each a process of its own, each agent with one service that is always healthy. */
export interface LeaseWorld extends AsyncDisposable {
  readonly servers: readonly WorldServer[];
  /** Starts the agent of the node `name`, or starts it again on what it has on disk. */
  startAgent(name: string, options?: AgentOptions): Promise<WorldAgent>;
  /** Names of the nodes whose service passes all checks, by any server that answers. */
  passing(): Promise<readonly string[]>;
  /** Whether the service of the node `name` is in the DNS of the first server. */
  isInDns(name: string): Promise<boolean>;
  /** The leader as a server that is not `except` sees it. */
  leader(except?: WorldServer): Promise<WorldServer>;
  /** Members by name, with Serf's status. */
  members(): Promise<ReadonlyMap<string, number>>;
  wipe(name: string): void;
}

export interface AgentOptions {
  readonly lease?: { readonly ttl?: string; readonly reap_after?: string; readonly class?: string };
  readonly leavesOnTerminate?: boolean;
}

export interface WorldServer {
  readonly name: string;
  readonly rpcAddress: string;
  readonly httpPort: number;
  readonly process: AgentProcess;
  isRunning: boolean;
}

export interface WorldAgent extends AgentProcess {
  readonly name: string;
}

export const service = "app";

export async function startLeaseWorld(options: {
  readonly servers: number;
  readonly agents?: number;
}): Promise<LeaseWorld> {
  const directory = mkdtempSync(join(tmpdir(), "atoll-leases-"));
  const maxAgents = options.agents ?? 4;
  const ports = await findLowPorts(2 * options.servers + maxAgents + 1);
  const dnsPort = ports.pop() ?? 0;
  const port = (n: number): number => ports[n] ?? 0;
  const addresses = Array.from({ length: options.servers }, (_, n) => `127.0.0.1:${port(n)}`);
  const processes: AgentProcess[] = [];
  const agentPorts = new Map<string, number>();

  const startServer = async (rpcAddress: string, n: number): Promise<WorldServer> => {
    const name = `server-${n + 1}`;
    const httpPort = port(options.servers + n);
    const process = await startAgentProcess({
      args: [
        "-server",
        `-node=${name}`,
        `-data-dir=${directory}/${name}`,
        "-bind=127.0.0.1",
        `-rpc-port=${port(n)}`,
        `-bootstrap-expect=${options.servers}`,
        ...addresses.filter((other) => other !== rpcAddress).map((other) => `-join=${other}`),
        ...(n === 0 ? [`-dns-port=${dnsPort}`] : []),
      ],
      httpPort,
    });
    processes.push(process);
    return { name, rpcAddress, httpPort, process, isRunning: true };
  };

  const servers = await Promise.all(addresses.map(startServer));
  const running = (): WorldServer[] => servers.filter((server) => server.isRunning);
  const ask = async (path: string): Promise<unknown> => {
    for (const server of running()) {
      const answer = await fetch(`http://127.0.0.1:${server.httpPort}/v1/${path}`, {
        signal: AbortSignal.timeout(3_000),
      })
        .then((response) => (response.ok ? response.json() : undefined))
        .catch(() => undefined);
      if (answer !== undefined) return answer;
    }
    return undefined;
  };
  const world: LeaseWorld = {
    servers,
    async startAgent(name, agent = {}) {
      const dataDir = join(directory, name);
      mkdirSync(dataDir, { recursive: true, mode: 0o700 });
      const config = join(directory, `${name}.json`);
      writeFileSync(
        config,
        JSON.stringify({
          service: { name: service, id: `${service}-${name}`, tags: [name], port: 80 },
          leave_on_terminate: agent.leavesOnTerminate ?? false,
          ...(agent.lease && { lease: agent.lease }),
        }),
      );
      const httpPort = agentPorts.get(name) ?? port(2 * options.servers + agentPorts.size);
      agentPorts.set(name, httpPort);
      const process = await startAgentProcess({
        args: [
          `-node=${name}`,
          `-data-dir=${dataDir}`,
          "-bind=127.0.0.1",
          `-config-file=${config}`,
          ...addresses.map((address) => `-join=${address}`),
        ],
        httpPort,
      });
      processes.push(process);
      return { ...process, name };
    },
    async passing() {
      const entries = await ask(`health/service/${service}?passing&stale`);
      if (!Array.isArray(entries)) return [];
      return entries.map((entry: { Node: { Node: string } }) => entry.Node.Node).toSorted();
    },
    isInDns: (name) => isServiceInDns(dnsPort, `${name}.${service}`),
    leader: (except) =>
      eventually(
        "a leader",
        async () => {
          const address = await ask("status/leader");
          return servers.find((server) => server.rpcAddress === address && server !== except && server.isRunning);
        },
        30_000,
      ),
    async members() {
      const members = await ask("agent/members");
      if (!Array.isArray(members)) return new Map();
      return new Map(members.map((member: { Name: string; Status: number }) => [member.Name, member.Status]));
    },
    wipe: (name) => rmSync(join(directory, name), { recursive: true, force: true }),
    async [Symbol.asyncDispose]() {
      await Promise.all(processes.map((one) => one.end("SIGKILL").catch(() => null)));
      rmSync(directory, { recursive: true, force: true });
    },
  };
  await world.leader();
  return world;
}

/** Seconds until `isDone`, looked at every 20 ms. */
export async function secondsUntil(what: string, isDone: () => Promise<boolean>, timeoutMs: number): Promise<number> {
  const beganMs = performance.now();
  await eventually(what, isDone, timeoutMs);
  return (performance.now() - beganMs) / 1_000;
}
