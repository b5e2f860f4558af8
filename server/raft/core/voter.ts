import { mustGet } from "../../../lib/base/assert.ts";
import { type CoreState, resetElectionTimer } from "./core-state.ts";
import type { LogIndex, Message, Term } from "./types.ts";

type VoteRequest = Message & { readonly type: "pre-vote" | "vote" };

/**
 * A request for a vote that passed the term gate. Whether the candidate is in our configuration is not asked, nor whether we
 * are a voter: both may be news that has not reached us, and without the vote of a server that was promoted and does not know
 * it there may be no quorum at all (rules 11 and 37).
 */
export function answerVote(state: CoreState, message: VoteRequest): void {
  const isReal = message.type === "vote";
  const isGranted = mayVoteFor(state, message) && state.log.isUpToDate(message);
  if (isGranted && isReal) {
    state.vote = message.from;
    // Only a real vote: pre-votes that kept their voters quiet could put off every election (rule 1).
    resetElectionTimer(state);
  }
  state.outbox.messagesAfterStore.push({
    type: isReal ? "vote-response" : "pre-vote-response",
    from: state.id,
    to: message.from,
    // A granted pre-vote names the term it is for, a refusal the term that the candidate has to learn of.
    term: isGranted ? message.term : state.term,
    isGranted,
    ...(isGranted ? { commit: 0, commitTerm: 0 } : knownCommit(state)),
  });
}

/** What a refusal tells the candidate besides: it may be behind on a change that decides whose votes count. */
export function knownCommit({ log }: CoreState): { commit: LogIndex; commitTerm: Term } {
  return { commit: log.commit, commitTerm: mustGet(log.termAt(log.commit), "the term of the commit") };
}

function mayVoteFor(state: CoreState, message: VoteRequest): boolean {
  if (message.type === "pre-vote" && message.term > state.term) return true;
  if (state.vote !== "") return state.vote === message.from;
  return state.leader === "";
}

/**
 * Leader stickiness (thesis 4.2.3): who hears its leader does not help to depose it, so that a removed server, or one behind a
 * one-way partition, cannot. A leader that asks has been deposed already, whatever we still believe (hashicorp #605).
 */
export function isHeldByLeader(state: CoreState, message: VoteRequest): boolean {
  if (message.isTransfer || state.leader === "" || state.leader === message.from) return false;
  return state.role.role === "leader" || state.electionElapsed < state.config.electionTicks;
}
