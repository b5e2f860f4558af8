import type { CommandResult, TransactionCommand } from "../../lib/contract/commands.ts";
import type {
  TransactionError,
  TransactionOperation,
  TransactionOutcome,
  TransactionResult,
} from "../../lib/contract/transactions.ts";
import { type ChangeSet, createUndoableChanges } from "./change-set.ts";
import type { Refusal } from "./name-rules.ts";
import type { Tables } from "./tables.ts";
import { applyCheckOperation, applyNodeOperation, applyServiceOperation } from "./transaction-catalog.ts";
import { applyTransactionKv } from "./transaction-kv.ts";

/** What an operation found or left, or why the whole transaction has to fail. */
export type OperationOutcome = { readonly ok: true; readonly results: readonly TransactionResult[] } | Refusal;

/**
 * Runs the operations in order; each sees what those before it did. When one fails the rest is still judged, so that every
 * error is told, and then all of it is put back.
 */
export function applyTransaction(
  tables: Tables,
  changes: ChangeSet,
  { operations }: TransactionCommand,
): { readonly result: CommandResult; readonly outcome: TransactionOutcome } {
  const attempt = createUndoableChanges(changes.index);
  const outcome = runOperations(tables, attempt.changes, operations);
  if (outcome.errors.length > 0) {
    attempt.undo();
    return { result: { ok: true, applied: false, errors: outcome.errors }, outcome };
  }
  for (const row of attempt.changes.rows) changes.putRow(row);
  for (const key of attempt.changes.touched) changes.touch(key);
  return { result: { ok: true, applied: true }, outcome };
}

/** Operations that only look, on the state as it is. */
export function readTransaction(tables: Tables, operations: readonly TransactionOperation[]): TransactionOutcome {
  return runOperations(tables, createUndoableChanges(0).changes, operations);
}

function runOperations(
  tables: Tables,
  changes: ChangeSet,
  operations: readonly TransactionOperation[],
): TransactionOutcome {
  const results: TransactionResult[] = [];
  const errors: TransactionError[] = [];
  for (const [number, operation] of operations.entries()) {
    const outcome = runOperation(tables, changes, operation);
    if (outcome.ok) results.push(...outcome.results);
    else errors.push({ operation: number, message: outcome.message });
  }
  return { results: errors.length === 0 ? results : [], errors };
}

function runOperation(tables: Tables, changes: ChangeSet, operation: TransactionOperation): OperationOutcome {
  switch (operation.type) {
    case "kv":
      return applyTransactionKv(tables, changes, operation.kv);
    case "node":
      return applyNodeOperation(tables, changes, operation);
    case "service":
      return applyServiceOperation(tables, changes, operation);
    case "check":
      return applyCheckOperation(tables, changes, operation);
  }
}
