/**
 * The driver. Every input runs to its end: the core takes it, its readies are drained, what has to be written becomes a
 * batch when none is outstanding, and all that the shell has to do is returned in order. The files beside this one hold
 * the ideas; this one holds the order in which they meet.
 */
import { unreachable } from "../../../lib/base/assert.ts";
import { createRaftCore } from "../core/raft.ts";
import type { CoreStatus, Entry, Message, RaftCore, Ready } from "../core/types.ts";
import { createApplier } from "./applying.ts";
import { createBatches } from "./batches.ts";
import { createCompaction } from "./compaction.ts";
import { createDiskStall, transferTarget } from "./disk-stall.ts";
import { createEffectList } from "./effect-list.ts";
import { encodeStateHash } from "./envelope.ts";
import { createFollowerNeeds } from "./follower-needs.ts";
import { createInstalling } from "./installing.ts";
import { createIntake } from "./intake.ts";
import { createProposals } from "./proposals.ts";
import { createReads } from "./reads.ts";
import type { Effect, Replica, ReplicaInput, ReplicaLeadership, ReplicaOptions, ReplicaStatus } from "./replica-api.ts";
import { createSnapshotSending } from "./snapshots.ts";
import { createTransfers } from "./transfers.ts";

type InputOf<Type extends ReplicaInput["type"]> = Extract<ReplicaInput, { readonly type: Type }>;

/** The replica of one server; `options.rows` has been read to its end when this returns. */
export function createReplica(options: ReplicaOptions): Replica {
  const { core: config, stored, random } = options;
  return createReplicaOver(createRaftCore({ config, stored, random }), options);
}

/** The replica over a core that is handed in, so that tests and simulation can break the core or replace it. */
export function createReplicaOver(core: RaftCore, options: ReplicaOptions): Replica {
  const { limits, machine, stored } = options;
  const self = options.core.id;
  const { electionTicks } = options.core;
  const leader = (): string => core.status.leader;
  const isLeader = (): boolean => core.status.role === "leader";
  const effects = createEffectList({ leader });
  const batches = createBatches(stored);
  const applier = createApplier({ machine, limits });
  const proposals = createProposals({ patienceTicks: electionTicks, leader });
  const reads = createReads();
  const transfers = createTransfers({ patienceTicks: 2 * electionTicks });
  const sending = createSnapshotSending();
  const installing = createInstalling();
  const stall = createDiskStall({ stallTicks: limits.diskStallTicks, transferTicks: electionTicks });
  const compaction = createCompaction({ ...limits, firstIndex: stored.first.index, entries: stored.entries });
  const followerNeeds = createFollowerNeeds({ patienceTicks: electionTicks });
  const intake = createIntake({ core, effects, applier, proposals, reads, transfers, stall, ...limits });

  let isFlushDue = false;
  let isStatusDue = true;
  let ticksSinceLeader = 0;
  let foreignMessages = 0;
  let known: CoreStatus = core.status;

  const leadership = (): ReplicaLeadership => {
    const { role, term, leader: known } = core.status;
    const { membership } = core;
    return { role, term, leader: known, membership, ticksSinceLeader, isHalted: effects.isHalted };
  };
  const status = (): ReplicaStatus => ({
    ...leadership(),
    id: self,
    commitIndex: core.commitIndex,
    appliedIndex: core.appliedIndex,
    lastIndex: core.lastIndex,
    firstIndex: core.firstIndex,
    progress: core.progress(),
    foreignMessages,
  });

  const send = (message: Message): void => {
    if (stall.maySend(message)) effects.add({ type: "send", message });
  };
  const receive = ({ clusterId, message }: InputOf<"message">): void => {
    if (clusterId !== options.clusterId) {
      foreignMessages++;
      return;
    }
    // An address may have passed from one server to another; ids never do.
    if (message.to !== self) return;
    if (message.type === "heartbeat" && message.term >= core.status.term && message.commit > core.lastIndex) {
      // The leader names only what this server has acknowledged.
      effects.halt(
        `entries up to ${message.commit} were acknowledged, the log ends at ${core.lastIndex}: the disk lost some`,
      );
      return;
    }
    core.step(message);
    if (message.from === leader()) ticksSinceLeader = 0;
  };

  const onStatus = (next: CoreStatus): void => {
    isStatusDue = true;
    const isLeading = next.role === "leader";
    if (!isLeading) sending.forgetWaiting();
    if (isLeading || next.leader !== known.leader) ticksSinceLeader = 0;
    known = next;
    proposals.noteLeadership(isLeading);
    effects.answerAll(transfers.noteLeader({ leader: next.leader, self, commitIndex: core.commitIndex }));
  };

  const applyOne = (entry: Entry): void => {
    if (entry.index > batches.durableIndex) {
      effects.halt(`entry ${entry.index} was to be applied, only ${batches.durableIndex} are on the disk`);
      return;
    }
    const applied = applier.apply(entry);
    if (!applied.ok) {
      effects.halt(applied.reason);
      return;
    }
    batches.noteApplied(entry.index, applied.rows);
    effects.answerAll(proposals.settle(entry, { ok: true, index: applied.index, result: applied.result }));
  };
  const applyAll = (entries: readonly Entry[]): void => {
    for (const entry of entries) if (!effects.isHalted) applyOne(entry);
    const last = entries.at(-1);
    if (last === undefined || effects.isHalted) return;
    core.advanceApplied(last.index);
    if (entries.some(({ kind }) => kind === "config")) {
      batches.noteMembership(core.membership);
      isStatusDue = true;
    }
    machine.notify();
    const hash = applier.takeHash();
    if (hash !== undefined && isLeader()) core.propose(encodeStateHash(hash));
  };
  const serveReads = (): void => {
    for (const read of reads.takeServable(core.appliedIndex)) effects.add({ type: "serve-read", ...read });
  };

  const takeReady = (ready: Ready): void => {
    reads.confirm(ready.reads);
    for (const id of reads.reject(ready.rejectedReads)) {
      if (isLeader()) effects.refuse(id, "refused", "too many reads wait for the leader");
      else effects.refuseNotLeader(id);
    }
    if (ready.status !== undefined) onStatus(ready.status);
    ready.messages.forEach(send);
    compaction.noteEntries(ready.entries);
    batches.noteEntries(ready.entries);
    if (ready.hardState !== undefined) batches.noteHardState(ready.hardState);
    if (ready.mustSync) batches.requireSync();
    for (const message of ready.messagesAfterStore) if (!batches.hold({ type: "send", message })) send(message);
    if (!batches.holdMark(ready.mark)) core.advanceStored(ready.mark);
    if (ready.install !== undefined) installing.wait(ready.install);
    sending.want(ready.snapshotsWanted);
    applyAll(ready.committed);
    serveReads();
  };
  const drainCore = (): void => {
    while (!effects.isHalted && core.hasReady()) takeReady(core.takeReady());
  };

  const startSnapshots = (): void => {
    if (!isLeader()) return;
    for (const to of sending.start(core.appliedIndex)) {
      const effect: Effect = { type: "send-snapshot", to, term: core.status.term };
      // The disk must hold the membership with `to`, and rows up to where the kept log begins.
      if (!batches.hold(effect, { restsOnRows: true })) effects.add(effect);
    }
  };
  const release = (effect: Effect): void => {
    if (effect.type === "send") send(effect.message);
    else if (effect.type !== "send-snapshot") effects.add(effect);
    else if (isLeader() && effect.term === core.status.term) effects.add(effect);
    else sending.finished(effect.to);
  };
  const onStored = (batchId: number): void => {
    stall.clear();
    const { released, mark } = batches.stored(batchId);
    released.forEach(release);
    if (mark !== undefined) core.advanceStored(mark);
  };

  const onStaged = ({ from, term, snapshot }: InputOf<"snapshot-staged">): void => {
    if (installing.isUnderWay(snapshot)) return;
    core.step({ type: "snapshot", from, to: self, term, snapshot });
    drainCore();
    if (!installing.isUnderWay(snapshot)) effects.add({ type: "discard-snapshot", snapshot });
  };
  /** With nothing outstanding and nothing unwritten asks for the swap; first has written what is in its way. */
  const installWaiting = (): void => {
    const snapshot = installing.waiting;
    if (snapshot === undefined || batches.isOutstanding) return;
    if (!batches.isIdle) {
      isFlushDue = true;
      return;
    }
    installing.begin();
    effects.add({ type: "install-snapshot", snapshot, hardState: { ...batches.hardState, commit: snapshot.index } });
  };
  const onInstalled = ({ snapshot, rows }: InputOf<"snapshot-installed">): void => {
    installing.finish(snapshot);
    batches.replaceBySnapshot(snapshot);
    compaction.reset(snapshot.index);
    applier.restore(snapshot.index, rows);
    core.restoreSnapshot(snapshot);
    machine.notify();
    isStatusDue = true;
    effects.answerAll(proposals.skipTo(snapshot.index));
    serveReads();
  };

  const compact = (): void => {
    const neededBehind = Math.min(sending.neededBehind(), followerNeeds.tick(core.progress(), core.firstIndex));
    const to = compaction.next({ appliedIndex: core.appliedIndex, neededBehind });
    if (to === undefined) return;
    core.compact(to);
    batches.noteCompacted(to);
  };
  const isOnlyVoter = (): boolean => {
    const { voters, outgoing } = core.membership;
    return outgoing.length === 0 && voters.length === 1 && voters[0] === self;
  };
  const watchDisk = (): void => {
    const due = batches.isOutstanding ? stall.tick() : undefined;
    // Nobody else could lead a cluster of one.
    if (due === undefined || !isLeader() || isOnlyVoter()) return;
    const target = due === "hand-over" ? transferTarget(core.progress(), core.membership, self) : undefined;
    if (target === undefined || !core.transferLeadership(target).ok) core.stepDown();
  };
  const tick = (): void => {
    isFlushDue = true;
    if (!isLeader()) ticksSinceLeader++;
    // Who cannot write a vote must not ask for any.
    if (isLeader() || !stall.isStalled) core.tick();
    effects.answerAll(proposals.tick());
    effects.answerAll(transfers.tick(leader()));
    watchDisk();
    compact();
  };

  const accept = (input: ReplicaInput): void => {
    switch (input.type) {
      case "tick":
        tick();
        break;
      case "message":
        receive(input);
        break;
      case "propose":
        intake.propose(input);
        break;
      case "propose-change":
        intake.proposeChange(input.id, input.change);
        break;
      case "read":
        intake.read(input.id);
        break;
      case "transfer":
        intake.transfer(input.id, input.to);
        break;
      case "cancel":
        intake.cancel(input.id);
        break;
      case "campaign":
        core.campaign();
        break;
      case "stored":
        onStored(input.batchId);
        break;
      case "store-failed":
        effects.halt(`the disk failed: ${input.message}`);
        break;
      case "snapshot-staged":
        onStaged(input);
        break;
      case "snapshot-installed":
        onInstalled(input);
        break;
      case "snapshot-sent":
        sending.finished(input.to);
        core.reportSnapshot(input.to, { isSent: input.isSent, index: input.index });
        break;
      case "unreachable":
        core.reportUnreachable(input.node);
        break;
      default:
        unreachable(input, "replica input");
    }
  };
  const drain = (): void => {
    drainCore();
    if (effects.isHalted) return;
    startSnapshots();
    installWaiting();
    const batch = installing.isOnDisk ? undefined : batches.next({ isFlushDue });
    isFlushDue = false;
    if (batch !== undefined) effects.add({ type: "store", batch });
  };
  const handleAll = (inputs: readonly ReplicaInput[]): readonly Effect[] => {
    if (effects.isHalted) return [];
    for (const input of inputs) if (!effects.isHalted) accept(input);
    drain();
    if (isStatusDue) effects.add({ type: "status", status: status() });
    isStatusDue = false;
    return effects.take();
  };

  applier.restore(stored.appliedIndex, options.rows);
  machine.notify();
  // Nobody else can lead a cluster of one, so it need not wait for an election timeout.
  if (isOnlyVoter()) core.campaign();

  return {
    handle: (input) => handleAll([input]),
    handleAll,
    get status() {
      return status();
    },
    get leadership() {
      return leadership();
    },
    get appliedIndex() {
      return core.appliedIndex;
    },
  };
}
