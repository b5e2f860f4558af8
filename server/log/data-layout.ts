/**
 * Format 1, which servers wrote before they ran on Raft: the keys of its database and the two records that describe it.
 * Nothing writes it any more; it is read to be taken over (raft/shell/migrate.ts). Only the name of a row lives on: it is
 * part of a row's checksum in format 2 too. Key order is: entries by index, the two records, rows by table and key.
 */
export const formatVersion = 1;

/**
 * The index before that of the first entry. It stands for the bootstrap of the cluster, so that a reader of an empty
 * catalog, who is told index 1, sees the first entry as a change.
 */
export const bootstrapIndex = 1;

export const identityKey = "meta/identity";
export const progressKey = "meta/progress";
const entryPrefix = "log/";
const rowPrefix = "row/";

/** Written once, when the database is made. */
export interface DatabaseIdentity {
  readonly formatVersion: number;
  readonly clusterId: string;
  readonly datacenter: string;
}

/** Rewritten in full in every batch: what the database must hold if nothing was lost. */
export interface Progress {
  /** The rows are those of the state at this index. */
  readonly appliedIndex: number;
  /** Index of the oldest entry that is kept; one more than `lastIndex` when there is none. */
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly rowCount: number;
  /** Exclusive or of the checksums of all rows. */
  readonly rowDigest: number;
}

export type DecodedKey =
  | { readonly kind: "identity" }
  | { readonly kind: "progress" }
  | { readonly kind: "entry"; readonly index: number }
  | { readonly kind: "row"; readonly table: string; readonly key: string }
  | { readonly kind: "unknown" };

/** Padded, so that keys sort as their indexes do. */
export function entryKey(index: number): string {
  return entryPrefix + String(index).padStart(16, "0");
}

export function rowKey(table: string, key: string): string {
  return `${rowPrefix}${table}/${key}`;
}

export function decodeKey(key: string): DecodedKey {
  if (key === identityKey) return { kind: "identity" };
  if (key === progressKey) return { kind: "progress" };
  if (/^log\/\d{16}$/.test(key)) return { kind: "entry", index: Number(key.slice(entryPrefix.length)) };
  const slash = key.indexOf("/", rowPrefix.length);
  if (key.startsWith(rowPrefix) && slash !== -1) {
    return { kind: "row", table: key.slice(rowPrefix.length, slash), key: key.slice(slash + 1) };
  }
  return { kind: "unknown" };
}

export function parseIdentity(value: unknown): DatabaseIdentity | undefined {
  if (!isRecord(value)) return undefined;
  const { formatVersion: version, clusterId, datacenter } = value;
  if (typeof version !== "number" || typeof clusterId !== "string" || typeof datacenter !== "string") return undefined;
  return { formatVersion: version, clusterId, datacenter };
}

export function parseProgress(value: unknown): Progress | undefined {
  if (!isRecord(value)) return undefined;
  const { appliedIndex, firstIndex, lastIndex, rowCount, rowDigest } = value;
  if (!isCount(appliedIndex) || !isCount(firstIndex) || !isCount(lastIndex)) return undefined;
  if (!isCount(rowCount) || !isCount(rowDigest)) return undefined;
  return { appliedIndex, firstIndex, lastIndex, rowCount, rowDigest };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
