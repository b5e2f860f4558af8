/**
 * The keys of a server's database and the two records that describe it (format 3). Rows live under a generation, so that
 * a snapshot can be staged beside the state that it replaces and become the state by one small batch.
 */
import type { HardState, LogIndex, Membership, NodeId, Term } from "../core/types.ts";

export const formatVersion = 3;

export const identityKey = "meta/identity";
export const boundsKey = "meta/bounds";
const entryPrefix = "entry/";
const statePrefix = "state/";

/** Written once, when the database is made. */
export interface Identity {
  readonly formatVersion: number;
  readonly clusterId: string;
  readonly nodeId: NodeId;
  readonly datacenter: string;
}

/** A place in the log: the entry there, and the checksum that the next one's starts from. */
export interface LogPlace {
  readonly index: LogIndex;
  readonly term: Term;
  readonly crc: number;
}

/** Rewritten in full in every batch, so that a batch that LevelDB dropped cannot roll back a part of it. */
export interface Bounds {
  readonly hardState: HardState;
  /** The last entry that is no longer kept. */
  readonly first: LogPlace;
  readonly last: LogPlace;
  /** The rows of `generation` are the state at this index. */
  readonly appliedIndex: LogIndex;
  readonly appliedTerm: Term;
  readonly membership: Membership;
  readonly generation: number;
  readonly rowCount: number;
  /** Exclusive or of the checksums of all rows. */
  readonly rowDigest: number;
}

export type DecodedKey =
  | { readonly kind: "identity" | "bounds" | "unknown" }
  | { readonly kind: "entry"; readonly index: LogIndex }
  | { readonly kind: "row"; readonly generation: number; readonly table: string; readonly key: string };

/** The key of the run that begins with the entry at `index`. */
export function entryKey(index: LogIndex): string {
  return entryPrefix + String(index).padStart(16, "0");
}

export function generationPrefix(generation: number): string {
  return `${statePrefix}${String(generation).padStart(10, "0")}/`;
}

export function stateKey(generation: number, row: { readonly table: string; readonly key: string }): string {
  return `${generationPrefix(generation)}${row.table}/${row.key}`;
}

const rowPattern = /^state\/(\d{10})\/([^/]+)\/(.*)$/s;

export function decodeKey(key: string): DecodedKey {
  if (key === identityKey) return { kind: "identity" };
  if (key === boundsKey) return { kind: "bounds" };
  if (/^entry\/\d{16}$/.test(key)) return { kind: "entry", index: Number(key.slice(entryPrefix.length)) };
  const row = rowPattern.exec(key);
  if (row === null) return { kind: "unknown" };
  return { kind: "row", generation: Number(row[1]), table: row[2] ?? "", key: row[3] ?? "" };
}

export function parseIdentity(value: unknown): Identity | undefined {
  if (!isRecord(value)) return undefined;
  const { formatVersion: version, clusterId, nodeId, datacenter } = value;
  if (typeof version !== "number" || typeof clusterId !== "string" || typeof datacenter !== "string") return undefined;
  if (typeof nodeId !== "string" && version > 1) return undefined;
  return { formatVersion: version, clusterId, nodeId: typeof nodeId === "string" ? nodeId : "", datacenter };
}

export function parseBounds(value: unknown): Bounds | undefined {
  if (!isRecord(value)) return undefined;
  const { appliedIndex, appliedTerm, generation, rowCount, rowDigest } = value;
  const hardState = parseHardState(value["hardState"]);
  const first = parsePlace(value["first"]);
  const last = parsePlace(value["last"]);
  const membership = parseMembership(value["membership"]);
  if (hardState === undefined || first === undefined || last === undefined || membership === undefined)
    return undefined;
  if (!isCount(appliedTerm)) return undefined;
  if (!isCount(appliedIndex) || !isCount(generation) || !isCount(rowCount) || !isCount(rowDigest)) return undefined;
  return { hardState, first, last, appliedIndex, appliedTerm, membership, generation, rowCount, rowDigest };
}

function parseHardState(value: unknown): HardState | undefined {
  if (!isRecord(value)) return undefined;
  const { term, vote, commit } = value;
  return isCount(term) && typeof vote === "string" && isCount(commit) ? { term, vote, commit } : undefined;
}

function parsePlace(value: unknown): LogPlace | undefined {
  if (!isRecord(value)) return undefined;
  const { index, term, crc } = value;
  return isCount(index) && isCount(term) && isCount(crc) ? { index, term, crc } : undefined;
}

export function parseMembership(value: unknown): Membership | undefined {
  if (!isRecord(value)) return undefined;
  const { voters, outgoing, learners, learnersNext, removed, addresses } = value;
  if (!isTexts(voters) || !isTexts(outgoing) || !isTexts(learners) || !isTexts(learnersNext) || !isTexts(removed)) {
    return undefined;
  }
  if (!isRecord(addresses)) return undefined;
  const texts: Record<NodeId, string> = {};
  for (const [node, address] of Object.entries(addresses)) {
    if (typeof address !== "string") return undefined;
    texts[node] = address;
  }
  return { voters, outgoing, learners, learnersNext, removed, addresses: texts };
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

export function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === "string");
}
