import type { ConfigChange, ConfigStep, Membership } from "../../server/raft/core/types.ts";
import type { Rng } from "./random.ts";
import type { Reply, Rpc } from "./rpc.ts";
import type { SimServer } from "./server.ts";
import { canGoOn } from "./survival.ts";
import type { World } from "./world.ts";

/**
 * The person (or autopilot) who changes the membership under load: replaces lost servers by new ones under new ids, grows,
 * shrinks, demotes, moves addresses and leadership. Careful as a person must be: never leaves a voter set without a majority
 * of servers that can still come back, and after an unknown outcome settles it before going on. An impatient one asks for the
 * next change before the last is answered, which the leader has to cope with.
 */
export interface Operator {
  start(): void;
  stop(): void;
  /** No change may still take effect. */
  isSettled(): boolean;
  changes(): number;
  /** Called when a change has been proposed. */
  onChange(listener: () => void): void;
  /** Every membership that the cluster may come to have by itself; undefined when nobody can tell. */
  possibleMemberships(): readonly Membership[] | undefined;
}

interface Proposed {
  readonly steps: readonly ConfigStep[];
  /** By "unknown" or by nothing: all others are decided and no longer kept. */
  isAnswered: boolean;
  /** Were answered so when this one was asked for. */
  readonly after: readonly Proposed[];
}

const timeoutsUs = [1_000_000, 4_000_000];
const maxServers = 9;
/** A learner this close to the leader's commit index is promoted. */
const promotableLag = 20;

export function createOperator(setup: { readonly world: World; readonly rng: Rng; readonly rpc: Rpc }): Operator {
  const { world, rng, rpc } = setup;
  const { heap, options } = world;
  let isStopped = false;
  let isTransferring = false;
  let changes = 0;
  let addressNumber = 0;
  let listener = (): void => {};
  /** Changes that may still take effect. */
  let undecided: readonly Proposed[] = [];

  const next = (): void => {
    const meanUs = options.operatorMeanUs === 0 ? 1_500_000 : options.operatorMeanUs;
    heap.schedule(100_000 + rng.exponential(meanUs), () => {
      if (isStopped) return;
      if (!isTransferring && undecided.every(({ isAnswered }) => isAnswered)) act();
      next();
    });
  };

  const act = (): void => {
    retireRemoved();
    const { leader, membership } = world;
    if (leader === undefined || leader.isGone) return;
    const isSettled = undecided.length === 0;
    if (options.operatorMeanUs > 0 && isSettled && rng.chance(options.transferShare)) {
      transfer(leader, membership);
      return;
    }
    const steps = isSettled ? plan(leader, membership) : barrier(leader);
    if (steps === undefined) return;
    change(leader, steps);
    listener();
    if (options.isImpatient && isSettled && rng.chance(0.5)) askAgain(leader, steps);
  };

  const change = (leader: SimServer, steps: readonly ConfigStep[]): void => {
    changes += 1;
    const proposed: Proposed = { steps, isAnswered: false, after: undecided.filter(({ isAnswered }) => isAnswered) };
    undecided = [...undecided, proposed];
    const ask: ConfigChange = { type: "change", steps };
    world.trace.note(leader.slot, "o", () => `${JSON.stringify(ask)} to ${leader.id}`);
    rpc.call(leader, { type: "propose-change", change: ask }, { timeoutUs: rng.pick(timeoutsUs) }, (reply) =>
      answered(proposed, reply),
    );
  };

  /** The same once more, or what seemed right before that was done; at once, or a moment later. */
  const askAgain = (leader: SimServer, before: readonly ConfigStep[]): void => {
    const next = rng.chance(0.3) ? before : (plan(leader, world.membership) ?? before);
    heap.schedule(rng.pick([0, 2_000, 20_000]), () => {
      if (!isStopped && leader.isUp) change(leader, next);
    });
  };

  /** Nothing was heard yet of a change, and here is somebody else to ask. */
  const askSuccessor = (leader: SimServer): void => {
    const open = undecided.findLast(({ isAnswered }) => !isAnswered);
    if (isStopped || !options.isImpatient || open === undefined || rng.chance(0.3)) return;
    change(leader, rng.chance(0.7) ? open.steps : (plan(leader, world.membership) ?? open.steps));
  };
  world.onLeader(askSuccessor);

  const answered = (proposed: Proposed, reply: Reply): void => {
    world.trace.note(0, "o", () => `the operator got ${JSON.stringify(reply)}`);
    const isUnknown =
      reply.type === "silence" || (reply.type === "outcome" && !reply.outcome.ok && reply.outcome.reason === "unknown");
    if (isUnknown) {
      proposed.isAnswered = true;
      return;
    }
    // Done: so is everything before it, which is in the log or lost for good. Else it is certainly without effect.
    const isDone = reply.type === "outcome" && reply.outcome.ok;
    undecided = undecided.filter((one) => one !== proposed && !(isDone && proposed.after.includes(one)));
    if (isDone) retireRemoved();
  };

  const transfer = (leader: SimServer, { voters }: Membership): void => {
    const to = rng.pick(voters);
    if (to === leader.id) return;
    world.trace.note(leader.slot, "o", () => `transfer from ${leader.id} to ${to}`);
    isTransferring = true;
    rpc.call(leader, { type: "transfer", to }, { timeoutUs: rng.pick(timeoutsUs) }, () => {
      isTransferring = false;
    });
  };

  /** After an unknown outcome: once a later change is committed, the earlier one is decided. */
  const barrier = (leader: SimServer): readonly ConfigStep[] => [addressOf(leader.id)];

  const addressOf = (node: string): ConfigStep => {
    addressNumber += 1;
    return { action: "set-address", node, address: `${node}-${addressNumber}:8300` };
  };

  const plan = (leader: SimServer, membership: Membership): readonly ConfigStep[] | undefined => {
    const { voters, outgoing, learners } = membership;
    if (outgoing.length > 0) return undefined;
    const isThere = (id: string): boolean => world.server(id)?.isGone === false;
    const lost = [...voters, ...learners].filter((id) => !isThere(id));
    const ready = learners.find((id) => isThere(id) && isCaughtUp(leader, id));
    const [lostOne] = lost;
    if (lostOne !== undefined) {
      const remove: ConfigStep = { action: "remove", node: lostOne };
      if (learners.includes(lostOne)) return [remove];
      if (ready !== undefined) return [...promote(ready), remove];
      return learners.some(isThere) ? undefined : addLearner();
    }
    if (options.operatorMeanUs === 0) return undefined;
    // The step from two voters to one is the one that leaves somebody alone with what he has not heard.
    if (voters.length === 2 && rng.chance(0.4)) return shrink(leader, voters, "remove");
    if (ready !== undefined && rng.chance(0.7)) return rng.chance(0.5) ? promote(ready) : replace();
    return rng.pick([
      addLearner,
      () => shrink(leader, voters, "remove"),
      () => shrink(leader, voters, "add-learner"),
      replace,
      moved,
    ])();

    function moved(): readonly ConfigStep[] {
      return [addressOf(rng.pick(voters))];
    }

    function replace(): readonly ConfigStep[] | undefined {
      if (ready === undefined || voters.length < 2) return addLearner();
      const node = rng.pick(voters);
      const isDemoting = rng.chance(0.3);
      return [...promote(ready), isDemoting ? learn(node) : { action: "remove", node }];
    }
  };

  const promote = (node: string): readonly ConfigStep[] => [{ action: "add-voter", node, address: `${node}:8300` }];

  const learn = (node: string): ConfigStep => ({ action: "add-learner", node, address: `${node}:8300` });

  const addLearner = (): readonly ConfigStep[] | undefined => {
    if (world.servers.length >= maxServers || world.membership.learners.length >= 2) return undefined;
    const { id } = world.join();
    return [learn(id)];
  };

  /** The leader itself is the most delicate to take away. */
  const shrink = (
    leader: SimServer,
    voters: readonly string[],
    action: "remove" | "add-learner",
  ): readonly ConfigStep[] | undefined => {
    if (voters.length <= options.fewestVoters) return undefined;
    const node = rng.chance(0.4) ? leader.id : rng.pick(voters);
    return [action === "remove" ? { action, node } : learn(node)];
  };

  const isCaughtUp = (leader: SimServer, id: string): boolean => {
    const match = leader.status?.progress.find(({ node }) => node === id)?.match ?? 0;
    return match > 0 && match + promotableLag >= (leader.status?.commitIndex ?? 0);
  };

  /**
   * A removed server is switched off some time later, and until then may not disturb anybody. The answer to its removal is
   * enough for that; who has lost another server meanwhile first looks whether the rest can do without this one.
   */
  const retireRemoved = (): void => {
    for (const server of world.servers) {
      if (server.isGone || !world.membership.removed.includes(server.id) || !rng.chance(0.3)) continue;
      const left = world.servers.filter((other) => other !== server && !other.isGone);
      const isLosing = [...world.membership.voters, ...world.membership.outgoing].some(
        (id) => world.server(id)?.isGone !== false,
      );
      if (isLosing && !canGoOn(left, [world.membership])) continue;
      if (server.isUp) server.crash();
      if (rng.chance(0.5)) world.network.dropFrom(server.id);
      server.retire("removed");
    }
  };

  return {
    start: next,
    stop() {
      isStopped = true;
    },
    isSettled: () => undecided.length === 0,
    changes: () => changes,
    onChange(one) {
      listener = one;
    },
    possibleMemberships() {
      const { membership } = world;
      const [one, another] = undecided;
      if (one === undefined) return [membership];
      return another === undefined && !one.isAnswered ? [membership, after(membership, one.steps)] : undefined;
    },
  };
}

/** Roughly, for counting majorities only: the joint phase, in which both sets have a say. */
function after(membership: Membership, steps: readonly ConfigStep[]): Membership {
  const added = steps.filter(({ action }) => action === "add-voter").map(({ node }) => node);
  const dropped = steps.filter(({ action }) => action === "remove" || action === "add-learner").map(({ node }) => node);
  const voters = [...new Set([...membership.voters, ...added])].filter((id) => !dropped.includes(id));
  return { ...membership, voters, outgoing: membership.voters };
}
