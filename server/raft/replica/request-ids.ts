/**
 * Exactly-once (thesis 6.3): the results of the last writes by request id, so that a retry is answered and not applied
 * again. The table is part of the replicated state: filled and emptied by log order alone, stored as rows with the applied
 * index, carried by snapshots. A retry older than the bound is a new write.
 */
import { assert, mustGet } from "../../../lib/base/assert.ts";
import type { LogIndex } from "../core/types.ts";
import type { Row } from "./replica-api.ts";

export const requestIdTable = "request-ids";
const maxRequestIdChars = 128;

export interface RememberedResult {
  /** Of the entry that had the effect. */
  readonly index: LogIndex;
  readonly result: unknown;
}

export interface RequestIds {
  get(requestId: string): RememberedResult | undefined;
  /** Keeps the result and forgets the oldest over the bound; returns the rows of both. */
  remember(requestId: string, remembered: RememberedResult): readonly Row[];
  /** Replaces the table by rows in any order. */
  restore(rows: Iterable<Row>): void;
  /** The same on every member that has applied the same entries. */
  fingerprint(): string;
}

/** `maxRequestIds` must be the same on every member: it decides which retries have an effect. */
export function createRequestIds({ maxRequestIds }: { readonly maxRequestIds: number }): RequestIds {
  let byId = new Map<string, RememberedResult>();
  /**
   * In log order; what is before `oldest` was forgotten. The map alone would do, but walking to the first of its keys past
   * the deleted ones took 40 % of the time of a write.
   */
  let order: string[] = [];
  let oldest = 0;
  let newest: LogIndex = 0;

  const forgetOldest = (): Row[] => {
    const rows: Row[] = [];
    while (byId.size > maxRequestIds) {
      const key = mustGet(order[oldest], "an id for every remembered result");
      oldest++;
      byId.delete(key);
      rows.push({ table: requestIdTable, key });
    }
    if (oldest > maxRequestIds) {
      order = order.slice(oldest);
      oldest = 0;
    }
    return rows;
  };

  return {
    get: (requestId) => byId.get(requestId),
    remember(requestId, remembered) {
      assert(!byId.has(requestId), "a request id is remembered once");
      byId.set(requestId, remembered);
      order.push(requestId);
      newest = remembered.index;
      return [{ table: requestIdTable, key: requestId, value: remembered }, ...forgetOldest()];
    },
    restore(rows) {
      const found = [...rows].flatMap(({ key, value }) => {
        const remembered = decodeRemembered(value);
        return remembered === undefined ? [] : [[key, remembered] as const];
      });
      byId = new Map(found);
      order = found.toSorted(([, a], [, b]) => a.index - b.index).map(([requestId]) => requestId);
      oldest = 0;
      newest = found.reduce((max, [, { index }]) => Math.max(max, index), 0);
    },
    fingerprint: () => (byId.size === 0 ? "0" : `${byId.size}@${newest}`),
  };
}

/** Ids become keys of rows, which may not hold control characters; says what is wrong with one, or nothing. */
export function requestIdProblem(requestId: string): string | undefined {
  if (requestId.length > maxRequestIdChars) return `the request id is longer than ${maxRequestIdChars} characters`;
  for (let i = 0; i < requestId.length; i++) {
    const code = requestId.charCodeAt(i);
    if (code < 0x20 || code === 0x7f) return "the request id has a control character";
  }
  return undefined;
}

function decodeRemembered(value: unknown): RememberedResult | undefined {
  if (typeof value !== "object" || value === null || !("index" in value)) return undefined;
  const { index } = value;
  if (typeof index !== "number") return undefined;
  return { index, result: "result" in value ? value.result : undefined };
}
