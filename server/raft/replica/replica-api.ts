import type {
  ConfigChange,
  CoreConfig,
  CoreStatus,
  Entry,
  HardState,
  LogIndex,
  MemberProgress,
  Membership,
  Message,
  NodeId,
  SnapshotMeta,
  StoredLog,
  Term,
} from "../core/types.ts";

/**
 * The driver between the pure core and the world: inputs in, effects out, synchronous, so that the simulator runs it as it
 * is. It owns the order of writing (reference: write before promise, one batch in flight, answer when applied), the state
 * machine, the proposals that wait for an answer, request ids, snapshots and what makes a server stop.
 */
export interface Replica {
  /** Runs one input to its end and returns what the shell has to do, in order. */
  handle(input: ReplicaInput): readonly Effect[];
  /** The same for all inputs of one turn of the loop: what they produce shares one batch and fewer, fuller messages. */
  handleAll(inputs: readonly ReplicaInput[]): readonly Effect[];
  readonly status: ReplicaStatus;
  /** The part of the status that every request asks for. */
  readonly leadership: ReplicaLeadership;
  readonly appliedIndex: LogIndex;
}

export interface ReplicaOptions {
  readonly core: CoreConfig;
  readonly clusterId: string;
  readonly stored: StoredLog;
  /** Every row on the disk at `stored.appliedIndex`, the replica's own tables included; the machine is restored from them. */
  readonly rows: Iterable<Row>;
  readonly machine: Machine;
  /** Uniform in [0, 1); from the shell's runtime or the simulator's seed. */
  readonly random: () => number;
  readonly limits: ReplicaLimits;
}

export interface ReplicaLimits {
  /** A leader whose batch is outstanding for longer steps down (it transfers first where it can). In ticks. */
  readonly diskStallTicks: number;
  readonly maxQueuedProposals: number;
  /** Applied entries kept for slow followers, and the size at which even those go. */
  readonly trailingEntries: number;
  readonly maxLogBytes: number;
  /** Request ids remembered for exactly-once; the oldest by log order goes first. */
  readonly maxRequestIds: number;
  /** A hash of the state is proposed after this many entries, so that members can compare. */
  readonly stateHashEvery: number;
}

/**
 * What the entries mean; `apply` is total, synchronous and deterministic and returns rows to persist. Rows of the replica's
 * own (membership, request ids) are added by the replica.
 */
export interface Machine {
  apply(index: LogIndex, data: string): { readonly result: unknown; readonly rows: readonly Row[] };
  /** Replaces everything, after a start or a snapshot. */
  restore(appliedIndex: LogIndex, rows: Iterable<Row>): void;
  /** Wakes waiting readers; called after each group of applies. */
  notify(): void;
  /**
   * The same on every server that has applied the same entries; begins with the name of the algorithm and a colon when that
   * may change between versions, since hashes of different algorithms are not compared.
   */
  hash(): string;
}

/** `value` absent deletes. */
export interface Row {
  readonly table: string;
  readonly key: string;
  readonly value?: unknown;
}

export type ReplicaInput =
  | { readonly type: "tick" }
  | { readonly type: "message"; readonly clusterId: string; readonly message: Message }
  /** `requestId` makes a retry of the same write have one effect; empty for none. `id` names the answer. */
  | { readonly type: "propose"; readonly id: number; readonly requestId: string; readonly data: string }
  | { readonly type: "propose-change"; readonly id: number; readonly change: ConfigChange }
  | { readonly type: "read"; readonly id: number }
  | { readonly type: "transfer"; readonly id: number; readonly to: NodeId }
  /** Nobody waits for the answer of `id` any more: none will come, and what was appended stays appended. */
  | { readonly type: "cancel"; readonly id: number }
  | { readonly type: "campaign" }
  | { readonly type: "stored"; readonly batchId: number }
  | { readonly type: "store-failed"; readonly message: string }
  /** All rows of a snapshot are staged and verified. */
  | { readonly type: "snapshot-staged"; readonly from: NodeId; readonly term: Term; readonly snapshot: SnapshotMeta }
  /** The staged rows have become the state on disk; they are handed over to be restored from. */
  | { readonly type: "snapshot-installed"; readonly snapshot: SnapshotMeta; readonly rows: readonly Row[] }
  | { readonly type: "snapshot-sent"; readonly to: NodeId; readonly isSent: boolean; readonly index: LogIndex }
  | { readonly type: "unreachable"; readonly node: NodeId };

export type Effect =
  | { readonly type: "send"; readonly message: Message }
  /** One atomic batch. At most one is outstanding: the next comes only after its `stored`. */
  | { readonly type: "store"; readonly batch: StoreBatch }
  | { readonly type: "answer"; readonly id: number; readonly outcome: Outcome }
  /** Serve the read from the machine now: it is as new as any write acknowledged before the read came. */
  | { readonly type: "serve-read"; readonly id: number; readonly index: LogIndex }
  | { readonly type: "send-snapshot"; readonly to: NodeId; readonly term: Term }
  /** Swap the staged rows in, with this metadata and hard state, and drop the log, in one synced batch. */
  | { readonly type: "install-snapshot"; readonly snapshot: SnapshotMeta; readonly hardState: HardState }
  /** The staged rows are not wanted (stale, or not for this server): they may be deleted. */
  | { readonly type: "discard-snapshot"; readonly snapshot: SnapshotMeta }
  | { readonly type: "status"; readonly status: ReplicaStatus }
  /** The process ends now, non-zero: the disk, or an invariant, cannot be trusted any more. */
  | { readonly type: "halt"; readonly reason: string };

export interface StoreBatch {
  readonly batchId: number;
  /** Entries from here on are removed before `entries` are added; absent when nothing is. */
  readonly truncateFrom?: LogIndex;
  readonly entries: readonly Entry[];
  readonly hardState: HardState;
  /** Rows of entries applied since the last batch, each once, and the index they bring the stored state to. */
  readonly rows: readonly Row[];
  readonly appliedIndex: LogIndex;
  readonly membership: Membership;
  /** Entries up to here may be deleted. */
  readonly compactTo: LogIndex;
  /** False only when nothing but `commit` or applied rows changed. */
  readonly mustSync: boolean;
}

export type Outcome =
  | { readonly ok: true; readonly index: LogIndex; readonly result: unknown }
  /**
   * `dropped`: certainly no effect, ask the leader. `unknown`: it may still take effect. `pending`: no effect, another
   * membership change has to be applied first, which comes by itself.
   */
  | {
      readonly ok: false;
      readonly reason: "not-leader" | "dropped" | "unknown" | "refused" | "pending";
      readonly message: string;
      readonly leader: NodeId;
    };

export interface ReplicaLeadership extends CoreStatus {
  readonly membership: Membership;
  /** Ticks since the leader was heard; 0 on the leader. */
  readonly ticksSinceLeader: number;
  readonly isHalted: boolean;
}

export interface ReplicaStatus extends ReplicaLeadership {
  readonly id: NodeId;
  readonly commitIndex: LogIndex;
  readonly appliedIndex: LogIndex;
  readonly lastIndex: LogIndex;
  readonly firstIndex: LogIndex;
  /** On the leader, what it knows of the others. */
  readonly progress: readonly MemberProgress[];
  /** Messages of other clusters that were dropped. */
  readonly foreignMessages: number;
}
