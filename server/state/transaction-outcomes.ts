import type { TransactionOutcome } from "../../lib/contract/transactions.ts";

/**
 * What the last transactions came to, for the one who proposed them here. The log remembers the result of a command by its
 * request id, on disk and for long; records that a transaction has read are too large for that, and only referred to here.
 */
export interface TransactionOutcomes {
  keep(id: string, outcome: TransactionOutcome): void;
  take(id: string): TransactionOutcome | undefined;
}

/** Those that others proposed are never taken: the oldest makes room. */
const maxOutcomes = 256;

export function createTransactionOutcomes(): TransactionOutcomes {
  const outcomes = new Map<string, TransactionOutcome>();
  return {
    keep(id, outcome) {
      outcomes.set(id, outcome);
      for (const oldest of outcomes.keys()) {
        if (outcomes.size <= maxOutcomes) break;
        outcomes.delete(oldest);
      }
    },
    take(id) {
      const outcome = outcomes.get(id);
      outcomes.delete(id);
      return outcome;
    },
  };
}
