import { campaign, learnCommit, onVoteStored, stepCandidate } from "./candidate.ts";
import { applyConfigs, maybeLeaveJoint, proposeChange } from "./changes.ts";
import { becomeFollower, type CoreState, createCoreState, isPromotable, type LeaderState } from "./core-state.ts";
import { restoreSnapshot, stepFollower } from "./follower.ts";
import { appendEntry, readOnLeader, reportSnapshot, reportUnreachable, stepLeader, tickLeader } from "./leader.ts";
import { ReadyBuilder, statusOf } from "./ready.ts";
import { maybeCommit } from "./replication.ts";
import { passesTermGate } from "./term-gate.ts";
import { startTransfer } from "./transfer.ts";
import type {
  CoreConfig,
  LogIndex,
  MemberProgress,
  Message,
  ProposeOutcome,
  RaftCore,
  StoredLog,
  StoreMark,
} from "./types.ts";
import { answerVote } from "./voter.ts";

/**
 * The consensus of one server: pure, synchronous, deterministic. Every call goes through here: messages first through the
 * term gate, then to the file of the role this server is in. What is to be done comes out of `takeReady`.
 */
export function createRaftCore(options: { config: CoreConfig; stored: StoredLog; random: () => number }): RaftCore {
  const state = createCoreState(options);
  const ready = new ReadyBuilder(state, options.stored.hardState);
  return {
    get status() {
      return statusOf(state);
    },
    get membership() {
      return state.membership;
    },
    get commitIndex() {
      return state.log.commit;
    },
    get appliedIndex() {
      return state.log.applied;
    },
    get lastIndex() {
      return state.log.lastIndex;
    },
    get firstIndex() {
      return state.log.firstIndex;
    },
    step: (message) => step(state, message),
    tick: () => tick(state),
    campaign: () => campaign(state, "ask-first"),
    propose: (data) => asLeader(state, (leader) => propose(state, leader, data)),
    proposeChange: (change) => asLeader(state, (leader) => proposeChange(state, leader, change)),
    readIndex: (id) => {
      if (state.role.role === "leader") readOnLeader(state, id);
      else state.outbox.rejectedReads.push(id);
    },
    transferLeadership: (to) => asLeader(state, (leader) => startTransfer(state, leader, to)),
    stepDown: () => {
      if (state.role.role === "leader") becomeFollower(state, state.term, "");
    },
    hasReady: () => ready.hasReady(),
    takeReady: () => ready.take(),
    advanceStored: (mark) => advanceStored(state, mark),
    advanceApplied: (index) => advanceApplied(state, index),
    restoreSnapshot: (snapshot) => restoreSnapshot(state, snapshot),
    compact: (index) => state.log.compact(index),
    reportSnapshot: (to, outcome) => {
      if (state.role.role === "leader") reportSnapshot(state.role, { to, ...outcome });
    },
    reportUnreachable: (node) => {
      if (state.role.role === "leader") reportUnreachable(state.role, node);
    },
    progress: () => memberProgress(state),
    termAt: (index) => state.log.termAt(index),
    entriesFrom: (index, maxBytes) => state.log.slice({ from: index, to: state.log.lastIndex, maxBytes }),
  };
}

function step(state: CoreState, message: Message): void {
  if (!passesTermGate(state, message)) return;
  if (message.type === "pre-vote" || message.type === "vote") {
    answerVote(state, message);
    return;
  }
  if (message.type === "pre-vote-response" || message.type === "vote-response") learnCommit(state, message);
  const { role } = state;
  switch (role.role) {
    case "leader":
      stepLeader(state, role, message);
      return;
    case "pre-candidate":
    case "candidate":
      stepCandidate(state, role, message);
      return;
    case "follower":
      if (message.type === "timeout-now") campaign(state, "transfer");
      else stepFollower(state, message);
  }
}

function tick(state: CoreState): void {
  state.tick += 1;
  if (state.role.role === "leader") {
    const { role } = state;
    maybeLeaveJoint(state, role);
    tickLeader(state, role);
    return;
  }
  state.electionElapsed += 1;
  if (state.electionElapsed >= state.electionTimeout && isPromotable(state)) campaign(state, "ask-first");
}

function asLeader(state: CoreState, act: (leader: LeaderState) => ProposeOutcome): ProposeOutcome {
  if (state.role.role === "leader") return act(state.role);
  const where = state.leader === "" ? "the leader is not known" : `${state.leader} leads`;
  return { ok: false, reason: "not-leader", message: `${state.id} does not lead in term ${state.term}: ${where}` };
}

function propose(state: CoreState, leader: LeaderState, data: string): ProposeOutcome {
  const { config, log, term } = state;
  if (leader.transfer !== undefined) {
    return { ok: false, reason: "transferring", message: `leadership is being transferred to ${leader.transfer.to}` };
  }
  // One proposal of any size passes when nothing waits, so that the bound never locks anybody out (rule 22).
  if (leader.uncommittedBytes > 0 && leader.uncommittedBytes + data.length > config.maxUncommittedBytes) {
    const message = `${leader.uncommittedBytes} bytes wait to be committed, ${config.maxUncommittedBytes} are allowed`;
    return { ok: false, reason: "quota", message };
  }
  const index = log.lastIndex + 1;
  appendEntry(state, leader, { index, term, kind: "command", data });
  return { ok: true, index, term };
}

function advanceStored(state: CoreState, mark: StoreMark): void {
  const settled = state.log.marks.settle(mark);
  if (settled === undefined) return;
  state.log.storedTo(settled.index);
  state.storedVote = settled.hardState;
  switch (state.role.role) {
    case "leader":
      maybeCommit(state, state.role);
      return;
    case "pre-candidate":
    case "candidate":
      onVoteStored(state, state.role);
      return;
    case "follower":
      return;
  }
}

function advanceApplied(state: CoreState, index: LogIndex): void {
  const from = state.log.applied + 1;
  state.log.appliedTo(index);
  applyConfigs(state, from, index);
  if (state.role.role === "leader") maybeLeaveJoint(state, state.role);
}

function memberProgress(state: CoreState): readonly MemberProgress[] {
  if (state.role.role !== "leader") return [];
  return [...state.role.progress].map(([node, { state: phase, match, next, isRecentlyActive }]) => {
    const isLearner = state.membership.learners.includes(node);
    return { node, state: phase, match, next, isRecentlyActive, isLearner };
  });
}
