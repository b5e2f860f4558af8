/** What carries messages and snapshots between servers, as the engine sees it: gRPC (server/rpc), or a test's own. */
import type { Message, NodeId, SnapshotMeta, Term } from "../core/types.ts";

/** Some messages from one server to one other. */
export interface MessageGroup {
  readonly clusterId: string;
  readonly from: NodeId;
  readonly to: NodeId;
  readonly fromAddress: string;
  readonly messages: readonly Message[];
}

export interface PeerWire {
  /** Connects to `address`, looking its name up anew. Rejects with `UNAVAILABLE` when nobody answers in time. */
  dial(address: string, signal: AbortSignal): Promise<PeerStream>;
  /** Streams a snapshot over a connection of its own; resolves when the receiver has all of it on its disk. */
  sendSnapshot(address: string, snapshot: OutgoingSnapshot, signal: AbortSignal): Promise<void>;
}

export interface PeerStream {
  /** Resolves when the network has taken the group; never called again before. Rejects when the stream has ended. */
  write(group: MessageGroup): Promise<void>;
  /** Calls back once, with the reason, when the stream is over; not after `close`. */
  onEnd(listener: (reason: string) => void): void;
  close(): void;
}

export interface OutgoingSnapshot {
  readonly clusterId: string;
  readonly from: NodeId;
  readonly to: NodeId;
  readonly term: Term;
  readonly meta: SnapshotMeta;
  readonly rowCount: number;
  readonly rowDigest: number;
  readonly chunks: AsyncIterable<Uint8Array>;
}

/** What a server does with what its peers send. */
export interface PeerInbox {
  readonly clusterId: string;
  readonly nodeId: NodeId;
  onMessages(group: MessageGroup): void;
  /** Stages a snapshot; resolves when it is durable. `read` gives the chunks and then what they must add up to. */
  onSnapshot(snapshot: IncomingSnapshot): Promise<void>;
}

export interface IncomingSnapshot {
  readonly from: NodeId;
  readonly term: Term;
  readonly meta: SnapshotMeta;
  readonly chunks: AsyncIterable<Uint8Array>;
  /** Known when the chunks have been read to their end. */
  totals(): { readonly rowCount: number; readonly rowDigest: number };
}
