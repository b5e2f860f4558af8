import { defaultCoreConfig } from "../../server/raft/core/types.ts";
import type { ReplicaLimits } from "../../server/raft/replica/replica-api.ts";
import { catalog } from "./catalog-machine.ts";
import type { DiskOptions } from "./disk.ts";
import { type MachineKind, registers } from "./machine.ts";
import type { NetworkOptions } from "./network.ts";
import type { Rng } from "./random.ts";

/** All that a seed decides before its run begins (swarm testing: each run has some of the faults, none has all). */
export interface SimOptions {
  readonly profile: ProfileName;
  readonly servers: number;
  readonly machine: MachineKind;
  readonly clients: number;
  readonly keys: number;
  readonly isRetrying: boolean;
  /** Of a write that is done to be asked for once more, as by somebody who has lost the answer. */
  readonly echoChance: number;
  /** Of a call or an answer to be lost between client and server. */
  readonly callLossChance: number;
  readonly callTimeoutsUs: readonly number[];
  /** Mean pause before the next attempt. */
  readonly retryMeanUs: number;
  /** Share of attempts that go to the leader a client believes in, when it believes in any. */
  readonly loyalty: number;
  readonly readShare: number;
  readonly thinkMeanUs: number;
  /** Faults last so long; then the healed cluster must converge. */
  readonly safetyUs: number;
  readonly network: NetworkOptions;
  readonly disk: DiskOptions;
  readonly core: Omit<typeof defaultCoreConfig, "id">;
  readonly limits: ReplicaLimits;
  /** Relative weights of what goes wrong; what has none never does. */
  readonly faults: Readonly<Partial<Record<FaultKind, number>>>;
  readonly faultMeanUs: number;
  /** A new partition comes on top of those before it; else it takes their place. */
  readonly isPilingUp: boolean;
  /** Mean time between the operator's membership changes and transfers; 0 for none. */
  readonly operatorMeanUs: number;
  readonly transferShare: number;
  /** More voters than this may be taken away again. */
  readonly fewestVoters: number;
  /** The operator asks for the next change before it knows what became of the last. */
  readonly isImpatient: boolean;
  /** The safety phase ends in the middle of a membership change, with every server down. */
  readonly isEndingInChange: boolean;
  /** Ticks of each server differ by up to this share. */
  readonly clockSkew: number;
  /** Inputs of the same moment are handed over in one group. */
  readonly isGrouping: boolean;
  readonly chunkRows: number;
}

export const faultKinds = [
  "crash",
  "crash-all",
  "pause",
  "partition-halves",
  "partition-one",
  "partition-in",
  "partition-out",
  "partition-ring",
  "partition-leader",
  "freeze-leader",
  "lose-at-answer",
  "heal",
  "clog",
  "disk-stall",
  "disk-slow",
  "disk-error",
  "disk-drop",
  "disk-flip",
  "wipe",
] as const;
export type FaultKind = (typeof faultKinds)[number];

/** The kinds that lose a disk for good: bounded to a minority, since more cannot be survived by anybody. */
export const lossKinds: readonly FaultKind[] = ["disk-drop", "disk-flip", "wipe"];

const tickUs = 50_000;
export { tickUs };

/** The swarm, or one of the profiles that look long and hard into one corner; see `profiles.ts`. */
export type ProfileName = "swarm" | "reads" | "membership" | "retries" | "snapshots";

export function drawSwarm(rng: Rng): SimOptions {
  const isDiskLying = rng.chance(0.05);
  const operatorMeanUs = rng.chance(0.5) ? rng.pick([700_000, 1_500_000, 4_000_000]) : 0;
  const some = (chance: number, weights: readonly number[]): number => (rng.chance(chance) ? rng.pick(weights) : 0);
  const lossChance = some(0.6, [0.005, 0.03, 0.12]);
  const servers = rng.pick([1, 2, 3, 3, 3, 3, 4, 5, 5, 5]);
  return {
    profile: "swarm",
    servers,
    machine: rng.chance(0.25) ? catalog : registers,
    clients: rng.between(2, 6),
    keys: rng.between(2, 4),
    isRetrying: rng.chance(0.8),
    echoChance: some(0.5, [0.02, 0.1]),
    callLossChance: lossChance / 2,
    callTimeoutsUs: [400_000, 1_200_000, 3_000_000],
    retryMeanUs: rng.pick([5_000, 60_000]),
    loyalty: rng.pick([0.5, 0.9, 0.9]),
    readShare: rng.pick([0.3, 0.3, 1]),
    thinkMeanUs: rng.pick([20_000, 60_000, 200_000]),
    safetyUs: rng.between(6, 16) * 1_000_000,
    network: {
      minDelayUs: rng.pick([100, 500, 2_000]),
      meanDelayUs: rng.pick([300, 2_000, 10_000, 40_000]),
      lossChance,
      duplicateChance: some(0.5, [0.01, 0.1]),
      canReorder: rng.chance(0.6),
      straggleChance: some(0.3, [0.002, 0.02]),
    },
    disk: { syncMeanUs: rng.pick([200, 2_000, 15_000]), writeMeanUs: 100, isLying: isDiskLying },
    core: {
      ...defaultCoreConfig,
      electionTicks: rng.pick([10, 20]),
      maxAppendBytes: rng.pick([64, 512, 256 * 1024]),
      maxInflightMessages: rng.pick([1, 4, 64]),
      maxUncommittedBytes: rng.pick([1_500, 16 * 1024 * 1024]),
      maxApplyBytes: rng.pick([200, 4 * 1024 * 1024]),
      maxPendingReads: rng.pick([4, 4_096]),
    },
    limits: {
      diskStallTicks: rng.pick([10, 20]),
      maxQueuedProposals: rng.pick([8, 1_024]),
      trailingEntries: rng.pick([5, 30, 400]),
      maxLogBytes: rng.pick([3_000, 1_000_000]),
      maxRequestIds: 4_096,
      stateHashEvery: rng.pick([7, 50, 1_000]),
    },
    faults: {
      crash: some(0.7, [1, 3]),
      "crash-all": some(0.2, [0.5]),
      pause: some(0.5, [1, 2]),
      "partition-halves": some(0.5, [1, 2]),
      "partition-one": some(0.5, [1, 2]),
      "partition-in": some(0.3, [1]),
      "partition-out": some(0.3, [1]),
      "partition-ring": some(0.2, [1]),
      "partition-leader": some(0.5, [1, 3]),
      "freeze-leader": some(0.5, [1, 4]),
      "lose-at-answer": some(0.4, [1, 3]),
      heal: 2,
      clog: some(0.4, [1, 2]),
      "disk-stall": some(0.3, [1]),
      "disk-slow": some(0.3, [1]),
      "disk-error": some(0.3, [1]),
      "disk-drop": isDiskLying ? 0 : some(0.2, [0.3]),
      "disk-flip": isDiskLying ? 0 : some(0.2, [0.3]),
      wipe: isDiskLying ? 0 : some(0.3, [0.3]),
    },
    faultMeanUs: rng.pick([200_000, 500_000, 1_500_000]),
    isPilingUp: rng.chance(0.5),
    operatorMeanUs: isDiskLying ? 0 : operatorMeanUs,
    transferShare: rng.pick([0, 0.3, 0.7]),
    fewestVoters: Math.max(3, servers),
    isImpatient: rng.chance(0.3),
    isEndingInChange: rng.chance(0.4),
    clockSkew: rng.pick([0, 0.02, 0.2]),
    isGrouping: rng.chance(0.5),
    chunkRows: rng.pick([1, 3, 50]),
  };
}
