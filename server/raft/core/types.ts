/**
 * The vocabulary of the consensus core (Ongaro, "Consensus: Bridging Theory and Practice", 2014; etcd's raft for what the
 * thesis leaves open). Everything here is plain data. Indexes and terms are plain numbers, not branded ones: the core is
 * arithmetic on them from end to end, and 2^53 entries last for 2,800 years at 100,000 a second.
 */
export type LogIndex = number;
export type Term = number;
/** Random, written once, never used again for another server, not even after a wipe. */
export type NodeId = string;

/** The `kind` of an entry says who interprets it: nobody, the state machine, or the core itself at apply. */
export type Entry =
  | { readonly index: LogIndex; readonly term: Term; readonly kind: "empty" }
  | { readonly index: LogIndex; readonly term: Term; readonly kind: "command"; readonly data: string }
  | { readonly index: LogIndex; readonly term: Term; readonly kind: "config"; readonly change: ConfigChange };

/** Must be durable before anything that was promised on it leaves (vote, append answer). `commit` alone needs no sync. */
export interface HardState {
  readonly term: Term;
  /** Empty when no vote was given in `term`. */
  readonly vote: NodeId;
  readonly commit: LogIndex;
}

/** Who takes part. Joint consensus: while `outgoing` is not empty, a quorum of both voter sets is needed. */
export interface Membership {
  readonly voters: readonly NodeId[];
  readonly outgoing: readonly NodeId[];
  readonly learners: readonly NodeId[];
  /** Voters of `outgoing` that become learners when the joint phase ends. */
  readonly learnersNext: readonly NodeId[];
  /** Tombstones: ids that were members once and never may be again. */
  readonly removed: readonly NodeId[];
  /** Where each member listens, as `host:port`; names are resolved at every dial. */
  readonly addresses: Readonly<Record<NodeId, string>>;
}

/** Takes effect when applied, never before. `leave-joint` is proposed by the leader itself. */
export type ConfigChange =
  | { readonly type: "change"; readonly steps: readonly ConfigStep[] }
  | { readonly type: "leave-joint" };

/**
 * `add-voter` promotes a learner that has caught up, and nobody else: an empty voter would hold up every commit. `add-learner`
 * adds a server or demotes a voter. One voter may come and one may go per change; of two voters none is removed outright.
 */
export type ConfigStep =
  | { readonly action: "add-voter" | "add-learner"; readonly node: NodeId; readonly address: string }
  | { readonly action: "remove"; readonly node: NodeId }
  | { readonly action: "set-address"; readonly node: NodeId; readonly address: string };

interface MessageBase {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly term: Term;
}

/** Between servers. Every one is judged by its term first, in one place. */
export type Message =
  | (MessageBase & {
      readonly type: "pre-vote" | "vote";
      readonly lastIndex: LogIndex;
      readonly lastTerm: Term;
      /** A transfer campaign: the voter's leader stickiness does not apply. */
      readonly isTransfer: boolean;
    })
  | (MessageBase & {
      readonly type: "pre-vote-response" | "vote-response";
      readonly isGranted: boolean;
      /** Refused: what the voter knows to be committed, and that entry's term; 0 from a server that does not say. */
      readonly commit: LogIndex;
      readonly commitTerm: Term;
    })
  | (MessageBase & {
      readonly type: "append";
      readonly prevIndex: LogIndex;
      readonly prevTerm: Term;
      readonly entries: readonly Entry[];
      readonly commit: LogIndex;
    })
  | (MessageBase & {
      readonly type: "append-response";
      /** Accepted: the last index that now matches. Rejected: the `prevIndex` that did not. */
      readonly index: LogIndex;
      readonly isRejected: boolean;
      /** Rejected: the follower's last index with a term at most the leader's at `prevIndex`, and that entry's term. */
      readonly hintIndex: LogIndex;
      readonly hintTerm: Term;
    })
  /** `round` grows with every heartbeat round of a leader; `commit` is never beyond what the follower is known to hold. */
  | (MessageBase & { readonly type: "heartbeat"; readonly commit: LogIndex; readonly round: number })
  | (MessageBase & { readonly type: "heartbeat-response"; readonly round: number })
  /** Announces a snapshot that the shell streams beside the messages; it arrives when it has been staged whole. */
  | (MessageBase & { readonly type: "snapshot"; readonly snapshot: SnapshotMeta })
  | (MessageBase & { readonly type: "timeout-now" });

/** What a snapshot holds besides rows: the state after entry `index` of `term`, with the membership applied by then. */
export interface SnapshotMeta {
  readonly index: LogIndex;
  readonly term: Term;
  readonly membership: Membership;
}

/** All bounds of the core, with their units. Defaults in `defaultCoreConfig`. */
export interface CoreConfig {
  readonly id: NodeId;
  /** Ticks between two heartbeat rounds. */
  readonly heartbeatTicks: number;
  /** A follower campaigns after a random time in [electionTicks, 2 x electionTicks - 1] without a leader. */
  readonly electionTicks: number;
  readonly maxAppendBytes: number;
  readonly maxInflightMessages: number;
  readonly maxInflightBytes: number;
  /** The uncommitted tail a leader takes on before it refuses proposals; empty entries always pass. */
  readonly maxUncommittedBytes: number;
  /** Committed entries handed out for applying at once. */
  readonly maxApplyBytes: number;
  readonly maxPendingReads: number;
}

export const defaultCoreConfig: Omit<CoreConfig, "id"> = {
  heartbeatTicks: 2,
  electionTicks: 20,
  maxAppendBytes: 256 * 1024,
  maxInflightMessages: 64,
  maxInflightBytes: 4 * 1024 * 1024,
  maxUncommittedBytes: 16 * 1024 * 1024,
  maxApplyBytes: 4 * 1024 * 1024,
  maxPendingReads: 4_096,
};

export type Role = "follower" | "pre-candidate" | "candidate" | "leader";

/**
 * Names a write: what the log ends with once it is done. Hand it back whole; without `sequence` the oldest write that ended so
 * is meant.
 */
export interface StoreMark {
  readonly index: LogIndex;
  readonly term: Term;
  readonly sequence?: number;
}

/**
 * What the core wants done. `messages` may leave at once; `messagesAfterStore` only when everything in this and all earlier
 * readies is durable (answers to votes and appends, vote requests).
 */
export interface Ready {
  readonly messages: readonly Message[];
  readonly messagesAfterStore: readonly Message[];
  /** To store, in order; the first one's index says where a conflicting suffix is cut off. */
  readonly entries: readonly Entry[];
  /** Present when it changed; `mustSync` when term, vote or entries did, or `commit` passed a configuration change. */
  readonly hardState?: HardState;
  readonly mustSync: boolean;
  /**
   * To be given to `advanceStored` when this ready, and so all earlier ones, are durable; also when it holds no entries, since
   * a candidate's vote for itself counts from then on. Merged readies need only the last one's.
   */
  readonly mark: StoreMark;
  /** Committed and stored entries to apply now, in order; `applied` is owed before the next ones. */
  readonly committed: readonly Entry[];
  /** Reads whose round was confirmed: serve each when the applied index has reached `index`. */
  readonly reads: readonly ConfirmedRead[];
  readonly rejectedReads: readonly number[];
  /** Followers that need a snapshot because the log no longer reaches back to them. */
  readonly snapshotsWanted: readonly NodeId[];
  /**
   * The announced snapshot (message `snapshot`) is needed: install it and call `restoreSnapshot`. Until then appends are
   * ignored. One that is not needed is answered by a message instead and only frees what was staged.
   */
  readonly install?: SnapshotMeta;
  /** Present when role, term or known leader changed. */
  readonly status?: CoreStatus;
}

export interface ConfirmedRead {
  readonly id: number;
  readonly index: LogIndex;
}

export interface CoreStatus {
  readonly role: Role;
  readonly term: Term;
  /** Empty while unknown. */
  readonly leader: NodeId;
}

/** What a server finds on its disk. `entries` is everything kept, contiguous, beginning right behind `first.index`. */
export interface StoredLog {
  readonly hardState: HardState;
  /** The last entry that is no longer kept; 0 and 0 for a log from its beginning. */
  readonly first: { readonly index: LogIndex; readonly term: Term };
  readonly entries: readonly Entry[];
  readonly appliedIndex: LogIndex;
  /** As of `appliedIndex`. */
  readonly membership: Membership;
}

export type ProposeOutcome =
  | { readonly ok: true; readonly index: LogIndex; readonly term: Term }
  | {
      readonly ok: false;
      readonly reason: "not-leader" | "transferring" | "quota" | "config-pending" | "bad-change";
      readonly message: string;
    };

/**
 * The pure machine: synchronous, deterministic, without clock, random (a function is handed in) or I/O. After any call the
 * caller takes the ready and does what it says; `advanceStored` and `advanceApplied` tell the machine that it is done.
 */
export interface RaftCore {
  readonly status: CoreStatus;
  readonly membership: Membership;
  readonly commitIndex: LogIndex;
  readonly appliedIndex: LogIndex;
  readonly lastIndex: LogIndex;
  readonly firstIndex: LogIndex;
  step(message: Message): void;
  tick(): void;
  /** Campaigns at once, for tests and for a cluster of one. */
  campaign(): void;
  propose(data: string): ProposeOutcome;
  proposeChange(change: ConfigChange): ProposeOutcome;
  /** `id` comes back in `reads` or `rejectedReads`; ids are never used twice by the caller. */
  readIndex(id: number): void;
  transferLeadership(to: NodeId): ProposeOutcome;
  /** A leader that must not lead on (its disk stalls) becomes a follower of its term; nothing otherwise. */
  stepDown(): void;
  /** Whether `takeReady` would return anything. */
  hasReady(): boolean;
  takeReady(): Ready;
  /** Everything of readies up to the one with this mark is durable. */
  advanceStored(mark: StoreMark): void;
  advanceApplied(index: LogIndex): void;
  /** The state was replaced by a snapshot that is durable and restored; the log begins behind it. */
  restoreSnapshot(snapshot: SnapshotMeta): void;
  /** Entries up to `index`, all applied, need not be kept. */
  compact(index: LogIndex): void;
  reportSnapshot(to: NodeId, outcome: { readonly isSent: boolean; readonly index: LogIndex }): void;
  reportUnreachable(node: NodeId): void;
  /** Progress of each member as the leader knows it; empty elsewhere. */
  progress(): readonly MemberProgress[];
  termAt(index: LogIndex): Term | undefined;
  entriesFrom(index: LogIndex, maxBytes: number): readonly Entry[];
}

export interface MemberProgress {
  readonly node: NodeId;
  readonly state: "probe" | "replicate" | "snapshot";
  readonly match: LogIndex;
  readonly next: LogIndex;
  readonly isRecentlyActive: boolean;
  readonly isLearner: boolean;
}
