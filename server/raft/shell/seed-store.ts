/** The first batch of a database: what makes an empty directory a server of a cluster. */
import { assert } from "../../../lib/base/assert.ts";
import type { RangedStore, StoreOperation } from "../../log/durable-store.ts";
import { createRowDigest } from "../../log/row-digest.ts";
import { sealJson } from "../../log/sealed-value.ts";
import type { Membership, SnapshotMeta } from "../core/types.ts";
import type { Row } from "../replica/replica-api.ts";
import { type Bounds, boundsKey, formatVersion, type Identity, identityKey, stateKey } from "./disk-layout.ts";
import { sealRow } from "./row-seal.ts";

/**
 * The index that stands for the bootstrap of a cluster, so that a reader of an empty catalog, who is told index 1, sees
 * the first entry as a change.
 */
export const bootstrapIndex = 1;

export const noMembers: Membership = {
  voters: [],
  outgoing: [],
  learners: [],
  learnersNext: [],
  removed: [],
  addresses: {},
};

export interface Seed {
  readonly identity: Omit<Identity, "formatVersion">;
  /** The applied state to begin with: index 1 and one voter for a new cluster, nothing for a server that joins one. */
  readonly snapshot: SnapshotMeta;
  readonly rows: readonly Row[];
}

/** The seed of a new cluster: a synthetic snapshot at index 1 that holds its only member (Ongaro 2014, 4.4). */
export function seedOfNewCluster(identity: Omit<Identity, "formatVersion">, address: string): Seed {
  const { nodeId } = identity;
  const membership = { ...noMembers, voters: [nodeId], addresses: { [nodeId]: address } };
  return { identity, snapshot: { index: bootstrapIndex, term: 1, membership }, rows: [] };
}

/** The seed of a server that joins: an id, and a log that begins with whatever the leader sends. */
export function seedOfJoining(identity: Omit<Identity, "formatVersion">): Seed {
  return { identity, snapshot: { index: 0, term: 0, membership: noMembers }, rows: [] };
}

/** Writes a seed, together with the removal of `replacedKeys`, in one synced batch. */
export async function writeSeed(store: RangedStore, seed: Seed, replacedKeys: readonly string[] = []): Promise<void> {
  const generation = 1;
  const digest = createRowDigest();
  const operations: StoreOperation[] = replacedKeys.map((key) => ({ type: "del", key }));
  for (const row of seed.rows) {
    assert(row.value !== undefined, "a seed has no deletions");
    const { bytes, checksum } = sealRow(row);
    digest.put(row.table, row.key, checksum);
    operations.push({ type: "put", key: stateKey(generation, row), value: bytes });
  }
  const { index, term, membership } = seed.snapshot;
  const place = { index, term, crc: 0 };
  const bounds: Bounds = {
    hardState: { term, vote: "", commit: index },
    first: place,
    last: place,
    appliedIndex: index,
    appliedTerm: term,
    membership,
    generation,
    rowCount: digest.count(),
    rowDigest: digest.value(),
  };
  operations.push(putJson(identityKey, { formatVersion, ...seed.identity }), putJson(boundsKey, bounds));
  await store.write(operations);
}

function putJson(key: string, value: unknown): StoreOperation {
  return { type: "put", key, value: sealJson(key, JSON.stringify(value)).bytes };
}
