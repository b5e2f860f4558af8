import { AtollError } from "../../../../lib/contract/error-codes.ts";
import type { RangedStore } from "../../../../server/log/durable-store.ts";
import type { ReplicaLimits } from "../../../../server/raft/replica/replica-api.ts";
import type { LevelLog } from "../../../../server/raft/shell/level-log.ts";
import { openLevelLog } from "../../../../server/raft/shell/level-log.ts";
import type { PeerWire } from "../../../../server/raft/shell/peer-wire.ts";
import { openRaftLog, type RaftLog } from "../../../../server/raft/shell/raft-log.ts";
import { seedOfNewCluster, writeSeed } from "../../../../server/raft/shell/seed-store.ts";
import { createState, type State } from "../../../../server/state/state.ts";
import { createTestRuntime } from "../../../fakes/test-runtime.ts";
import { createVirtualClock, type VirtualClock } from "../../../fakes/virtual-clock.ts";
import { identity } from "./disk.ts";

/** Where a cluster of one sends nothing. */
export const noPeers: PeerWire = {
  dial: (address) => Promise.reject(new AtollError("UNAVAILABLE", `${address} is nobody`)),
  sendSnapshot: (address) => Promise.reject(new AtollError("UNAVAILABLE", `${address} is nobody`)),
};

export const ownAddress = "127.0.0.1:8300";
/** Electing itself takes one server a few ticks. */
const maxElectionTurns = 200;

export interface OneServer {
  readonly log: RaftLog;
  readonly state: State;
  readonly clock: VirtualClock;
  readonly fatal: AtollError[];
  /** Resolves when the write under way, if any, is over. */
  diskIdle(): Promise<void>;
}

export interface OneServerOptions {
  readonly store: RangedStore;
  /** Of the vote file. */
  readonly directory: string;
  readonly limits?: Partial<ReplicaLimits>;
}

/** A cluster of one on a store, made when that is empty; it does not lead yet. */
export async function openOneServer(options: OneServerOptions): Promise<OneServer> {
  const { limits = {} } = options;
  const state = createState();
  const clock = createVirtualClock(1_800_000_000_000);
  const fatal: AtollError[] = [];
  const disk = await openOwnDisk(options);
  let writing = Promise.resolve();
  const log = openRaftLog({
    disk: {
      ...disk,
      write(batch) {
        const written = disk.write(batch);
        writing = written.catch(() => undefined);
        return written;
      },
    },
    machine: state,
    wire: noPeers,
    limits,
    runtime: createTestRuntime({ clock }),
    onFatal: (error) => fatal.push(error),
  });
  return { log, state, clock, fatal, diskIdle: () => writing };
}

/** The same, leading, with everything applied that its log holds and nothing left to write. */
export async function startOneServer(options: OneServerOptions): Promise<OneServer> {
  const server = await openOneServer(options);
  server.log.advertise(ownAddress);
  await lead(server);
  return server;
}

export async function lead({ log, clock, diskIdle }: OneServer): Promise<void> {
  for (let turn = 0; !log.leadership().isLeader; turn++) {
    if (turn === maxElectionTurns) throw new Error("a server alone does not elect itself");
    await pass(clock, 50);
    // Time stands still while the disk is busy, or the engine would find it stuck.
    await diskIdle();
  }
  await log.readIndex();
  await pass(clock, 100);
}

/** Time goes by, and the engine, which takes the inputs of a turn of the event loop together, gets its turns. */
export async function pass(clock: VirtualClock, ms: number): Promise<void> {
  await clock.advance(ms);
  await turns();
}

/** Lets the engine do all that it can without time and disk. */
export async function turns(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
}

async function openOwnDisk({ store, directory }: OneServerOptions): Promise<LevelLog> {
  const options = { store, directory, expected: { datacenter: identity.datacenter } };
  try {
    const found = await openLevelLog(options);
    if (found !== undefined) return found;
    await writeSeed(store, seedOfNewCluster(identity, ownAddress));
    const made = await openLevelLog(options);
    if (made === undefined) throw new Error("the seed was not found");
    return made;
  } catch (thrown) {
    await store.close();
    throw thrown;
  }
}
