import type { Rng } from "./random.ts";
import { drawSwarm, type ProfileName, type SimOptions } from "./sim-options.ts";

/**
 * Most seeds are of the swarm: a bit of everything. The others narrow it down to what breaks one group of promises, since a
 * corner that needs five things at once is met by chance too rarely. Which one is up to the seed's number, so that any row of
 * seeds has them all.
 */
const order: readonly ProfileName[] = ["swarm", "reads", "membership", "swarm", "retries", "snapshots", "swarm"];

export const profileNames: readonly ProfileName[] = [...new Set(order)];

export function drawOptions(seed: number, rng: Rng): SimOptions {
  const swarm = drawSwarm(rng);
  const profile = order[seed % order.length] ?? "swarm";
  return { ...narrowed[profile](swarm, rng), profile };
}

const narrowed: Readonly<Record<ProfileName, (swarm: SimOptions, rng: Rng) => SimOptions>> = {
  swarm: (swarm) => swarm,
  reads,
  membership,
  retries,
  snapshots,
};

/** Eager readers who ask anybody, leaders that are cut off, and answers that come when somebody else has led for long. */
function reads(swarm: SimOptions, rng: Rng): SimOptions {
  return {
    ...swarm,
    servers: rng.pick([3, 3, 5]),
    clients: 6,
    keys: 2,
    readShare: rng.pick([0.6, 1]),
    thinkMeanUs: rng.pick([5_000, 20_000]),
    retryMeanUs: 3_000,
    loyalty: rng.pick([0.5, 0.9]),
    callTimeoutsUs: [100_000, 300_000],
    safetyUs: 10_000_000,
    network: {
      ...swarm.network,
      meanDelayUs: rng.pick([300, 2_000, 10_000]),
      lossChance: 0,
      straggleChance: rng.pick([0.01, 0.1]),
      duplicateChance: rng.pick([0, 0.1]),
      // A link that keeps the order would stand still behind each straggler.
      canReorder: true,
    },
    // Slow to commit, quick to answer: what waits for a commit and what only waits for an answer come apart.
    disk: { ...swarm.disk, syncMeanUs: rng.pick([200, 2_000, 20_000]), isLying: false },
    core: { ...swarm.core, electionTicks: rng.pick([5, 10]) },
    faults: {
      "partition-leader": 2,
      "freeze-leader": 3,
      "lose-at-answer": 3,
      "partition-in": 1,
      "partition-out": 1,
      clog: 1,
      heal: 1,
    },
    faultMeanUs: rng.pick([500_000, 1_000_000]),
    isPilingUp: false,
    operatorMeanUs: 0,
  };
}

/** Clusters of even and of small sizes whose members come and go without a pause, with leaders lost in the middle of it. */
function membership(swarm: SimOptions, rng: Rng): SimOptions {
  return {
    ...swarm,
    servers: rng.pick([1, 1, 2, 2, 3, 4, 4]),
    clients: 2,
    readShare: 0.3,
    thinkMeanUs: 100_000,
    safetyUs: rng.between(8, 14) * 1_000_000,
    disk: { ...swarm.disk, isLying: false },
    // Two voters do nothing while one of them is away: it has to be short.
    core: { ...swarm.core, electionTicks: rng.pick([5, 10]) },
    faults: {
      crash: rng.pick([0, 1]),
      "crash-all": rng.pick([0, 0.5]),
      "partition-halves": 1,
      "partition-one": 1,
      "partition-leader": 1,
      "lose-at-answer": 6,
      clog: 1,
      wipe: rng.pick([0, 0.3]),
      heal: 4,
    },
    faultMeanUs: rng.pick([500_000, 1_000_000]),
    isPilingUp: false,
    operatorMeanUs: rng.pick([150_000, 500_000]),
    transferShare: rng.pick([0, 0.2]),
    fewestVoters: rng.pick([1, 1, 1, 2, 3]),
    isImpatient: rng.chance(0.5),
    isEndingInChange: rng.chance(0.7),
  };
}

/** Writes whose answers are lost, asked for again and again under the same id while servers die and come back. */
function retries(swarm: SimOptions, rng: Rng): SimOptions {
  return {
    ...swarm,
    servers: rng.pick([1, 3, 3, 5]),
    keys: 2,
    isRetrying: true,
    readShare: 0.3,
    echoChance: 0.3,
    callLossChance: 0.2,
    callTimeoutsUs: [100_000, 400_000, 1_200_000],
    thinkMeanUs: 30_000,
    safetyUs: 8_000_000,
    disk: { ...swarm.disk, isLying: false },
    faults: {
      crash: 2,
      "crash-all": rng.pick([0, 1]),
      "partition-leader": 1,
      "lose-at-answer": 2,
      "disk-error": rng.pick([0, 1]),
      heal: 2,
    },
    faultMeanUs: rng.pick([200_000, 600_000]),
    operatorMeanUs: rng.pick([0, 0, 700_000]),
    // Snapshots carry the table of request ids, and restarts read it.
    limits: { ...swarm.limits, maxLogBytes: 3_000, trailingEntries: rng.pick([5, 30]) },
  };
}

/** Logs that are cut as soon as they may be: who was away for a moment gets a snapshot, late, by an old leader or twice. */
function snapshots(swarm: SimOptions, rng: Rng): SimOptions {
  return {
    ...swarm,
    servers: rng.pick([3, 3, 5]),
    clients: 4,
    keys: 4,
    readShare: 0.3,
    thinkMeanUs: 5_000,
    safetyUs: 8_000_000,
    network: {
      ...swarm.network,
      meanDelayUs: rng.pick([300, 2_000, 10_000]),
      straggleChance: rng.pick([0, 0.02, 0.1]),
      lossChance: rng.pick([0, 0.03]),
      canReorder: true,
    },
    disk: { ...swarm.disk, isLying: false },
    core: { ...swarm.core, electionTicks: rng.pick([5, 10]) },
    limits: { ...swarm.limits, maxLogBytes: rng.pick([1_000, 3_000]), trailingEntries: rng.pick([0, 5]) },
    chunkRows: rng.pick([1, 3]),
    faults: {
      crash: 1,
      pause: 1,
      "partition-one": 2,
      "partition-in": 1,
      "partition-leader": 2,
      "lose-at-answer": 1,
      "disk-slow": 1,
      "disk-stall": 1,
      wipe: rng.pick([0, 0.3]),
      heal: 2,
    },
    faultMeanUs: rng.pick([300_000, 700_000]),
    isPilingUp: false,
    operatorMeanUs: rng.pick([0, 400_000]),
  };
}
