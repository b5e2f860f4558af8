import type { Command, CommandResult } from "../../lib/contract/commands.ts";
import type { LogIndex } from "../../lib/contract/ids.ts";
import type { RowChange } from "../state/row-change.ts";

/**
 * The seam between the catalog and whatever replicates it. The engine owns ordering, durability and leadership; the
 * catalog owns what a command means. Raft (server/raft) is the implementation, for a cluster of one too; an etcd cluster
 * could be another.
 */
export interface ReplicatedLog {
  /**
   * Appends a command and resolves when it is durable and applied to the local state. Rejects with `NO_LEADER` when
   * nothing was appended, `UNKNOWN_OUTCOME` when it may have been, `UNAVAILABLE` when the queue is full or closing.
   */
  propose(command: Command, signal?: AbortSignal, options?: ProposeOptions): Promise<Proposed>;
  /**
   * Resolves when this server has applied every write acknowledged before the call: a local read made then sees them all.
   * The index is that of the log, which also counts entries that change no state.
   */
  readIndex(signal?: AbortSignal): Promise<LogIndex>;
  leadership(): Leadership;
  /** Calls back on every change of leadership until closed. */
  onLeadershipChange(listener: (leadership: Leadership) => void): { close(): void };
  stop(): Promise<void>;
}

export interface ProposeOptions {
  /** Names the write: as long as it is remembered, another proposal of the same id has no effect and gets its result. */
  readonly requestId?: string;
}

export interface Proposed {
  readonly index: LogIndex;
  readonly result: CommandResult;
}

export interface Leadership {
  readonly isLeader: boolean;
  /** RPC address of the leader as `host:port`; empty while there is none. */
  readonly leaderAddress: string;
  readonly peers: readonly string[];
  readonly lastContactMs: number;
}

/**
 * What an engine drives. `apply` is synchronous and deterministic and is called once for every entry, in order. It changes
 * memory at once and returns the rows to persist; the engine writes them with the applied index in one batch.
 */
export interface StateMachine {
  apply(index: number, command: Command): { readonly result: CommandResult; readonly rows: readonly RowChange[] };
  /** Fills empty memory with the persisted rows, which are those at `appliedIndex`, before the first `apply`. */
  restore(appliedIndex: number, rows: Iterable<RowChange>): void;
  /** Tells waiting readers what the entries since the last call touched; called after a group of `apply`. */
  notify(): void;
}
