import { checkLinearizable } from "../linearizability/check.ts";
import { registerKey, registerModel } from "../linearizability/register-model.ts";
import type { ClientOperation, WorkloadRecord } from "./workload.ts";

export interface Judgement {
  readonly acknowledged: number;
  readonly unknown: number;
  readonly refused: number;
  readonly operations: number;
  /** Acknowledged and not there at the end. */
  readonly lost: readonly string[];
  /** `consistent` reads that missed a write which had been acknowledged before they began. */
  readonly staleReads: readonly string[];
  /** Why the history is not linearizable, or not proven to be; empty when it is. */
  readonly violation: string;
}

const checkTimeoutMs = 60_000;

/** Compares what the clients saw with what may be, and what is there at the end with what was acknowledged. */
export function judge(record: WorkloadRecord, found: ReadonlyMap<string, string>): Judgement {
  const lost = [...record.distinct].filter(([node, value]) => found.get(node) !== value).map(([node]) => node);
  const verdict = checkLinearizable(registerModel, record.operations, {
    partition: registerKey,
    timeoutMs: checkTimeoutMs,
  });
  return {
    acknowledged: record.acknowledged,
    unknown: record.unknown,
    refused: record.refused,
    operations: record.operations.length,
    lost,
    staleReads: findStaleReads(record.operations),
    violation: verdict.outcome === "linearizable" ? "" : `${verdict.outcome} of ${verdict.key}: ${verdict.explanation}`,
  };
}

/** What the search finds as well, told apart from other violations; all written values differ. */
export function findStaleReads(operations: readonly ClientOperation[]): string[] {
  const byKey = Map.groupBy(operations, ({ input }) => input.key);
  return [...byKey.values()].flatMap((group) => {
    const writes = group.filter(
      ({ input, output }) => input.type !== "read" && output?.type === "done" && output.isApplied,
    );
    return group.filter((read) => isStale(read, writes)).map((read) => JSON.stringify(read));
  });
}

/** Whether a write that ended before the read began had itself begun after the write of the value read ended. */
function isStale(read: ClientOperation, writes: readonly ClientOperation[]): boolean {
  if (read.output?.type !== "value") return false;
  const { value } = read.output;
  const source = writes.find(({ input }) => input.type !== "read" && input.value === value);
  // A value whose write has an unknown outcome may have been written at any later time.
  if (source === undefined && value !== null) return false;
  const sourceEnd = source?.return ?? Number.NEGATIVE_INFINITY;
  return writes.some((write) => write.return < read.call && write.call > sourceEnd);
}
