/**
 * Deliberately broken variants of core and replica: the proof that the simulator sees what it looks for. Each replaces exact
 * snippets of the real sources in a copy; a snippet that is not there (any more) is an error, so none goes stale unseen.
 */
export interface Mutant {
  readonly name: string;
  readonly patches: readonly Patch[];
}

export interface Patch {
  /** Below `server/raft`. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

function mutant(name: string, file: string, find: string, replace: string): Mutant {
  return { name, patches: [{ file, find, replace }] };
}

export const mutants: readonly Mutant[] = [
  // Durability (rules 14, 17, 18)
  mutant(
    "answers before the sync",
    "replica/replica.ts",
    'if (!batches.hold({ type: "send", message })) send(message);',
    "send(message);",
  ),
  mutant(
    "counts itself before the sync",
    "replica/replica.ts",
    "if (!batches.holdMark(ready.mark)) core.advanceStored(ready.mark);",
    "core.advanceStored(ready.mark);",
  ),
  {
    name: "applies before it has stored",
    patches: [
      {
        file: "core/log.ts",
        find: "Math.min(this.#commit, this.#stored) > this.#applied",
        replace: "this.#commit > this.#applied",
      },
      {
        file: "core/log.ts",
        find: "to: Math.min(this.#commit, this.#stored), maxBytes",
        replace: "to: this.#commit, maxBytes",
      },
      {
        file: "replica/replica.ts",
        find: "if (entry.index > batches.durableIndex) {",
        replace: "if (entry.index < 0) {",
      },
    ],
  },
  mutant(
    "believes a report of overwritten bytes (ABA)",
    "core/store-marks.ts",
    "for (const mark of this.#issued) mark.durableIndex = Math.min(mark.durableIndex, index);",
    "void index;",
  ),
  mutant("does not sync votes", "core/ready.ts", "if (hardState === undefined) return false;", "return false;"),
  mutant("forgets its vote in a restart", "core/core-state.ts", "vote: stored.hardState.vote,", 'vote: "",'),
  mutant(
    "loses the rows of what it applied",
    "replica/batches.ts",
    "const rows = [...open.rows];",
    "const rows: Row[] = [];",
  ),

  // Elections (rules 1, 2, 3, 11)
  mutant(
    "votes on the index alone",
    "core/log.ts",
    "return last.lastTerm > this.lastTerm || (last.lastTerm === this.lastTerm && last.lastIndex >= this.lastIndex);",
    "return last.lastIndex >= this.lastIndex;",
  ),
  mutant(
    "votes without comparing logs",
    "core/voter.ts",
    "mayVoteFor(state, message) && state.log.isUpToDate(message)",
    "mayVoteFor(state, message)",
  ),
  mutant("votes twice in a term", "core/voter.ts", 'if (state.vote !== "") return state.vote === message.from;', ""),
  mutant(
    "refuses to vote as a learner",
    "core/voter.ts",
    "const isGranted = mayVoteFor(state, message)",
    "const isGranted = state.membership.voters.includes(state.id) && mayVoteFor(state, message)",
  ),
  mutant(
    "campaigns as a learner",
    "core/core-state.ts",
    "return isVoter(state.membership, state.id) && state.pendingSnapshot === undefined;",
    "return state.membership.voters.length > 0 && state.pendingSnapshot === undefined;",
  ),
  mutant(
    "leads without a majority (no check-quorum)",
    "core/leader.ts",
    "if (!hasActiveQuorum(state, leader)) {",
    "if (leader.quorumElapsed < 0) {",
  ),
  mutant(
    "campaigns at once (no pre-vote, no stickiness)",
    "core/candidate.ts",
    'if (kind === "ask-first") becomePreCandidate(state);',
    'if (kind === "ask-first") becomeCandidate(state, { isTransfer: true });',
  ),
  mutant(
    "wins with half of the voters",
    "core/quorum.ts",
    "const majority = (voters.length >> 1) + 1;",
    "const majority = (voters.length + 1) >> 1;",
  ),
  mutant(
    "helps to depose the leader it hears",
    "core/voter.ts",
    'if (message.isTransfer || state.leader === "" || state.leader === message.from) return false;',
    "if (message.term >= 0) return false;",
  ),
  mutant(
    "leads on with a disk that hangs",
    "replica/replica.ts",
    "const due = batches.isOutstanding ? stall.tick() : undefined;",
    'const due = undefined as "hand-over" | "step-down" | undefined;',
  ),

  // Replication (rules 7, 24)
  mutant(
    "counts entries of old terms",
    "core/replication.ts",
    "if (index <= log.commit || log.termAt(index) !== state.term) return;",
    "if (index <= log.commit) return;",
  ),
  mutant(
    "commits with half of the voters",
    "core/quorum.ts",
    "return values[values.length >> 1]",
    "return values[(values.length - 1) >> 1]",
  ),
  mutant(
    "names commits beyond the match in heartbeats",
    "core/replication.ts",
    "commit: Math.min(progress.match, state.log.commit),",
    "commit: state.log.commit,",
  ),
  mutant(
    "skips the check of the previous entry",
    "core/follower.ts",
    "if (log.termAt(prevIndex) !== prevTerm) {",
    "if (log.termAt(prevIndex) === undefined) {",
  ),
  mutant(
    "shortens its log at a delayed append",
    "core/log.ts",
    "if (conflict === undefined) return;",
    "if (conflict === undefined) { const last = entries.at(-1); if (last !== undefined && last.index >= this.#commit) this.#cutBehind(last.index); return; }",
  ),

  // Reads (rule 5)
  mutant(
    "serves reads without a round",
    "core/leader.ts",
    "state.reads.add(id, state.log.commit);",
    "state.outbox.reads.push({ id, index: state.log.commit });",
  ),
  // What names that are used again come to (etcd #20418): an answer to the old round counts for the new one.
  mutant(
    "confirms reads by answers to earlier rounds",
    "core/leader.ts",
    "progress.ackedRound = Math.max(progress.ackedRound, message.round);",
    "progress.ackedRound = state.reads.round;",
  ),
  mutant(
    "confirms reads by the round under way",
    "core/read-index.ts",
    "round: this.#round + 1 }",
    "round: Math.max(1, this.#round) }",
  ),
  mutant(
    "serves reads before it has committed in its term",
    "core/leader.ts",
    "} else if (hasCommittedInTerm(state)) {",
    "} else if (id >= 0) {",
  ),
  // Driver and core each refuse; only a server without both is wrong.
  {
    name: "serves consistent reads as a follower",
    patches: [
      {
        file: "core/raft.ts",
        find: "else state.outbox.rejectedReads.push(id);",
        replace: "else state.outbox.reads.push({ id, index: state.log.commit });",
      },
      {
        file: "replica/intake.ts",
        find: "if (isLeader()) core.readIndex(reads.ask(id));",
        replace: "if (id >= 0) core.readIndex(reads.ask(id));",
      },
    ],
  },

  // Membership (rules 9, 10)
  mutant(
    "begins a change while one is open",
    "core/changes.ts",
    "if (leader.pendingConfigIndex > state.log.applied) {",
    "if (leader.pendingConfigIndex < 0) {",
  ),
  mutant(
    "forgets the old voters in the joint phase",
    "core/quorum.ts",
    "return Math.min(majorityValue(sets.voters, numberOf), majorityValue(sets.outgoing, numberOf));",
    "return majorityValue(sets.voters, numberOf);",
  ),
  mutant(
    "activates a change at its append",
    "core/changes.ts",
    'appendEntry(state, leader, { index, term: state.term, kind: "config", change });',
    'appendEntry(state, leader, { index, term: state.term, kind: "config", change }); const early = applyChange(state.membership, change); if (early.ok) state.membership = early.membership;',
  ),
  mutant(
    "takes on a change before those it inherited",
    "core/leader.ts",
    "pendingConfigIndex: log.lastIndex,",
    "pendingConfigIndex: 0,",
  ),
  // The leader refuses to go as one of two, and the arithmetic to let either go.
  {
    name: "removes one of two voters outright",
    patches: [
      {
        file: "core/membership.ts",
        find: "if (current.voters.length === 2 && gone.some(",
        replace: "if (current.voters.length < 0 && gone.some(",
      },
      {
        file: "core/changes.ts",
        find: "if (state.membership.voters.length === 2 && !next",
        replace: "if (state.membership.voters.length < 0 && !next",
      },
    ],
  },
  mutant("keeps its membership over a snapshot", "core/follower.ts", "state.membership = snapshot.membership;", ""),

  // Snapshots (rule 26)
  {
    name: "takes any snapshot, whatever its log holds",
    patches: [
      { file: "core/follower.ts", find: "if (snapshot.index <= log.commit) {", replace: "if (snapshot.index < 0) {" },
      {
        file: "core/follower.ts",
        find: "if (log.termAt(snapshot.index) === snapshot.term) {",
        replace: "if (snapshot.index < 0) {",
      },
    ],
  },

  // Exactly once, and honest about it (rules 30, 31)
  mutant(
    "calls an open outcome none",
    "replica/proposals.ts",
    'reason: "unknown", message, leader: leader()',
    'reason: "dropped", message, leader: leader()',
  ),
  mutant(
    "forgets request ids in a restart",
    "replica/applying.ts",
    "requestIds.restore(own.get(requestIdTable) ?? []);",
    "requestIds.restore([]);",
  ),
  {
    name: "executes a retry again",
    patches: [
      {
        file: "replica/applying.ts",
        find: 'const remembered = requestId === "" ? undefined : requestIds.get(requestId);',
        replace: "const remembered = undefined as ReturnType<typeof requestIds.get>;",
      },
      {
        file: "replica/request-ids.ts",
        find: 'assert(!byId.has(requestId), "a request id is remembered once");',
        replace: "",
      },
      {
        file: "replica/intake.ts",
        find: 'const remembered = requestId === "" ? undefined : applier.remembered(requestId);',
        replace: "const remembered = undefined as ReturnType<typeof applier.remembered>;",
      },
    ],
  },
];
