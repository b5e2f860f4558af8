import { errorMessage } from "../../lib/base/errors.ts";
import { eventually } from "../fakes/eventually.ts";
import { randomOf } from "../linearizability/random-history.ts";
import { CatalogClient } from "./catalog-client.ts";
import { Cluster } from "./cluster.ts";
import { type FaultKind, injectFault } from "./faults.ts";
import { SmallDisk } from "./full-disk.ts";
import { type Judgement, judge } from "./judge.ts";
import type { ServerProcess } from "./server-process.ts";
import { Workload } from "./workload.ts";

export interface RoundsOptions {
  readonly servers: number;
  readonly seed: number;
  /** Injected one after the other in random order, each healed before the next, until `isOver`. */
  readonly kinds: readonly FaultKind[];
  readonly isOver: (injected: number) => boolean;
  readonly clients?: number;
  /** Longest time a fault lasts. */
  readonly maxFaultMs?: number;
  readonly onFault?: (line: string) => void;
}

export interface RoundsReport extends Judgement {
  readonly servers: number;
  readonly seed: number;
  readonly injected: Readonly<Partial<Record<FaultKind, number>>>;
  /** The longest time from a healed fault to the next acknowledged write. */
  readonly longestRecoveryMs: number;
}

const defaultClients = 6;
const diskMb = 256;
const calmMs = 300;
/** Once every server can reach every other, writes must go on within it. */
const recoveryTimeoutMs = 20_000;

/** Real servers under client load and one fault after the other; then everything the clients saw is judged. */
export async function runRounds(options: RoundsOptions): Promise<RoundsReport> {
  const random = randomOf(options.seed);
  const disks = new Map<ServerProcess, SmallDisk>();
  const needsDisks = options.kinds.includes("full-disk");
  const cluster = await Cluster.start({
    size: options.servers,
    beforeStart: (server) => {
      if (needsDisks) disks.set(server, new SmallDisk(server.dataDir, diskMb));
    },
    afterEnd: () => {
      for (const disk of disks.values()) disk[Symbol.dispose]();
    },
  });
  try {
    const ports = cluster.servers.map((server) => server.httpPort);
    const workload = new Workload({ ports, clients: options.clients ?? defaultClients, seed: options.seed });
    const injected: Partial<Record<FaultKind, number>> = {};
    let longestRecoveryMs = 0;
    let queue: FaultKind[] = [];
    for (let count = 0; !options.isOver(count); count++) {
      if (queue.length === 0) queue = shuffled(options.kinds, random);
      const kind = queue.pop();
      if (kind === undefined) break;
      const name = `fault ${count + 1}: ${kind}`;
      const recoveryMs = await named(name, cluster, async () => {
        await Bun.sleep(calmMs);
        const leader = await cluster.waitForLeader();
        await injectFault(kind, { cluster, leader, random, disks });
        injected[kind] = (injected[kind] ?? 0) + 1;
        await Bun.sleep(200 + random() * (options.maxFaultMs ?? 3_000));
        await cluster.heal();
        return await recover(workload);
      });
      longestRecoveryMs = Math.max(longestRecoveryMs, recoveryMs);
      options.onFault?.(
        `${name}, writing again ${Math.round(recoveryMs)} ms after healing, ${workload.acknowledged} acknowledged`,
      );
    }
    const record = await workload.finish();
    const found = await new CatalogClient(ports[0] ?? 0).readOnce(record.onceServices);
    const { servers, seed } = options;
    return { servers, seed, injected, longestRecoveryMs, ...judge(record, found) };
  } finally {
    await cluster.stop();
  }
}

/** A failure that names the fault during which it came, with the last that each server said. */
async function named<T>(fault: string, cluster: Cluster, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    const outputs = cluster.servers.map(({ name, output }) => `--- ${name}:\n${output.slice(-3_000)}`);
    throw new Error(`${fault}: ${errorMessage(thrown)}\n${outputs.join("\n")}`, { cause: thrown });
  }
}

/** How long it takes until one more write is acknowledged; rejects when none is. */
async function recover(workload: Workload): Promise<number> {
  const before = workload.acknowledged;
  const startMs = performance.now();
  await eventually("a write after the fault was healed", () => workload.acknowledged > before, recoveryTimeoutMs);
  return performance.now() - startMs;
}

function shuffled<T>(values: readonly T[], random: () => number): T[] {
  return values
    .map((value) => ({ value, order: random() }))
    .sort((a, b) => a.order - b.order)
    .map(({ value }) => value);
}
