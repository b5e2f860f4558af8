import type { Membership } from "../../server/raft/core/types.ts";
import type { Clients } from "./clients.ts";
import { maxStraggleUs } from "./network.ts";
import type { Rng } from "./random.ts";
import type { SimServer } from "./server.ts";
import { canGoOn } from "./survival.ts";
import { expectThat, Violation } from "./violation.ts";
import type { World } from "./world.ts";

/** Bounds on virtual time after healing. A snapshot over chunks, two elections and a retry of clients fit well into it. */
const convergeWithinUs = 30_000_000;
const stableForUs = 6_000_000;
const freshWrites = 3;

/**
 * The second phase: a quorum is healed for good, all else that is broken stays broken, and now the cluster has to work: one
 * leader, every open call answered, new writes done, all servers of the quorum at the same index, and after that no election.
 */
export function requireLiveness(setup: {
  readonly world: World;
  readonly rng: Rng;
  readonly clients: Clients;
  readonly possibleMemberships: readonly Membership[] | undefined;
}): void {
  const { world, rng, clients, possibleMemberships } = setup;
  world.network.heal();
  world.network.calm();
  for (const server of world.servers) {
    server.disk.calm();
    server.resume();
    world.start(server);
  }
  const core = drawCore(world, rng, possibleMemberships);
  const { alive, stuck } = breakOthers(world, rng, core);
  world.trace.note(0, "*", () => `liveness of ${core.map(({ id }) => id).join(" ")}`);
  // Nobody notices a hung disk before there is something to write.
  clients.restrictTo(() => [...core, ...alive, ...stuck]);
  const quietFromUs = world.heap.nowUs() + maxStraggleUs;
  const acknowledged = clients.acknowledged();
  const deadlineUs = world.heap.nowUs() + convergeWithinUs;
  runUntil(
    world,
    deadlineUs,
    () => clients.acknowledged() >= acknowledged + freshWrites,
    () => describe(core),
  );
  clients.stop();
  // A late message from before is reason enough for an election.
  const isConverged = (): boolean =>
    world.heap.nowUs() >= quietFromUs &&
    clients.openOperations() === 0 &&
    hasConverged(world, core, [...core, ...alive]);
  runUntil(world, deadlineUs, isConverged, () => `${describe(core)}; open operations: ${clients.openOperations()}`);
  const members = membersOf(world, core);
  const term = members[0]?.status?.term;
  if (rng.chance(0.5)) estrange(world, rng, core, alive);
  const untilUs = world.heap.nowUs() + stableForUs;
  while (world.heap.runNext(untilUs)) {}
  const isStable = members.every(({ status }) => status?.term === term);
  expectThat(isStable, "stable leadership", () => `an election without a reason: ${describe(members)}`);
  for (const { id, machine, status } of members) {
    if (machine !== undefined && status !== undefined)
      world.check.applies.compareState(id, status.appliedIndex, machine);
  }
}

/**
 * Cuts the link between the leader and one server that it can do without. The server still reaches everybody else, who hear
 * their leader and therefore do not help it to another one, however often it asks (thesis 4.2.3).
 */
function estrange(world: World, rng: Rng, core: readonly SimServer[], alive: readonly SimServer[]): void {
  const { leader } = world;
  const dispensable = [...core, ...alive].filter(
    (one) =>
      one !== leader &&
      canGoOn(
        core.filter((other) => other !== one),
        [world.membership],
      ),
  );
  if (leader === undefined || dispensable.length === 0) return;
  const one = rng.pick(dispensable);
  world.trace.note(one.slot, "*", () => `${one.id} and its leader ${leader.id} no longer hear each other`);
  world.network.block(one.id, leader.id);
  world.network.block(leader.id, one.id);
}

/** As small a set as every possible membership allows; everybody while nobody can tell what the membership will be. */
function drawCore(world: World, rng: Rng, possible: readonly Membership[] | undefined): SimServer[] {
  const there = world.servers.filter(({ isGone }) => !isGone);
  if (possible === undefined) return there;
  const members = new Set(possible.flatMap(({ voters, outgoing, learners }) => [...voters, ...outgoing, ...learners]));
  let core = there.filter(({ id }) => members.has(id));
  for (const one of rng.shuffled(core)) {
    const without = core.filter((server) => server !== one);
    if (canGoOn(without, possible) && rng.chance(0.7)) core = without;
  }
  return core;
}

/** Down, deaf, mute, with a disk that answers nothing any more, or alive, for good. Returns those who hear and speak. */
function breakOthers(
  world: World,
  rng: Rng,
  core: readonly SimServer[],
): { readonly alive: readonly SimServer[]; readonly stuck: readonly SimServer[] } {
  const alive: SimServer[] = [];
  const stuck: SimServer[] = [];
  for (const server of world.servers) {
    if (core.includes(server) || server.isGone) continue;
    const fate = rng.pick(["down", "deaf", "deaf", "mute", "stuck", "alive"]);
    world.trace.note(server.slot, "*", () => `${server.id} stays ${fate}`);
    if (fate === "alive") alive.push(server);
    if (fate === "stuck") {
      stuck.push(server);
      server.disk.stall(Number.MAX_SAFE_INTEGER / 2);
    }
    if (fate === "down") {
      if (server.isUp) server.crash();
      server.retire("stays down");
    }
    for (const other of world.servers) {
      if (other === server) continue;
      if (fate === "deaf") world.network.block(other.id, server.id);
      if (fate === "mute") world.network.block(server.id, other.id);
    }
  }
  return { alive, stuck };
}

/** Those who have to agree: servers that wait to be added, or do not know yet that they were removed, are none. */
function membersOf(world: World, core: readonly SimServer[]): SimServer[] {
  const { voters, learners } = world.membership;
  return core.filter(({ id }) => voters.includes(id) || learners.includes(id));
}

/**
 * The leader they agree on has to be one that works: a server that was made mute a moment ago is still believed in by those
 * whose clock has not run out, and the election that follows has its reason.
 */
function hasConverged(world: World, core: readonly SimServer[], working: readonly SimServer[]): boolean {
  const newest = world.check.logs.newestCommitted;
  const members = membersOf(world, core);
  const first = members[0]?.status;
  if (first === undefined || world.membership.outgoing.length > 0) return false;
  const leader = working.find(({ id }) => id === first.leader)?.status;
  if (leader?.role !== "leader" || leader.term !== first.term) return false;
  return members.every(
    ({ status }) => status?.term === first.term && status.leader === first.leader && status.appliedIndex >= newest,
  );
}

function runUntil(world: World, deadlineUs: number, isDone: () => boolean, describeState: () => string): void {
  while (!isDone()) {
    if (world.heap.nowUs() >= deadlineUs) throw new Violation("liveness", `not done in time: ${describeState()}`);
    // Looking once a tick is enough, and cheap.
    const untilUs = Math.min(deadlineUs, world.heap.nowUs() + 50_000);
    while (world.heap.runNext(untilUs)) {}
  }
}

function describe(core: readonly SimServer[]): string {
  return core
    .map(({ id, status }) => {
      if (status === undefined) return `${id} down`;
      const { role, term, leader, commitIndex, appliedIndex, lastIndex } = status;
      return `${id} ${role} of ${term} (leader ${leader}) last ${lastIndex} commit ${commitIndex} applied ${appliedIndex}`;
    })
    .join("; ");
}
