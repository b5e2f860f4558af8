import { assert } from "../../../lib/base/assert.ts";
import { becomeFollower, type CoreState, type LeaderState, resetElectionTimer } from "./core-state.ts";
import { payloadBytes } from "./entry-size.ts";
import { isMember } from "./membership.ts";
import { Progress } from "./progress.ts";
import {
  broadcastHeartbeat,
  confirmReads,
  flushAppends,
  hasActiveQuorum,
  hasAppendsToFlush,
  hasCommittedInTerm,
  maybeCommit,
  sendAppend,
} from "./replication.ts";
import { maybeSendTimeoutNow } from "./transfer.ts";
import type { Entry, Message, NodeId } from "./types.ts";

/** Takes the lead of the current term, which a quorum has given. */
export function becomeLeader(state: CoreState): void {
  const { log } = state;
  assert(state.role.role === "candidate", `a ${state.role.role} cannot become leader`);
  const leader: LeaderState = {
    role: "leader",
    progress: new Map(),
    heartbeatElapsed: 0,
    quorumElapsed: 0,
    transfer: undefined,
    // Changes that our predecessors left in the log are unknown until they are applied (rule 9).
    pendingConfigIndex: log.lastIndex,
    uncommittedBytes: 0,
  };
  for (let index = log.commit + 1; index <= log.lastIndex; index++) {
    const entry = log.entryAt(index);
    if (entry !== undefined) leader.uncommittedBytes += payloadBytes(entry);
  }
  state.role = leader;
  state.leader = state.id;
  resetElectionTimer(state);
  updateProgress(state, leader);
  // Commits, with itself, what the terms before left uncommitted, and lets reads begin (thesis 6.4). It weighs nothing, so
  // no quota can refuse it.
  appendEntry(state, leader, { index: log.lastIndex + 1, term: state.term, kind: "empty" });
}

export function appendEntry(state: CoreState, leader: LeaderState, entry: Entry): void {
  leader.uncommittedBytes += payloadBytes(entry);
  state.log.append(entry);
}

/** Follows a change of the membership: newcomers are probed from the end of the log, the others keep what is known of them. */
export function updateProgress(state: CoreState, leader: LeaderState): void {
  for (const node of leader.progress.keys()) {
    if (!isMember(state.membership, node)) leader.progress.delete(node);
  }
  const { voters, outgoing, learners } = state.membership;
  for (const node of [...voters, ...outgoing, ...learners]) {
    if (node === state.id || leader.progress.has(node)) continue;
    const { config, log, tick } = state;
    leader.progress.set(node, new Progress({ config, lastIndex: log.lastIndex, tick }));
  }
}

export function tickLeader(state: CoreState, leader: LeaderState): void {
  leader.heartbeatElapsed += 1;
  leader.quorumElapsed += 1;
  if (leader.transfer !== undefined) {
    leader.transfer.elapsed += 1;
    if (leader.transfer.elapsed >= state.config.electionTicks) leader.transfer = undefined;
  }
  if (leader.quorumElapsed >= state.config.electionTicks) {
    leader.quorumElapsed = 0;
    // Cut off from a majority it cannot commit; going on would only keep clients waiting and reads stale (rule 3).
    if (!hasActiveQuorum(state, leader)) {
      becomeFollower(state, state.term, "");
      return;
    }
    for (const progress of leader.progress.values()) progress.isRecentlyActive = false;
  }
  if (leader.heartbeatElapsed < state.config.heartbeatTicks) return;
  leader.heartbeatElapsed = 0;
  for (const progress of leader.progress.values()) progress.canRetry = true;
  broadcastHeartbeat(state, leader);
}

export function stepLeader(state: CoreState, leader: LeaderState, message: Message): void {
  const progress = leader.progress.get(message.from);
  if (progress === undefined) return;
  switch (message.type) {
    case "append-response":
      noteHeard(state, progress);
      if (message.isRejected) onRejected(state, progress, message);
      else onAccepted(state, leader, message, progress);
      return;
    case "heartbeat-response":
      noteHeard(state, progress);
      onHeartbeatResponse(state, leader, message, progress);
      return;
    case "append":
    case "heartbeat":
    case "snapshot":
      assert(false, `two leaders in term ${state.term}: ${state.id} and ${message.from}`);
      return;
    default:
  }
}

function noteHeard(state: CoreState, progress: Progress): void {
  progress.isRecentlyActive = true;
  progress.heardTick = state.tick;
}

function onRejected(state: CoreState, progress: Progress, message: Message & { type: "append-response" }): void {
  const { hintIndex, hintTerm, index } = message;
  // What the follower has at `hintIndex` is of `hintTerm`, and so is or precedes everything it has before. None of our
  // entries of a later term can be there: skip them all (rule 19).
  const agreement = hintTerm > 0 ? state.log.lastIndexWithTermAtMost(hintIndex, hintTerm) : hintIndex;
  progress.rejected({ rejectedIndex: index, hintIndex: agreement });
}

function onAccepted(
  state: CoreState,
  leader: LeaderState,
  message: Message & { type: "append-response" },
  progress: Progress,
): void {
  assert(
    message.index <= state.log.lastIndex,
    `${message.from} acknowledged entry ${message.index}, which was never sent`,
  );
  const isNew = progress.accepted(message.index);
  if (progress.state === "probe" && (isNew || progress.match === message.index)) {
    progress.becomeReplicate();
  } else if (progress.state === "snapshot" && isNew && state.log.termAt(progress.match) !== undefined) {
    // Whatever snapshot it took, or none: the log connects again and that is what counts.
    progress.becomeReplicate();
  } else if (progress.state === "replicate") {
    progress.inflight.free(message.index);
  }
  if (!isNew) return;
  progress.noteRound({ lastIndex: state.log.lastIndex, tick: state.tick, maxTicks: state.config.electionTicks });
  maybeCommit(state, leader);
  if (message.from === leader.transfer?.to) maybeSendTimeoutNow(state, leader);
}

function onHeartbeatResponse(
  state: CoreState,
  leader: LeaderState,
  message: Message & { type: "heartbeat-response" },
  progress: Progress,
): void {
  progress.ackedRound = Math.max(progress.ackedRound, message.round);
  confirmReads(state, leader);
  if (!progress.canRetry || progress.state === "snapshot") return;
  progress.canRetry = false;
  progress.isPaused = false;
  if (progress.match < state.log.lastIndex || progress.state === "probe") sendAppend(state, message.from, progress);
}

/** A reader's turn: confirmed at once, with the next round, or when the leader knows what is committed (rule 5). */
export function readOnLeader(state: CoreState, id: number): void {
  if (state.reads.size >= state.config.maxPendingReads) {
    state.outbox.rejectedReads.push(id);
  } else if (hasCommittedInTerm(state)) {
    state.reads.add(id, state.log.commit);
  } else {
    state.reads.hold(id);
  }
}

/** What a leader does once per ready instead of once per call. */
export function flushLeader(state: CoreState, leader: LeaderState): void {
  flushAppends(state, leader);
  if (state.reads.needsRound) broadcastHeartbeat(state, leader);
}

export function hasFlush(state: CoreState, leader: LeaderState): boolean {
  return state.reads.needsRound || hasAppendsToFlush(state, leader);
}

export function reportUnreachable(leader: LeaderState, node: NodeId): void {
  const progress = leader.progress.get(node);
  // Sending ahead to who does not answer would lose the whole window.
  if (progress?.state === "replicate") progress.becomeProbe();
}

export function reportSnapshot(
  leader: LeaderState,
  report: { readonly to: NodeId; readonly isSent: boolean; readonly index: number },
): void {
  const progress = leader.progress.get(report.to);
  if (progress?.state !== "snapshot") return;
  progress.becomeProbe(report.isSent ? report.index + 1 : progress.match + 1);
  // The next try follows a sign of life: the answer to a heartbeat, or to the snapshot.
  progress.isPaused = true;
}
