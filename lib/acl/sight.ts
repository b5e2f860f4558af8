import type { Authorizer } from "./authorizer.ts";

/** What one caller gets to see of lists: entries that it may not read are left out, and that it was so is remembered. */
export interface Sight {
  readonly authorizer: Authorizer;
  /** The entries that pass; the very list where all of them do. */
  keep<T>(entries: readonly T[], isVisible: (entry: T, authorizer: Authorizer) => boolean): readonly T[];
  /** Whether anything was left out so far. */
  isFiltered(): boolean;
  /** Something else than an entry of a list was left out. */
  hide(): void;
}

export function createSight(authorizer: Authorizer): Sight {
  let isFiltered = false;
  return {
    authorizer,
    keep(entries, isVisible) {
      if (authorizer.isUnrestricted) return entries;
      const kept = entries.filter((entry) => isVisible(entry, authorizer));
      if (kept.length === entries.length) return entries;
      isFiltered = true;
      return kept;
    },
    isFiltered: () => isFiltered,
    hide: () => {
      isFiltered = true;
    },
  };
}
