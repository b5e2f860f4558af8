import type { Rng } from "./random.ts";
import type { SimServer } from "./server.ts";
import { type FaultKind, faultKinds, lossKinds, tickUs } from "./sim-options.ts";
import { canGoOn } from "./survival.ts";
import type { World } from "./world.ts";

/** What goes wrong during the safety phase, by the weights of the seed's options. */
export interface Faults {
  start(): void;
  /** No new ones; those that are going on are ended by the liveness phase. */
  stop(): void;
  counts(): ReadonlyMap<FaultKind, number>;
}

export function createFaults(setup: {
  readonly world: World;
  readonly rng: Rng;
  /** Membership changes whose outcome is open: nothing may be lost for good meanwhile. */
  readonly isMembershipSettled: () => boolean;
}): Faults {
  const { world, rng, isMembershipSettled } = setup;
  const { heap, network, options, servers } = world;
  const counts = new Map<FaultKind, number>();
  const total = faultKinds.reduce((sum, kind) => sum + (options.faults[kind] ?? 0), 0);
  let isStopped = false;
  let isArmed = false;

  const drawKind = (): FaultKind => {
    let left = rng.float() * total;
    for (const kind of faultKinds) {
      left -= options.faults[kind] ?? 0;
      if (left < 0) return kind;
    }
    return "heal";
  };

  const next = (): void => {
    heap.schedule(rng.exponential(options.faultMeanUs), () => {
      if (isStopped) return;
      const kind = drawKind();
      const up = servers.filter(({ isUp }) => isUp);
      if (up.length > 0) inject(kind, rng.pick(up));
      next();
    });
  };

  const inject = (kind: FaultKind, victim: SimServer): void => {
    if (lossKinds.includes(kind) && !mayLose(victim)) return;
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
    world.trace.note(kind === "heal" ? 0 : victim.slot, "*", () => `${kind} at ${victim.id}`);
    actions[kind](victim);
  };

  /** Those who are left must be able to go on, or nobody could promise anything. */
  const mayLose = (victim: SimServer): boolean => {
    if (!isMembershipSettled()) return false;
    const left = servers.filter((server) => server !== victim && !server.isGone);
    return canGoOn(left, [world.membership]);
  };

  const crash = (victim: SimServer): void => {
    victim.crash();
    heap.schedule(rng.exponential(700_000), () => world.start(victim));
  };

  const damage = (victim: SimServer, kind: "drop-middle" | "flip"): void => {
    victim.crash(kind);
    // At once, so that what else may be lost is decided with this loss known.
    world.start(victim);
  };

  const cut = (isCut: (from: SimServer, to: SimServer) => boolean): void => {
    if (!options.isPilingUp) network.heal();
    for (const from of servers) for (const to of servers) if (isCut(from, to)) network.block(from.id, to.id);
  };

  const loseAtAnswer = (leader: SimServer): void => {
    if (!isArmed || isStopped || !leader.isUp) return;
    isArmed = false;
    world.trace.note(leader.slot, "*", () => `${leader.id} is lost with an answer`);
    if (rng.chance(0.5)) {
      network.dropFrom(leader.id);
      crash(leader);
    } else {
      cut((from, to) => (from === leader) !== (to === leader));
      if (rng.chance(0.5)) network.dropFrom(leader.id);
    }
  };
  world.onAnswer(loseAtAnswer);

  const actions: Readonly<Record<FaultKind, (victim: SimServer) => void>> = {
    crash,
    "crash-all": () => {
      for (const server of servers) if (server.isUp) crash(server);
    },
    pause(victim) {
      victim.pause();
      heap.schedule(rng.exponential(rng.pick([300_000, 3_000_000])), () => victim.resume());
    },
    "partition-halves": () => {
      const side = new Map(servers.map(({ id }) => [id, rng.chance(0.5)]));
      cut((from, to) => side.get(from.id) !== side.get(to.id));
    },
    "partition-one": (victim) => cut((from, to) => (from === victim) !== (to === victim)),
    "partition-in": (victim) => cut((from, to) => to === victim && from !== victim),
    "partition-out": (victim) => cut((from, to) => from === victim && to !== victim),
    "partition-ring": () => {
      // Everybody hears the two neighbours only, so majorities overlap without agreeing on who is there.
      const count = servers.length;
      cut((from, to) => {
        const distance = (from.slot - to.slot + count) % count;
        return distance > 1 && distance < count - 1;
      });
    },
    "partition-leader": (victim) => {
      const leader = world.leader ?? victim;
      cut((from, to) => (from === leader) !== (to === leader));
    },
    // Cut off and stopped for about as long as an election takes; when it runs again it still believes that it leads.
    "freeze-leader": (victim) => {
      const leader = world.leader ?? victim;
      cut((from, to) => (from === leader) !== (to === leader));
      leader.pause();
      heap.schedule(rng.between(2, 6) * options.core.electionTicks * tickUs, () => leader.resume());
    },
    heal: () => network.heal(),
    clog(victim) {
      const other = rng.pick(servers);
      network.clog(victim.id, other.id, rng.exponential(1_000_000));
    },
    // Armed here, goes off with the next promise that a leader makes: nothing else may have to know of it for it to hold.
    "lose-at-answer": () => {
      isArmed = true;
    },
    "disk-stall": (victim) => victim.disk.stall(rng.exponential(1_500_000)),
    "disk-slow"(victim) {
      victim.disk.slow(30);
      heap.schedule(rng.exponential(2_000_000), () => victim.disk.slow(1));
    },
    "disk-error"(victim) {
      victim.mayHalt = true;
      victim.disk.failNext();
    },
    "disk-drop": (victim) => damage(victim, "drop-middle"),
    "disk-flip": (victim) => damage(victim, "flip"),
    wipe(victim) {
      victim.crash();
      victim.retire("wiped");
    },
  };

  return {
    start: next,
    stop() {
      isStopped = true;
    },
    counts: () => counts,
  };
}
