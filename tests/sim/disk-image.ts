import type { Entry, HardState, LogIndex, Membership, SnapshotMeta, Term } from "../../server/raft/core/types.ts";
import type { Row, StoreBatch } from "../../server/raft/replica/replica-api.ts";
import { hashText } from "./random.ts";

/** One atomic write, as the shell would hand it to the database. */
export type DiskWrite =
  | { readonly kind: "batch"; readonly batch: StoreBatch }
  | {
      readonly kind: "install";
      readonly snapshot: SnapshotMeta;
      readonly hardState: HardState;
      readonly rows: readonly Row[];
    };

interface SealedEntry {
  readonly index: LogIndex;
  readonly term: Term;
  readonly json: string;
  /** Over this entry and the chain of the one before: order and completeness can be verified. */
  readonly chain: number;
}

interface SealedRow {
  readonly table: string;
  readonly key: string;
  readonly json: string;
  readonly checksum: number;
}

/**
 * What is on one disk: sealed values and, rewritten in full by every write, the bounds that they must add up to. Only text is
 * kept, so nothing in a server's memory can change it.
 */
export class DiskImage {
  first: { index: LogIndex; term: Term; chain: number };
  entries: SealedEntry[] = [];
  readonly rows = new Map<string, SealedRow>();
  hardState: HardState;
  appliedIndex: LogIndex;
  membership: Membership;
  bounds = { lastIndex: 0, rowCount: 0, rowDigest: 0 };
  /** Over everything that is neither entry nor row. */
  #metaChecksum: number;

  constructor(seed: { readonly index: LogIndex; readonly term: Term; readonly membership: Membership }) {
    this.first = { index: seed.index, term: seed.term, chain: 0 };
    this.hardState = { term: seed.term, vote: "", commit: seed.index };
    this.appliedIndex = seed.index;
    this.membership = seed.membership;
    this.bounds.lastIndex = seed.index;
    this.#metaChecksum = this.#sumMeta();
  }

  get lastIndex(): LogIndex {
    return this.entries.at(-1)?.index ?? this.first.index;
  }

  termAt(index: LogIndex): Term | undefined {
    if (index === this.first.index) return this.first.term;
    return this.entries[index - this.first.index - 1]?.term;
  }

  apply(write: DiskWrite): void {
    if (write.kind === "batch") this.#applyBatch(write.batch);
    else this.#install(write);
    this.#metaChecksum = this.#sumMeta();
  }

  /** Replaces term, vote and commit index by what another copy of them says. */
  restoreHardState(hardState: HardState): void {
    this.hardState = hardState;
    this.#metaChecksum = this.#sumMeta();
  }

  /** What does not add up, or undefined. Nothing is repaired. */
  findDamage(): string | undefined {
    if (this.#metaChecksum !== this.#sumMeta()) return "term, vote or bounds have a wrong checksum";
    let previous = { index: this.first.index, chain: this.first.chain };
    for (const entry of this.entries) {
      if (entry.index !== previous.index + 1) return `entry ${previous.index + 1} is missing`;
      if (entry.chain !== chainOf(previous.chain, entry.json)) return `entry ${entry.index} has a wrong checksum`;
      previous = entry;
    }
    if (previous.index !== this.bounds.lastIndex)
      return `the log ends at ${previous.index}, not ${this.bounds.lastIndex}`;
    let digest = 0;
    for (const [key, row] of this.rows) {
      if (row.checksum !== hashText(row.json)) return `row ${key} has a wrong checksum`;
      digest ^= hashText(key, row.checksum);
    }
    if (this.rows.size !== this.bounds.rowCount || digest !== this.bounds.rowDigest) return "the rows do not add up";
    return undefined;
  }

  readEntries(): Entry[] {
    return this.entries.map(({ json }) => decodeEntry(json));
  }

  readRows(): Row[] {
    return [...this.rows.values()].map(({ table, key, json }) => ({ table, key, value: JSON.parse(json) }));
  }

  #sumMeta(): number {
    const { first, hardState, appliedIndex, membership, bounds } = this;
    return hashText(JSON.stringify([first, hardState, appliedIndex, membership, bounds]));
  }

  #applyBatch(batch: StoreBatch): void {
    if (batch.truncateFrom !== undefined) {
      this.entries.length = Math.max(0, Math.min(this.entries.length, batch.truncateFrom - this.first.index - 1));
    }
    for (const entry of batch.entries) {
      const json = JSON.stringify(entry);
      const chain = chainOf(this.entries.at(-1)?.chain ?? this.first.chain, json);
      this.entries.push({ index: entry.index, term: entry.term, json, chain });
    }
    for (const row of batch.rows) this.#put(row);
    this.hardState = { ...batch.hardState };
    this.appliedIndex = batch.appliedIndex;
    this.membership = copy(batch.membership);
    this.#compact(batch.compactTo);
    this.bounds.lastIndex = this.lastIndex;
  }

  #install(install: Extract<DiskWrite, { kind: "install" }>): void {
    this.first = { index: install.snapshot.index, term: install.snapshot.term, chain: 0 };
    this.entries = [];
    this.rows.clear();
    this.bounds = { lastIndex: install.snapshot.index, rowCount: 0, rowDigest: 0 };
    for (const row of install.rows) this.#put(row);
    this.hardState = { ...install.hardState };
    this.appliedIndex = install.snapshot.index;
    this.membership = copy(install.snapshot.membership);
  }

  #put(row: Row): void {
    const key = `${row.table}/${row.key}`;
    const before = this.rows.get(key);
    if (before !== undefined) {
      this.bounds.rowDigest ^= hashText(key, before.checksum);
      this.rows.delete(key);
    }
    if (row.value !== undefined) {
      const json = JSON.stringify(row.value);
      const checksum = hashText(json);
      this.rows.set(key, { table: row.table, key: row.key, json, checksum });
      this.bounds.rowDigest ^= hashText(key, checksum);
    }
    this.bounds.rowCount = this.rows.size;
  }

  #compact(index: LogIndex): void {
    const count = index - this.first.index;
    const last = this.entries[count - 1];
    if (count <= 0 || last === undefined) return;
    this.first = { index, term: last.term, chain: last.chain };
    this.entries = this.entries.slice(count);
  }
}

function chainOf(previous: number, json: string): number {
  return hashText(json, previous ^ 0x5bd1e995);
}

function copy(membership: Membership): Membership {
  return structuredClone(membership);
}

/** The inverse of what `#applyBatch` has just encoded from the same type. */
function decodeEntry(json: string): Entry {
  return JSON.parse(json);
}
