import type { Indexed } from "./catalog.ts";

/** Keys, values and the operations on them, and the sessions that hold locks: records in the shape of Consul's where JSON allows it. */
export interface KvFields {
  readonly Key: string;
  /** Base64 of the bytes, which are nobody's text; empty for none. */
  readonly Value: string;
  /** An unsigned number of 64 bits in decimal digits: clients mark locks with numbers that JavaScript would round. */
  readonly Flags: string;
  /** How often the key was acquired. */
  readonly LockIndex: number;
  /** Who holds the lock; empty for nobody. */
  readonly Session: string;
  /** Only of entries that end by themselves. */
  readonly Expiry?: KvExpiry;
}
export type KvRecord = KvFields & Indexed;

export interface KvExpiry {
  /** As it was asked for, such as `30s`. */
  readonly ttl: string;
  /** By the clock of the leader that took the write, in ms since the epoch. */
  readonly atMs: number;
}

/** What remains of a deleted key, or of all keys below a prefix, until nobody can have missed it. */
export interface KvTombstone {
  readonly key: string;
  readonly isTree: boolean;
  readonly index: number;
}

/** Verbs that change something, and those that only look. */
export const kvWriteVerbs = ["set", "cas", "lock", "unlock", "delete", "delete-cas", "delete-tree"] as const;
export const kvReadVerbs = [
  "get",
  "get-or-empty",
  "get-tree",
  "check-index",
  "check-session",
  "check-not-exists",
] as const;
export type KvVerb = (typeof kvWriteVerbs)[number] | (typeof kvReadVerbs)[number];

/** One operation on one key, or on a prefix for `delete-tree` and `get-tree`; complete, so that applying it needs nothing else. */
export interface KvOperation {
  readonly verb: KvVerb;
  readonly key: string;
  /** Base64. */
  readonly value: string;
  readonly flags: string;
  /** What `cas`, `delete-cas` and `check-index` compare with. */
  readonly index: number;
  /** Of `lock`, `unlock` and `check-session`. */
  readonly session: string;
  readonly expiry?: KvExpiry;
}

/** As long as a path parameter may be. */
export const maxKvKeyChars = 4_096;
/** The shortest time that the leader's clock keeps, and the longest that can be meant. */
export const kvTtlMs = { min: 1_000, max: 10 * 365 * 24 * 3_600_000 } as const;
const maxFlags = 0xffff_ffff_ffff_ffffn;

/** Whether `text` is an unsigned number of 64 bits. */
export function isKvFlags(text: string): boolean {
  return /^\d{1,20}$/.test(text) && BigInt(text) <= maxFlags;
}

/**
 * Why nobody may write under this key. Segments `.` and `..` are refused, also behind backslashes: tools that mirror keys to
 * files would leave their folder, and a URL that is cleaned on its way would reach another key.
 */
export function kvKeyProblem(key: string): string | undefined {
  if (key.length > maxKvKeyChars)
    return `key name is ${key.length} characters long; at most ${maxKvKeyChars} are allowed`;
  if (!key.isWellFormed()) return "key name is not valid Unicode";
  const segment = key.split(/[/\\]/).find((part) => part === "." || part === "..");
  if (segment === undefined) return undefined;
  return `Invalid key name ${JSON.stringify(key)}: the segment "${segment}" is refused, since it could be used for path traversal`;
}
