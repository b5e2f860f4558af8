import { assert } from "../../../lib/base/assert.ts";
import type { CoreState } from "./core-state.ts";
import { resetElectionTimer } from "./core-state.ts";
import { isMember } from "./membership.ts";
import type { LogIndex, Message, SnapshotMeta } from "./types.ts";

/** What a follower does with the messages of its leader; others never reach this. */
export function stepFollower(state: CoreState, message: Message): void {
  switch (message.type) {
    case "append":
      followLeader(state, message);
      handleAppend(state, message);
      return;
    case "heartbeat":
      followLeader(state, message);
      // The leader never names more than we acknowledged; a log that ends before was damaged, and `commitTo` says so.
      state.log.commitTo(message.commit);
      state.outbox.messages.push({
        type: "heartbeat-response",
        from: state.id,
        to: message.from,
        term: state.term,
        round: message.round,
      });
      return;
    case "snapshot":
      followLeader(state, message);
      handleSnapshot(state, message.snapshot);
      return;
    default:
  }
}

function followLeader(state: CoreState, message: Message): void {
  if (state.leader !== message.from) state.leader = message.from;
  resetElectionTimer(state);
}

function handleAppend(state: CoreState, message: Message & { type: "append" }): void {
  const { log } = state;
  const { entries, prevIndex, prevTerm } = message;
  // Its log is about to be replaced on disk; entries taken now would be lost with it after they were acknowledged.
  if (state.pendingSnapshot !== undefined) return;
  // What is committed agrees with every leader's log; a delayed append must not be compared with what was compacted.
  if (prevIndex < log.commit) {
    answer(state, message.from, log.commit);
    return;
  }
  if (log.termAt(prevIndex) !== prevTerm) {
    reject(state, message);
    return;
  }
  log.merge(entries);
  const lastIndex = prevIndex + entries.length;
  // Behind `lastIndex` our log may still differ from the leader's.
  log.commitTo(Math.min(message.commit, lastIndex));
  answer(state, message.from, lastIndex);
}

function answer(state: CoreState, to: string, index: LogIndex): void {
  state.outbox.messagesAfterStore.push({
    type: "append-response",
    from: state.id,
    to,
    term: state.term,
    index,
    isRejected: false,
    hintIndex: 0,
    hintTerm: 0,
  });
}

function reject(state: CoreState, message: Message & { type: "append" }): void {
  const { log } = state;
  const hintIndex = log.lastIndexWithTermAtMost(Math.min(message.prevIndex, log.lastIndex), message.prevTerm);
  state.outbox.messagesAfterStore.push({
    type: "append-response",
    from: state.id,
    to: message.from,
    term: state.term,
    index: message.prevIndex,
    isRejected: true,
    hintIndex,
    hintTerm: log.termAt(hintIndex) ?? 0,
  });
}

/** Rule 26: keep the tail when the log agrees, refuse what is old or leaves us out, else ask for the installation. */
function handleSnapshot(state: CoreState, snapshot: SnapshotMeta): void {
  const { log } = state;
  if (state.pendingSnapshot !== undefined) return;
  if (snapshot.index <= log.commit) {
    answer(state, state.leader, log.commit);
    return;
  }
  if (log.termAt(snapshot.index) === snapshot.term) {
    log.commitTo(snapshot.index);
    answer(state, state.leader, snapshot.index);
    return;
  }
  // A snapshot from before we were added, or after we were removed; a fitting one follows if there is any.
  if (!isMember(snapshot.membership, state.id)) return;
  state.pendingSnapshot = snapshot;
  state.outbox.install = snapshot;
}

/** The snapshot has become the state, on disk and in memory. */
export function restoreSnapshot(state: CoreState, snapshot: SnapshotMeta): void {
  assert(state.role.role !== "leader", "a leader's state was replaced by a snapshot");
  assert(
    snapshot.index > state.log.applied,
    `snapshot ${snapshot.index} is older than the state at ${state.log.applied}`,
  );
  state.pendingSnapshot = undefined;
  state.log.restore(snapshot);
  state.membership = snapshot.membership;
  if (state.leader !== "" && state.leader !== state.id) answer(state, state.leader, snapshot.index);
}
