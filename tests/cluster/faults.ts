import { defaultLimits } from "../../server/raft/shell/node.ts";
import { eventually } from "../fakes/eventually.ts";
import type { Cluster } from "./cluster.ts";
import { objectionTo, replaceMember, startDamaged } from "./damage.ts";
import type { DatabasePart } from "./flip-bits.ts";
import { type SmallDisk, whyNoSmallDisk } from "./full-disk.ts";
import { writeMany } from "./flood.ts";
import type { ServerProcess } from "./server-process.ts";

export const faultKinds = [
  "kill",
  "kill-leader",
  "kill-all",
  "pause",
  "pause-leader",
  "partition",
  "isolate-leader",
  "one-way-out",
  "one-way-in",
  "cut",
  "delay",
  "flip-log",
  "flip-table",
  "fall-behind",
  "full-disk",
] as const;
export type FaultKind = (typeof faultKinds)[number];

/** Those that do something to a cluster of so many servers. */
export function faultKindsFor(servers: number): readonly FaultKind[] {
  if (servers === 1) return ["kill-leader", "kill-all", "pause-leader"];
  return faultKinds.filter((kind) => kind !== "full-disk" || whyNoSmallDisk() === "");
}

interface FaultContext {
  readonly cluster: Cluster;
  readonly leader: ServerProcess;
  readonly random: () => number;
  /** By server; empty where none can be had. */
  readonly disks: ReadonlyMap<ServerProcess, SmallDisk>;
}

/** A full disk must end its server as soon as it has to write. */
const diskTimeoutMs = 20_000;
const snapshotTimeoutMs = 30_000;

/** What each fault does. Those that last are ended by the cluster's `heal`; none needs privileges. */
const faults: Readonly<Record<FaultKind, (context: FaultContext) => Promise<void> | void>> = {
  /** As many as the cluster can do without. */
  async kill({ cluster, random }) {
    await Promise.all(minorityOf(cluster, random).map((server) => server.end("SIGKILL")));
  },
  "kill-leader": ({ leader }) => leader.end("SIGKILL"),
  /** As a power cut: only what is on the disks is left. */
  async "kill-all"({ cluster }) {
    await Promise.all(cluster.servers.map((server) => server.end("SIGKILL")));
  },
  pause({ cluster, random }) {
    for (const server of minorityOf(cluster, random)) server.pause();
  },
  /** It still believes that it leads when it goes on. */
  "pause-leader": ({ leader }) => leader.pause(),
  partition({ cluster, random }) {
    const cutOff = minorityOf(cluster, random);
    for (const a of cutOff) for (const b of others(cluster, cutOff)) holdBoth(cluster, a, b);
  },
  "isolate-leader"({ cluster, leader }) {
    for (const other of others(cluster, [leader])) holdBoth(cluster, leader, other);
  },
  /** The leader hears the others and they do not hear it. */
  "one-way-out"({ cluster, leader }) {
    for (const other of others(cluster, [leader])) cluster.links.hold(leader.name, other.name);
  },
  /** The others hear the leader and it does not hear them. */
  "one-way-in"({ cluster, leader }) {
    for (const other of others(cluster, [leader])) cluster.links.hold(other.name, leader.name);
  },
  cut({ cluster }) {
    if (cluster.links.cut() === 0) throw new Error("there was no connection to cut");
  },
  delay({ cluster, random }) {
    cluster.links.delay(20 + Math.floor(random() * 100));
  },
  /** A follower that is away until the log no longer reaches back to it, and dies once more while it catches up. */
  async "fall-behind"({ cluster, leader, random }) {
    const server = oneOf(others(cluster, [leader]), random);
    await server.end("SIGKILL");
    await writeMany(leader.httpPort, defaultLimits.trailingEntries + 2_000);
    const before = server.output.length;
    await server.start();
    await Bun.sleep(random() * 1_000);
    await server.end("SIGKILL");
    await server.start();
    const hasSnapshot = (): boolean => server.output.slice(before).includes("received a snapshot");
    await eventually(`${server.name} to receive a snapshot`, hasSnapshot, snapshotTimeoutMs);
  },
  "flip-log": (context) => flipAndReplace(context, "log"),
  "flip-table": (context) => flipAndReplace(context, "table"),
  async "full-disk"({ cluster, disks, random }) {
    const server = oneOf(cluster.servers, random);
    const disk = disks.get(server);
    if (disk === undefined) throw new Error(`${server.name} has no disk that can be filled`);
    disk.fill();
    await eventually("a server with a full disk to end", () => server.hasEndedByItself(), diskTimeoutMs);
    disk.empty();
  },
};

export async function injectFault(kind: FaultKind, context: FaultContext): Promise<void> {
  await faults[kind](context);
}

async function flipAndReplace({ cluster, random }: FaultContext, part: DatabasePart): Promise<void> {
  const server = oneOf(cluster.servers, random);
  const objection = objectionTo(await startDamaged(server, part));
  if (objection !== "") throw new Error(objection);
  await replaceMember(cluster, server);
}

function oneOf(servers: readonly ServerProcess[], random: () => number): ServerProcess {
  const server = servers[Math.floor(random() * servers.length)];
  if (server === undefined) throw new Error("a cluster without servers");
  return server;
}

function minorityOf(cluster: Cluster, random: () => number): readonly ServerProcess[] {
  const size = Math.floor((cluster.servers.length - 1) / 2);
  const start = Math.floor(random() * cluster.servers.length);
  return Array.from({ length: size }, (_, n) => cluster.servers[(start + n) % cluster.servers.length]).filter(
    (server) => server !== undefined,
  );
}

function others(cluster: Cluster, these: readonly ServerProcess[]): readonly ServerProcess[] {
  return cluster.servers.filter((server) => !these.includes(server));
}

function holdBoth(cluster: Cluster, a: ServerProcess, b: ServerProcess): void {
  cluster.links.hold(a.name, b.name);
  cluster.links.hold(b.name, a.name);
}
