import { AtollError } from "../../lib/contract/error-codes.ts";
import type { Proposed } from "./replicated-log.ts";

export const maxQueuedProposals = 16_384;
export const maxQueuedBytes = 64 * 1024 * 1024;
/** One command; larger ones are refused. */
export const maxEntryBytes = 4 * 1024 * 1024;
/** One batch on disk: what is over waits for the next. */
export const maxBatchEntries = 1024;
export const maxBatchBytes = 8 * 1024 * 1024;

/** A command on its way to the disk, and whoever waits for it. */
export interface Proposal {
  /** The command as JSON text. */
  readonly json: string;
  resolve(proposed: Proposed): void;
  reject(error: AtollError): void;
}

/** Proposals that no batch has taken yet, in order; bounded in number and bytes. */
export interface ProposalQueue {
  /** Throws `TOO_LARGE` or `UNAVAILABLE` when there is no room. */
  add(proposal: Proposal): void;
  /** Takes a proposal back; false when it is not waiting any more. */
  remove(proposal: Proposal): boolean;
  /** The next batch: as many from the front as its limits allow, at least one when there is any. */
  take(): Proposal[];
  isEmpty(): boolean;
}

export function createProposalQueue(): ProposalQueue {
  const waiting = new Set<Proposal>();
  let waitingBytes = 0;

  const remove = (proposal: Proposal): boolean => {
    if (!waiting.delete(proposal)) return false;
    waitingBytes -= proposal.json.length;
    return true;
  };

  return {
    add(proposal) {
      // Characters stand for bytes in these limits: both are bounds on memory, not exact sizes.
      const size = proposal.json.length;
      if (size > maxEntryBytes) {
        throw new AtollError("TOO_LARGE", `the change is ${size} bytes large; at most ${maxEntryBytes} are allowed`);
      }
      if (waiting.size >= maxQueuedProposals || waitingBytes + size > maxQueuedBytes) {
        throw new AtollError("UNAVAILABLE", `too many writes are waiting (${waiting.size}); ask again later`);
      }
      waiting.add(proposal);
      waitingBytes += size;
    },
    remove,
    take() {
      const batch: Proposal[] = [];
      let batchBytes = 0;
      for (const proposal of waiting) {
        batchBytes += proposal.json.length;
        if (batch.length > 0 && (batch.length >= maxBatchEntries || batchBytes > maxBatchBytes)) break;
        batch.push(proposal);
      }
      for (const proposal of batch) remove(proposal);
      return batch;
    },
    isEmpty: () => waiting.size === 0,
  };
}
