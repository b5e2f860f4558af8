/**
 * Finds members whose state differs although they applied the same entries. Each takes a hash of its state at every
 * multiple of N; the leader proposes its own as an entry; who has another one at that index stops. The last hashes are
 * rows, so a restart cannot make a divergent member forget and go on.
 */
import type { LogIndex } from "../core/types.ts";
import type { Row } from "./replica-api.ts";

export const stateHashTable = "state-hashes";
/** The leader's entry may come some multiples later than the index it speaks of. */
const keptHashes = 4;

export interface StateHashes {
  /** Whether the state after `index` is to be hashed. */
  isDue(index: LogIndex): boolean;
  remember(index: LogIndex, hash: string): readonly Row[];
  /** What differs between this member's hash and the proposed one; nothing when equal or not known here. */
  compare(proposed: { index: LogIndex; hash: string }): string | undefined;
  restore(rows: Iterable<Row>): void;
}

/** `every` of 0 turns the comparison off. */
export function createStateHashes({ every }: { readonly every: number }): StateHashes {
  let hashes = new Map<LogIndex, string>();
  return {
    isDue: (index) => every > 0 && index % every === 0,
    remember(index, hash) {
      hashes.set(index, hash);
      const rows: Row[] = [{ table: stateHashTable, key: String(index), value: hash }];
      for (const key of hashes.keys()) {
        if (hashes.size <= keptHashes) break;
        hashes.delete(key);
        rows.push({ table: stateHashTable, key: String(key) });
      }
      return rows;
    },
    compare({ index, hash }) {
      const own = hashes.get(index);
      if (own === undefined || own === hash || algorithmOf(own) !== algorithmOf(hash)) return undefined;
      return `the state at index ${index} differs from the leader's: hash ${own} here, ${hash} there`;
    },
    restore(rows) {
      const found = [...rows].map(({ key, value }) => [Number(key), String(value)] as const);
      hashes = new Map(found.toSorted(([a], [b]) => a - b));
    },
  };
}

/** Hashes of different versions of Atoll may be computed differently; only the same algorithm can be compared. */
function algorithmOf(hash: string): string {
  return hash.slice(0, hash.indexOf(":") + 1);
}
