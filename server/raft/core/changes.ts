import { mustGet } from "../../../lib/base/assert.ts";
import { becomeFollower, type CoreState, type LeaderState } from "./core-state.ts";
import { appendEntry, updateProgress } from "./leader.ts";
import { applyChange, isJoint } from "./membership.ts";
import { isVoter } from "./quorum.ts";
import { confirmReads, maybeCommit } from "./replication.ts";
import type { ConfigChange, ConfigStep, LogIndex, Membership, ProposeOutcome } from "./types.ts";

/**
 * Membership changes, activated when they are APPLIED, as in etcd, not when they are appended, as in the thesis (4.1). The two
 * do not mix. At apply, safety rests on there being at most one change between applied and last index, and on a new leader
 * waiting for those it inherited: that takes the place of the own-term commit that the append rule needs (raft-dev, July 2015).
 */
export function proposeChange(state: CoreState, leader: LeaderState, change: ConfigChange): ProposeOutcome {
  if (leader.transfer !== undefined) {
    return { ok: false, reason: "transferring", message: `leadership is being transferred to ${leader.transfer.to}` };
  }
  if (leader.pendingConfigIndex > state.log.applied) {
    const message = `the change at entry ${leader.pendingConfigIndex} or an inherited one is not applied yet: try again soon`;
    return { ok: false, reason: "config-pending", message };
  }
  if (isJoint(state.membership)) {
    return { ok: false, reason: "config-pending", message: "the last change is not finished yet: try again soon" };
  }
  const outcome = applyChange(state.membership, change);
  const message = outcome.ok ? judgeProgress(state, leader, change, outcome.membership) : outcome.message;
  if (message !== undefined) return { ok: false, reason: "bad-change", message };
  return { ok: true, index: appendChange(state, leader, change), term: state.term };
}

/** What only the leader can know and therefore is asked before the change is appended, not when it is applied. */
function judgeProgress(
  state: CoreState,
  leader: LeaderState,
  change: ConfigChange,
  next: Membership,
): string | undefined {
  for (const step of change.type === "change" ? change.steps : []) {
    const message = step.action === "add-voter" ? judgePromotion(state, leader, step) : undefined;
    if (message !== undefined) return message;
  }
  // The survivor might never learn of the commit and wait for our vote for ever (tikv #10595, rule 12).
  if (state.membership.voters.length === 2 && !next.voters.includes(state.id)) {
    return `${state.id} leads and is one of two voters: transfer leadership first`;
  }
  return undefined;
}

/** Thesis 4.2.1: a voter that still has to catch up would hold up every commit. */
function judgePromotion(state: CoreState, leader: LeaderState, step: ConfigStep): string | undefined {
  if (!state.membership.learners.includes(step.node)) {
    return `server ${step.node} is not a learner: add it as a learner first and promote it when it has caught up`;
  }
  const progress = leader.progress.get(step.node);
  const isAlive = progress !== undefined && state.tick - progress.heardTick < state.config.electionTicks;
  if (isAlive && progress.isCaughtUp) return undefined;
  return `learner ${step.node} has not caught up: it holds ${progress?.match ?? 0} of ${state.log.lastIndex} entries`;
}

function appendChange(state: CoreState, leader: LeaderState, change: ConfigChange): LogIndex {
  const index = state.log.lastIndex + 1;
  leader.pendingConfigIndex = index;
  appendEntry(state, leader, { index, term: state.term, kind: "config", change });
  return index;
}

/** Ends the joint phase as soon as the change that began it is applied; whoever leads then does it. */
export function maybeLeaveJoint(state: CoreState, leader: LeaderState): void {
  if (!isJoint(state.membership) || leader.pendingConfigIndex > state.log.applied) return;
  appendChange(state, leader, { type: "leave-joint" });
}

/** Entries up to `index` are applied: their changes take effect, one after the other. */
export function applyConfigs(state: CoreState, from: LogIndex, to: LogIndex): void {
  for (let index = from; index <= to; index++) {
    const entry = mustGet(state.log.entryAt(index), "an applied entry");
    if (entry.kind !== "config") continue;
    const outcome = applyChange(state.membership, entry.change);
    // Judged by its leader against this same membership, and no other change came in between.
    state.membership = mustGet(outcome.ok ? outcome.membership : undefined, `change ${index} cannot be applied`);
    onMembershipChanged(state);
  }
}

function onMembershipChanged(state: CoreState): void {
  // Who was removed leads no more; waiting for an election timeout to find out would only cost time.
  if (state.membership.removed.includes(state.leader) && state.leader !== state.id) state.leader = "";
  if (state.role.role !== "leader") return;
  const leader = state.role;
  updateProgress(state, leader);
  const { membership } = state;
  if (leader.transfer !== undefined && !isVoter(membership, leader.transfer.to)) leader.transfer = undefined;
  // Not before the joint phase is over: CockroachDB stood without a leader in the middle of it (etcd/raft #79, #83).
  if (!isVoter(membership, state.id)) {
    becomeFollower(state, state.term, "");
    return;
  }
  // A smaller quorum may have been reached already.
  maybeCommit(state, leader);
  confirmReads(state, leader);
}
