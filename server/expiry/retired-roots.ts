import type { CaPrune } from "../../lib/contract/commands.ts";
import type { StateReader } from "../state/reader.ts";

/** The end of the trust in roots of which no valid certificate can be left. */
export function prunedRoots(reader: Pick<StateReader, "caRoots">, nowMs: number): readonly CaPrune[] {
  const ids = reader
    .caRoots()
    .value.roots.filter(({ trustedUntil }) => trustedUntil !== undefined && Date.parse(trustedUntil) <= nowMs)
    .map(({ id }) => id);
  return ids.length === 0 ? [] : [{ type: "ca-prune", ids }];
}
