import { becomeFollower, type CandidateState, type CoreState, isPromotable, resetElectionTimer } from "./core-state.ts";
import { becomeLeader } from "./leader.ts";
import { allVoters, voteResult } from "./quorum.ts";
import type { LogIndex, Message, Term } from "./types.ts";

/** `ask-first` is the rule; a transfer's target was told by the leader itself that its time has come (thesis 3.10). */
export type Campaign = "ask-first" | "transfer";

/** Whether somebody may campaign at all: leaders, learners and who does not know the configuration do not. */
export function campaign(state: CoreState, kind: Campaign): void {
  if (state.role.role === "leader" || !isPromotable(state)) return;
  // A change that is committed decides whose votes count, and is not known here yet (rule 9).
  if (state.log.hasUnappliedConfig()) {
    resetElectionTimer(state);
    return;
  }
  if (kind === "ask-first") becomePreCandidate(state);
  else becomeCandidate(state, { isTransfer: true });
}

/**
 * Asks whether an election could be won, without changing term or vote (thesis 9.6): a server that comes back from a partition
 * does not depose a working leader with the term it has counted up to.
 */
function becomePreCandidate(state: CoreState): void {
  const role: CandidateState = { role: "pre-candidate", votes: new Map([[state.id, true]]) };
  state.role = role;
  state.leader = "";
  resetElectionTimer(state);
  requestVotes(state, { type: "pre-vote", isTransfer: false });
  count(state, role);
}

function becomeCandidate(state: CoreState, { isTransfer }: { isTransfer: boolean }): void {
  state.term += 1;
  state.vote = state.id;
  state.leader = "";
  // Our own vote counts when it is durable, see `onVoteStored`: else a crash could make us give a second one.
  state.role = { role: "candidate", votes: new Map() };
  resetElectionTimer(state);
  requestVotes(state, { type: "vote", isTransfer });
}

function requestVotes(state: CoreState, request: { type: "pre-vote" | "vote"; isTransfer: boolean }): void {
  const { log, outbox } = state;
  const isReal = request.type === "vote";
  for (const node of allVoters(state.membership)) {
    if (node === state.id) continue;
    // A vote is asked for on the strength of a log that is on disk: a candidate that lost its tail in a crash could win with
    // a late answer to the request that still named it.
    (isReal ? outbox.messagesAfterStore : outbox.messages).push({
      ...request,
      from: state.id,
      to: node,
      term: isReal ? state.term : state.term + 1,
      lastIndex: log.lastIndex,
      lastTerm: log.lastTerm,
    });
  }
}

/**
 * Takes over what a voter knows to be committed, if our log holds that very entry: then it holds all before it too. Without
 * this a cluster can stand for ever: whoever led the end of a change that made it a learner has the longer log, refuses its
 * vote and may not campaign, while the voters, who never heard of that commit, go on asking for it (raft-rs calls it
 * `maybe_commit_by_vote`).
 */
export function learnCommit(state: CoreState, answer: Message & { readonly commit: LogIndex; commitTerm: Term }): void {
  const { role, log } = state;
  if (role.role === "leader" || log.termAt(answer.commit) !== answer.commitTerm) return;
  log.commitTo(answer.commit);
  // As in `campaign`: the votes that were asked for may not be those that count.
  if (role.role !== "follower" && log.hasUnappliedConfig()) becomeFollower(state, state.term, "");
}

/** Answers to the other kind of request, or to an earlier one, are of another term and count for nothing (rule 1). */
export function stepCandidate(state: CoreState, role: CandidateState, message: Message): void {
  if (message.type === "pre-vote-response" && role.role === "pre-candidate") {
    if (message.isGranted && message.term !== state.term + 1) return;
  } else if (message.type !== "vote-response" || role.role !== "candidate") {
    return;
  }
  if (!role.votes.has(message.from)) role.votes.set(message.from, message.isGranted);
  count(state, role);
}

/** Term and vote are on disk. */
export function onVoteStored(state: CoreState, role: CandidateState): void {
  if (role.role !== "candidate" || role.votes.has(state.id)) return;
  if (state.storedVote.term !== state.term || state.storedVote.vote !== state.id) return;
  role.votes.set(state.id, true);
  count(state, role);
}

function count(state: CoreState, role: CandidateState): void {
  const result = voteResult(state.membership, (node) => role.votes.get(node));
  if (result === "lost") {
    becomeFollower(state, state.term, "");
    return;
  }
  if (result === "pending") return;
  if (role.role === "pre-candidate") becomeCandidate(state, { isTransfer: false });
  else becomeLeader(state);
}
