import type { ConfirmedRead, Message, NodeId, SnapshotMeta } from "./types.ts";

/** What piles up for the next ready. */
export interface Outbox {
  messages: Message[];
  messagesAfterStore: Message[];
  reads: ConfirmedRead[];
  rejectedReads: number[];
  snapshotsWanted: Set<NodeId>;
  install: SnapshotMeta | undefined;
}

export function emptyOutbox(): Outbox {
  return {
    messages: [],
    messagesAfterStore: [],
    reads: [],
    rejectedReads: [],
    snapshotsWanted: new Set(),
    install: undefined,
  };
}

export function isOutboxEmpty(outbox: Outbox): boolean {
  return (
    outbox.messages.length === 0 &&
    outbox.messagesAfterStore.length === 0 &&
    outbox.reads.length === 0 &&
    outbox.rejectedReads.length === 0 &&
    outbox.snapshotsWanted.size === 0 &&
    outbox.install === undefined
  );
}
