import { mustGet } from "../../../lib/base/assert.ts";
import type { CoreState, LeaderState } from "./core-state.ts";
import { entryBytes, payloadBytes } from "./entry-size.ts";
import type { Progress } from "./progress.ts";
import { quorumValue } from "./quorum.ts";
import type { NodeId } from "./types.ts";

/** How a leader brings entries, its commit index and its heartbeats to the others, and what their answers commit. */

/**
 * Sends everything that the windows have room for. Called once per ready: all proposals of one turn leave in one append per
 * member, however many calls they came in.
 */
export function flushAppends(state: CoreState, leader: LeaderState): void {
  for (const [node, progress] of leader.progress) {
    while (hasNews(state, progress) && progress.canSendEntries()) {
      if (!sendAppend(state, node, progress)) break;
    }
  }
}

export function hasAppendsToFlush(state: CoreState, leader: LeaderState): boolean {
  for (const progress of leader.progress.values()) {
    if (hasNews(state, progress) && progress.canSendEntries() && canReach(state, progress)) return true;
  }
  return false;
}

function hasNews(state: CoreState, progress: Progress): boolean {
  return progress.next <= state.log.lastIndex || progress.sentCommit < state.log.commit;
}

/** False when the log does not reach back to the member and it does not seem to be there to take a snapshot (rule 25). */
function canReach(state: CoreState, progress: Progress): boolean {
  return state.log.termAt(progress.next - 1) !== undefined || progress.isRecentlyActive;
}

/**
 * One append; an empty one when there is nothing to send or the window is full. Its answer then tells whether what was sent
 * before has arrived: a lost append is noticed by the rejection of the next one (rule 21).
 */
export function sendAppend(state: CoreState, node: NodeId, progress: Progress): boolean {
  const { log } = state;
  const prevIndex = progress.next - 1;
  const prevTerm = log.termAt(prevIndex);
  if (prevTerm === undefined) return wantSnapshot(state, node, progress);
  const from = progress.next;
  const entries =
    progress.canSendEntries() && from <= log.lastIndex
      ? log.slice({ from, to: log.lastIndex, maxBytes: state.config.maxAppendBytes })
      : [];
  state.outbox.messages.push({
    type: "append",
    from: state.id,
    to: node,
    term: state.term,
    prevIndex,
    prevTerm,
    entries,
    commit: log.commit,
  });
  progress.sentCommit = log.commit;
  if (entries.length > 0 || progress.state === "probe") {
    const bytes = entries.reduce((sum, entry) => sum + entryBytes(entry), 0);
    progress.sent({ lastIndex: prevIndex + entries.length, bytes });
  }
  return true;
}

function wantSnapshot(state: CoreState, node: NodeId, progress: Progress): boolean {
  if (!progress.isRecentlyActive) return false;
  progress.becomeSnapshot();
  state.outbox.snapshotsWanted.add(node);
  return false;
}

/** A round of heartbeats; it also confirms the reads that came before it began. */
export function broadcastHeartbeat(state: CoreState, leader: LeaderState): void {
  const round = state.reads.startRound();
  for (const [node, progress] of leader.progress) {
    state.outbox.messages.push({
      type: "heartbeat",
      from: state.id,
      to: node,
      term: state.term,
      // Never beyond what the member is known to hold: its log may still differ from ours behind that (rule 24).
      commit: Math.min(progress.match, state.log.commit),
      round,
    });
  }
  confirmReads(state, leader);
}

export function confirmReads(state: CoreState, leader: LeaderState): void {
  const roundOf = (node: NodeId): number =>
    node === state.id ? state.reads.round : (leader.progress.get(node)?.ackedRound ?? 0);
  state.outbox.reads.push(...state.reads.confirm(quorumValue(state.membership, roundOf)));
}

/**
 * Moves the commit index to what a quorum has stored; our own part counts when our disk has it (thesis 10.2.1). Only an entry
 * of the current term is committed by counting: one of an older term may be on a majority and still be overwritten by a
 * leader that never saw it (thesis 3.6.2, figure 3.7). It becomes committed with the first of ours behind it.
 */
export function maybeCommit(state: CoreState, leader: LeaderState): void {
  const { log } = state;
  const matchOf = (node: NodeId): number => (node === state.id ? log.stored : (leader.progress.get(node)?.match ?? 0));
  const index = quorumValue(state.membership, matchOf);
  if (index <= log.commit || log.termAt(index) !== state.term) return;
  for (let committed = log.commit + 1; committed <= index; committed++) {
    leader.uncommittedBytes -= payloadBytes(mustGet(log.entryAt(committed), "an uncommitted entry"));
  }
  log.commitTo(index);
  state.reads.releaseHeld(index);
}

/** Whether an entry of the leader's own term is committed, so that its commit index is at least every earlier leader's. */
export function hasCommittedInTerm(state: CoreState): boolean {
  return state.log.termAt(state.log.commit) === state.term;
}

/** Whether a majority was heard since the last time (rule 3). */
export function hasActiveQuorum(state: CoreState, leader: LeaderState): boolean {
  const isActive = (node: NodeId): number =>
    node === state.id || leader.progress.get(node)?.isRecentlyActive === true ? 1 : 0;
  return quorumValue(state.membership, isActive) === 1;
}
