import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findFreePorts } from "../../tools/free-ports.ts";
import { type AgentProcess, startAgentProcess } from "../mesh/agent-process.ts";

/** What one run of kill rounds saw. */
export interface KillReport {
  readonly rounds: number;
  readonly acknowledged: number;
  /** Writes that the server answered with success and that were gone, or of another value, after a restart. */
  readonly lost: readonly string[];
  /** Indexes that fell over a restart. */
  readonly indexFalls: number;
}

const maxRunMs = 300;
const writersPerRound = 4;

/**
 * A real server, killed with SIGKILL at a random moment while clients write to it, restarted on the same data, and asked
 * for everything that it ever acknowledged: registrations, config entries and intentions.
 */
export async function runKillRounds(rounds: number, onRound: (report: KillReport) => void): Promise<KillReport> {
  const directory = mkdtempSync(join(tmpdir(), "atoll-kill-"));
  const [httpPort = 0, rpcPort = 0] = await findFreePorts("127.0.0.1", 2);
  const args = [
    "-server",
    "-bootstrap-expect=1",
    "-node=server",
    `-data-dir=${directory}`,
    "-bind=127.0.0.1",
    `-rpc-port=${rpcPort}`,
    "-log-level=error",
  ];
  const acknowledged = new Map<string, number>();
  const lost: string[] = [];
  let indexFalls = 0;
  let lastIndex = 0;
  let server: AgentProcess | undefined;
  try {
    for (let round = 1; round <= rounds; round++) {
      server = await startAgentProcess({ args, httpPort });
      await leaderOf(server);
      const index = await checkAll(httpPort, acknowledged, lost);
      if (index < lastIndex) indexFalls++;
      lastIndex = index;
      await writeUntilKilled({ server, httpPort, round, acknowledged });
      server = undefined;
      onRound({ rounds: round, acknowledged: acknowledged.size, lost, indexFalls });
    }
    server = await startAgentProcess({ args, httpPort });
    await leaderOf(server);
    await checkAll(httpPort, acknowledged, lost);
    return { rounds, acknowledged: acknowledged.size, lost, indexFalls };
  } finally {
    await server?.end("SIGKILL");
    rmSync(directory, { recursive: true, force: true });
  }
}

async function leaderOf(server: AgentProcess): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    if (await server.api("GET", "status/leader").catch(() => "")) return;
    await Bun.sleep(20);
  }
  throw new Error(`no leader: ${server.output()}`);
}

async function writeUntilKilled(options: {
  readonly server: AgentProcess;
  readonly httpPort: number;
  readonly round: number;
  readonly acknowledged: Map<string, number>;
}): Promise<void> {
  const { server, httpPort, round, acknowledged } = options;
  let isKilled = false;
  const writer = async (number: number): Promise<void> => {
    for (let count = 0; !isKilled; count++) {
      const node = `round-${round}-writer-${number}-${count}`;
      const body = { Node: node, Address: "10.0.0.1", Service: { Service: "web", Port: (count % 60_000) + 1 } };
      try {
        const url = `http://127.0.0.1:${httpPort}/v1/catalog/register`;
        const answer = await fetch(url, { method: "PUT", body: JSON.stringify(body) });
        if (answer.ok) acknowledged.set(node, body.Service.Port);
      } catch {
        // The server died under this write: it may be there or not, so nothing is expected of it.
      }
    }
  };
  const writers = Array.from({ length: writersPerRound }, (_, number) => writer(number));
  await Bun.sleep(Math.random() * maxRunMs);
  await server.end("SIGKILL");
  isKilled = true;
  await Promise.all(writers);
}

/** Compares the catalog with what was acknowledged; the index of the answer. */
async function checkAll(httpPort: number, acknowledged: ReadonlyMap<string, number>, lost: string[]): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${httpPort}/v1/catalog/service/web`);
  const instances: unknown = await answer.json();
  const found = new Map<unknown, unknown>();
  if (Array.isArray(instances)) for (const one of instances) found.set(one.Node, one.ServicePort);
  for (const [node, port] of acknowledged) if (found.get(node) !== port) lost.push(node);
  return Number(answer.headers.get("x-consul-index"));
}
