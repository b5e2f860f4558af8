/**
 * What operators, the HTTP API and automation may ask of the consensus engine of one server, besides `ReplicatedLog`.
 * Everything that changes the membership is answered by the leader only; elsewhere it rejects with `NO_LEADER`.
 */
import type { LogIndex, NodeId, Term } from "./core/types.ts";
import type { ReplicaStatus, Row } from "./replica/replica-api.ts";

export interface RaftOperator {
  readonly nodeId: NodeId;
  readonly clusterId: string;
  /** Of this server, as of now; `progress` is filled on the leader. */
  status(): RaftStatus;
  /** The applied membership, voters first. */
  members(): readonly RaftMember[];
  /** Adds a server that receives the log and does not count; a known learner or voter only gets the address. */
  addLearner(member: { readonly node: NodeId; readonly address: string }, signal?: AbortSignal): Promise<void>;
  /** Makes a learner a voter. Rejects with `CONFLICT` while it lags behind. */
  promote(node: NodeId, signal?: AbortSignal): Promise<void>;
  /** Takes a server out for good: its id is never accepted again. A leader that is removed hands over first. */
  remove(node: NodeId, signal?: AbortSignal): Promise<void>;
  /** Hands leadership to `to`, or to the most advanced voter; resolves when another server leads. */
  transferLeadership(to?: NodeId, signal?: AbortSignal): Promise<void>;
  /** The whole state at one applied index, read from the disk while writes go on. The caller closes it. */
  openSnapshot(): Promise<StateSnapshot>;
  /** Replaces the state of the whole cluster, through the log: resolves when this server, the leader, has applied it. */
  restoreSnapshot(
    rows: AsyncIterable<Row> | Iterable<Row>,
    signal?: AbortSignal,
  ): Promise<{ readonly index: LogIndex }>;
}

export interface RaftStatus extends ReplicaStatus {
  /** As the membership says; empty while there is no leader. */
  readonly leaderAddress: string;
  /** Milliseconds since the leader was heard; 0 on the leader. */
  readonly lastContactMs: number;
}

export interface RaftMember {
  readonly node: NodeId;
  readonly address: string;
  readonly isVoter: boolean;
  readonly isLeader: boolean;
  /** Known to the leader only. */
  readonly progress?: { readonly match: LogIndex; readonly isRecentlyActive: boolean };
}

export interface StateSnapshot {
  readonly index: LogIndex;
  readonly term: Term;
  readonly clusterId: string;
  rows(): AsyncIterable<Row>;
  close(): Promise<void>;
}
