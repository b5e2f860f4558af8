import { assert } from "../../../lib/base/assert.ts";
import { RaftLog } from "./log.ts";
import { type Outbox, emptyOutbox } from "./outbox.ts";
import type { Progress } from "./progress.ts";
import { ReadQueue } from "./read-index.ts";
import { isVoter } from "./quorum.ts";
import type { CoreConfig, HardState, LogIndex, Membership, NodeId, SnapshotMeta, StoredLog, Term } from "./types.ts";

/** What only a role knows; it goes with the role, so that nothing of an old leadership can be seen by the next. */
export type RoleState = FollowerState | CandidateState | LeaderState;

export interface FollowerState {
  readonly role: "follower";
}

export interface CandidateState {
  readonly role: "pre-candidate" | "candidate";
  readonly votes: Map<NodeId, boolean>;
}

export interface LeaderState {
  readonly role: "leader";
  /** Of every other member. */
  readonly progress: Map<NodeId, Progress>;
  heartbeatElapsed: number;
  quorumElapsed: number;
  transfer: { readonly to: NodeId; elapsed: number } | undefined;
  /** No change is taken on before this entry is applied (rule 9). */
  pendingConfigIndex: LogIndex;
  uncommittedBytes: number;
}

/** The whole of one server's consensus; `raft.ts` owns it and hands it to the files of the roles. */
export interface CoreState {
  readonly id: NodeId;
  readonly config: CoreConfig;
  readonly random: () => number;
  readonly log: RaftLog;
  readonly reads: ReadQueue;
  /** Replaced by an empty one when its content becomes a ready. */
  outbox: Outbox;
  term: Term;
  vote: NodeId;
  /** Empty while unknown. */
  leader: NodeId;
  role: RoleState;
  membership: Membership;
  /** Ticks since the leader was heard, a vote was given or the role changed. */
  electionElapsed: number;
  electionTimeout: number;
  /** All ticks so far. */
  tick: number;
  /** Accepted and not installed yet; the server takes no entries and no lead meanwhile (rule 26). */
  pendingSnapshot: SnapshotMeta | undefined;
  /** Term and vote as they are on disk. */
  storedVote: Pick<HardState, "term" | "vote">;
}

export function createCoreState(options: { config: CoreConfig; stored: StoredLog; random: () => number }): CoreState {
  const { config, stored, random } = options;
  const state: CoreState = {
    id: config.id,
    config,
    random,
    log: new RaftLog(stored),
    reads: new ReadQueue(),
    outbox: emptyOutbox(),
    term: stored.hardState.term,
    vote: stored.hardState.vote,
    leader: "",
    role: { role: "follower" },
    membership: stored.membership,
    electionElapsed: 0,
    electionTimeout: 0,
    tick: 0,
    pendingSnapshot: undefined,
    storedVote: { term: stored.hardState.term, vote: stored.hardState.vote },
  };
  assert(
    state.log.lastTerm <= state.term,
    `the log ends in term ${state.log.lastTerm}, the stored term is ${state.term}`,
  );
  resetElectionTimer(state);
  return state;
}

/** Uniform in [T, 2T - 1], drawn anew each time, so that a split vote does not repeat itself (thesis 3.4). */
export function resetElectionTimer(state: CoreState): void {
  const { electionTicks } = state.config;
  state.electionElapsed = 0;
  state.electionTimeout = electionTicks + Math.floor(state.random() * electionTicks);
}

/**
 * Follows `leader` in `term`, or waits for somebody to lead it when that is empty. A follower that only learns of a new term
 * goes on counting towards its own campaign: a server with an outdated log that asks for votes again and again, in vain, must
 * not keep the others from campaigning (thesis 3.4 resets for a leader and for a granted vote only).
 */
export function becomeFollower(state: CoreState, term: Term, leader: NodeId): void {
  assert(term >= state.term, `term ${term} is older than ${state.term}`);
  const isRoleChange = state.role.role !== "follower";
  if (state.role.role === "leader") state.outbox.rejectedReads.push(...state.reads.rejectAll());
  if (term > state.term) {
    state.term = term;
    state.vote = "";
  }
  state.leader = leader;
  state.role = { role: "follower" };
  if (isRoleChange || leader !== "") resetElectionTimer(state);
}

/** Learners never campaign (rule 11), nor does who is about to be replaced by a snapshot (rule 26). */
export function isPromotable(state: CoreState): boolean {
  return isVoter(state.membership, state.id) && state.pendingSnapshot === undefined;
}
