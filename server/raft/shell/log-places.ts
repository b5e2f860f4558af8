import { assert, mustGet } from "../../../lib/base/assert.ts";
import type { LogIndex, Term } from "../core/types.ts";
import type { LogPlace } from "./disk-layout.ts";

/** Where each kept entry is in the checksum chain: what the next one starts from, after any cut at either end. */
export interface LogPlaces {
  /** The last entry that is no longer kept. */
  first(): LogPlace;
  last(): LogPlace;
  termAt(index: LogIndex): Term;
  append(place: LogPlace): void;
  /** Forgets the entries from `index` on. */
  truncate(index: LogIndex): void;
  /** Forgets the entries up to `index`. */
  compact(index: LogIndex): void;
  reset(first: LogPlace): void;
}

export function createLogPlaces(first: LogPlace, kept: readonly LogPlace[]): LogPlaces {
  let places: LogPlace[] = [first, ...kept];
  const at = (index: LogIndex): LogPlace => {
    const base = mustGet(places[0], "a log has a place before its first entry");
    return mustGet(places[index - base.index], `index ${index} is not in the log`);
  };
  const base = (): LogPlace => mustGet(places[0], "a log has a place before its first entry");
  return {
    first: base,
    last: () => mustGet(places.at(-1), "a log has a place before its first entry"),
    termAt: (index) => at(index).term,
    append(place) {
      places.push(place);
    },
    truncate(index) {
      assert(index > base().index, `entries up to ${base().index} are applied and cannot be cut off`);
      places.length = index - base().index;
    },
    compact(index) {
      const count = Math.min(index, places.length - 1 + base().index) - base().index;
      if (count > 0) places.splice(0, count);
    },
    reset(place) {
      places = [place];
    },
  };
}
