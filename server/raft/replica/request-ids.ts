/**
 * Exactly-once (thesis 6.3): the results of the last writes by request id, so that a retry is answered and not applied
 * again. The table is part of the replicated state: filled and emptied by log order alone, stored as rows with the applied
 * index, carried by snapshots. A retry older than the bound is a new write.
 *
 * One row holds the ids of a range of indexes and is forgotten as a whole: with a row for each id two of the seven changes
 * that a write made on disk were here.
 */
import { assert } from "../../../lib/base/assert.ts";
import type { LogIndex } from "../core/types.ts";
import type { Row } from "./replica-api.ts";

export const requestIdTable = "request-id-groups";
/** Where a row held one id, up to and with Atoll 0.1; such rows are read, and deleted with their group. */
export const formerRequestIdTable = "request-ids";
/** Goes before the hash of the state: members that count differently do not compare. */
export const requestIdsName = "ids2";
const maxRequestIdChars = 128;
/** Indexes that share a row. */
const groupSpan = 64;

export interface RememberedResult {
  /** Of the entry that had the effect. */
  readonly index: LogIndex;
  readonly result: unknown;
}

export interface RequestIds {
  get(requestId: string): RememberedResult | undefined;
  /** Keeps the result, forgets the oldest groups that are not needed for the bound; returns the rows of both. */
  remember(requestId: string, remembered: RememberedResult): readonly Row[];
  /** Replaces the table by rows in any order. */
  restore(rows: Iterable<Row>): void;
  /** The same on every member that has applied the same entries. */
  fingerprint(): string;
}

type Remembered = readonly [requestId: string, remembered: RememberedResult];

interface Group {
  readonly number: number;
  /** In log order. Replaced, never changed: a row that waits to be written holds it. */
  entries: readonly Remembered[];
  readonly formerKeys: string[];
}

/** The last `maxRequestIds` at least; must be the same on every member: it decides which retries have an effect. */
export function createRequestIds({ maxRequestIds }: { readonly maxRequestIds: number }): RequestIds {
  let byId = new Map<string, RememberedResult>();
  let groups: Group[] = [];
  let newest: LogIndex = 0;

  const groupAt = (index: LogIndex): Group => {
    const number = Math.floor(index / groupSpan);
    const last = groups.at(-1);
    if (last?.number === number) return last;
    assert(last === undefined || last.number < number, "request ids are remembered in log order");
    const group: Group = { number, entries: [], formerKeys: [] };
    groups.push(group);
    return group;
  };
  const forgetOldest = (rows: Row[]): void => {
    for (let oldest = groups[0]; oldest !== undefined; oldest = groups[0]) {
      if (byId.size - oldest.entries.length < maxRequestIds) return;
      for (const [requestId] of oldest.entries) byId.delete(requestId);
      rows.push({ table: requestIdTable, key: keyOf(oldest) });
      for (const key of oldest.formerKeys) rows.push({ table: formerRequestIdTable, key });
      groups.shift();
    }
  };

  return {
    get: (requestId) => byId.get(requestId),
    remember(requestId, remembered) {
      assert(!byId.has(requestId), "a request id is remembered once");
      byId.set(requestId, remembered);
      newest = remembered.index;
      const group = groupAt(remembered.index);
      group.entries = [...group.entries, [requestId, remembered]];
      const rows: Row[] = [{ table: requestIdTable, key: keyOf(group), value: group.entries }];
      forgetOldest(rows);
      return rows;
    },
    restore(rows) {
      byId = new Map();
      groups = [];
      const former = new Set<string>();
      const found: Remembered[] = [];
      for (const { table, key, value } of rows) {
        const decoded = table === requestIdTable ? decodeGroup(value) : [decodeRemembered([key, value])];
        for (const remembered of decoded) if (remembered !== undefined) found.push(remembered);
        if (table === formerRequestIdTable) former.add(key);
      }
      for (const [requestId, remembered] of found.toSorted(([, a], [, b]) => a.index - b.index)) {
        // A group that was begun in the former way holds its ids in both.
        if (byId.has(requestId)) continue;
        byId.set(requestId, remembered);
        const group = groupAt(remembered.index);
        group.entries = [...group.entries, [requestId, remembered]];
        if (former.has(requestId)) group.formerKeys.push(requestId);
      }
      newest = groups.at(-1)?.entries.at(-1)?.[1].index ?? 0;
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

function keyOf({ number }: Group): string {
  return String(number);
}

function decodeGroup(value: unknown): (Remembered | undefined)[] {
  return Array.isArray(value) ? value.map(decodeRemembered) : [];
}

function decodeRemembered(pair: unknown): Remembered | undefined {
  if (!Array.isArray(pair)) return undefined;
  const [requestId, value]: unknown[] = pair;
  if (typeof requestId !== "string" || typeof value !== "object" || value === null) return undefined;
  if (!("index" in value) || typeof value.index !== "number") return undefined;
  return [requestId, { index: value.index, result: "result" in value ? value.result : undefined }];
}
