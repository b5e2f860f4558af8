import type { KvTombstone } from "../../lib/contract/kv.ts";
import { kvRowKey } from "./kv-row-key.ts";
import { createPrefixLengths } from "./prefix-lengths.ts";
import { createSortedRecords } from "./sorted-records.ts";

/**
 * Tombstones: with them the index of a prefix does not fall when its newest key is deleted, nor that of a key which is gone.
 * A tree that was removed leaves one, whatever its size.
 */
export interface Graveyard {
  get(place: Pick<KvTombstone, "key" | "isTree">): KvTombstone | undefined;
  put(tombstone: KvTombstone): void;
  delete(place: Pick<KvTombstone, "key" | "isTree">): void;
  /** The newest that says something of the key: its own, or a tree's that it was in. 0 for none. */
  indexOf(key: string): number;
  /** The newest at or below the prefix. */
  highestUnder(prefix: string): number;
  /** The newest of the trees that the prefix lies in. */
  treeIndexOver(prefix: string): number;
  all(): Iterable<KvTombstone>;
}

export function createGraveyard(): Graveyard {
  const keys = createSortedRecords<KvTombstone>(({ index }) => index);
  const trees = createSortedRecords<KvTombstone>(({ index }) => index);
  const treeLengths = createPrefixLengths();

  const treeIndexOver = (text: string): number => {
    let highest = 0;
    for (const length of treeLengths.upTo(text)) {
      highest = Math.max(highest, trees.get(text.slice(0, length))?.index ?? 0);
    }
    return highest;
  };
  return {
    get: ({ key, isTree }) => (isTree ? trees : keys).get(key),
    put(tombstone) {
      if (tombstone.isTree && trees.get(tombstone.key) === undefined) treeLengths.add(tombstone.key);
      (tombstone.isTree ? trees : keys).set(tombstone.key, tombstone);
    },
    delete({ key, isTree }) {
      if (isTree && trees.get(key) !== undefined) treeLengths.remove(key);
      (isTree ? trees : keys).delete(key);
    },
    indexOf: (key) => Math.max(keys.get(key)?.index ?? 0, treeIndexOver(key)),
    highestUnder: (prefix) => Math.max(keys.highestUnder(prefix), trees.highestUnder(prefix)),
    treeIndexOver,
    *all() {
      yield* keys.all();
      yield* trees.all();
    },
  };
}

export function tombstoneRowKey({ key, isTree }: KvTombstone): string {
  return `${isTree ? "tree" : "key"}/${kvRowKey(key)}`;
}
