/**
 * Snapshots that leave: one per follower, two in all, the others wait their turn. While one is under way the entries that
 * its receiver will need next are not compacted.
 */
import type { LogIndex, NodeId } from "../core/types.ts";

const maxSnapshotsSent = 2;

export interface SnapshotSending {
  want(nodes: readonly NodeId[]): void;
  /** Followers whose turn has come; each counts as under way from `index` on until `finished`. */
  start(index: LogIndex): readonly NodeId[];
  finished(node: NodeId): void;
  /** Leadership was lost: nobody waits for a turn; what is under way still counts until it ends. */
  forgetWaiting(): void;
  /** Entries behind this index are needed once a snapshot under way has arrived. */
  neededBehind(): LogIndex;
}

export function createSnapshotSending(): SnapshotSending {
  const waiting = new Set<NodeId>();
  const underWay = new Map<NodeId, LogIndex>();
  return {
    want(nodes) {
      for (const node of nodes) if (!underWay.has(node)) waiting.add(node);
    },
    start(index) {
      const started = [...waiting].slice(0, Math.max(0, maxSnapshotsSent - underWay.size));
      for (const node of started) {
        waiting.delete(node);
        underWay.set(node, index);
      }
      return started;
    },
    finished: (node) => underWay.delete(node),
    forgetWaiting: () => waiting.clear(),
    neededBehind: () => Math.min(Number.POSITIVE_INFINITY, ...underWay.values()),
  };
}
