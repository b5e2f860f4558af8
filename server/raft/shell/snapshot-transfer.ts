/** Snapshots to and from other servers, beside the messages: at most one coming in, and two going out. */
import { errorMessage } from "../../../lib/base/errors.ts";
import type { Logger } from "../../../lib/base/logger.ts";
import { AtollError } from "../../../lib/contract/error-codes.ts";
import type { NodeId, SnapshotMeta, Term } from "../core/types.ts";
import type { LevelLog } from "./level-log.ts";
import type { IncomingSnapshot, PeerWire } from "./peer-wire.ts";

const maxOutgoing = 2;

export interface SnapshotTransfer {
  /** Streams the state to a follower; resolves with what became of it, never rejects. */
  send(to: NodeId, term: Term): Promise<{ readonly isSent: boolean; readonly index: number }>;
  /** Stages what a leader sends; resolves when it is durable. One at a time until `release`. */
  receive(snapshot: IncomingSnapshot): Promise<void>;
  /** The staged snapshot has been installed, or is not wanted. */
  release(): void;
  close(): void;
}

export interface SnapshotTransferOptions {
  readonly disk: Pick<LevelLog, "openSnapshot" | "stage">;
  readonly wire: PeerWire;
  readonly clusterId: string;
  readonly self: NodeId;
  readonly addressOf: (node: NodeId) => string | undefined;
  readonly logger: Logger;
  readonly onStaged: (staged: { from: NodeId; term: Term; snapshot: SnapshotMeta }) => void;
  /** The disk failed while staging. */
  readonly onDiskError: (message: string) => void;
}

export function createSnapshotTransfer(options: SnapshotTransferOptions): SnapshotTransfer {
  const { disk, wire, clusterId, self, logger } = options;
  const stopping = new AbortController();
  let outgoing = 0;
  let isBusy = false;

  const stream = async (to: NodeId, term: Term): Promise<number> => {
    const address = options.addressOf(to);
    if (address === undefined) throw new AtollError("UNAVAILABLE", `nobody knows where server ${to} listens`);
    if (outgoing >= maxOutgoing) throw new AtollError("UNAVAILABLE", "two snapshots are being sent already");
    outgoing++;
    try {
      const reader = await disk.openSnapshot();
      try {
        const { meta, rowCount, rowDigest } = reader;
        logger.info("sending a snapshot", { node: to, index: meta.index, rows: rowCount });
        const outgoingSnapshot = {
          clusterId,
          from: self,
          to,
          term,
          meta,
          rowCount,
          rowDigest,
          chunks: reader.chunks(),
        };
        await wire.sendSnapshot(address, outgoingSnapshot, stopping.signal);
        logger.info("sent a snapshot", { node: to, index: meta.index });
        return meta.index;
      } finally {
        await reader.close();
      }
    } finally {
      outgoing--;
    }
  };
  const stage = async (snapshot: IncomingSnapshot): Promise<void> => {
    const { meta, chunks } = snapshot;
    const staged = await onDisk(() => disk.stage());
    for await (const chunk of chunks) await onDisk(() => staged.add(chunk));
    await onDisk(() => staged.seal({ meta, ...snapshot.totals() }));
  };
  /** What is wrong with the snapshot is the sender's concern; anything else is our disk's. */
  const onDisk = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (thrown) {
      if (!(thrown instanceof AtollError) && !stopping.signal.aborted) options.onDiskError(errorMessage(thrown));
      throw thrown;
    }
  };

  return {
    async send(to, term) {
      try {
        return { isSent: true, index: await stream(to, term) };
      } catch (thrown) {
        if (!stopping.signal.aborted) {
          logger.warn("a snapshot was not sent", { node: to, error: errorMessage(thrown) });
        }
        return { isSent: false, index: 0 };
      }
    },
    async receive(snapshot) {
      if (isBusy || stopping.signal.aborted) {
        throw new AtollError("UNAVAILABLE", "this server is receiving a snapshot already, or stopping");
      }
      isBusy = true;
      try {
        await stage(snapshot);
      } catch (thrown) {
        isBusy = false;
        throw thrown;
      }
      const { from, term, meta } = snapshot;
      logger.info("received a snapshot", { from, index: meta.index, rows: snapshot.totals().rowCount });
      options.onStaged({ from, term, snapshot: meta });
    },
    release() {
      isBusy = false;
    },
    close: () => stopping.abort(),
  };
}
