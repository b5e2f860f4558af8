import { isReadOnly, type TransactionOperation, type TransactionOutcome } from "../../lib/contract/transactions.ts";
import type { StateReader } from "../state/reader.ts";

/**
 * The answer to a transaction that is sent again under the same request id: that it took effect is remembered, what it found
 * is not, so it is answered with the records as they are now.
 */
export function outcomeOfRetry(
  reader: Pick<StateReader, "readTransaction">,
  operations: readonly TransactionOperation[],
): TransactionOutcome {
  const results = operations.flatMap((operation) => {
    const look = lookedAt(operation);
    if (look === undefined) return [];
    const found = reader.readTransaction([look]).results;
    if (isReadOnly(operation)) return found;
    return found.map((result) => (result.type === "kv" ? { ...result, hasValue: false } : result));
  });
  return { results, errors: [] };
}

/** What was deleted leaves nothing to be shown. */
function lookedAt(operation: TransactionOperation): TransactionOperation | undefined {
  if (isReadOnly(operation)) return operation;
  const verb = operation.type === "kv" ? operation.kv.verb : operation.verb;
  if (verb.startsWith("delete")) return undefined;
  if (operation.type === "kv") return { type: "kv", kv: { ...operation.kv, verb: "get" } };
  return { ...operation, verb: "get" };
}
