/**
 * What an operator has removed from the catalog by force although it is registered here. A repair leaves it out; whoever
 * registers it here again brings it back.
 */
import type { NodeRegistrations } from "../../lib/contract/topics.ts";
import type { Pending } from "./pending.ts";

/** Takes over what a server says is withdrawn; returns the ids that were not before. */
export function noteWithdrawn(pending: Pending, { withdrawn }: NodeRegistrations): readonly string[] {
  return [
    ...replace(pending.withdrawnServices, withdrawn?.services ?? [], pending.onPurpose),
    ...replace(pending.withdrawnChecks, withdrawn?.checks ?? [], pending.onPurpose),
  ];
}

function replace(known: Set<string>, ids: readonly string[], onPurpose: ReadonlySet<string>): readonly string[] {
  const before = new Set(known);
  known.clear();
  for (const id of ids) if (!onPurpose.has(id)) known.add(id);
  return [...known].filter((id) => !before.has(id));
}

/** It was registered here, or taken back, by somebody: what was removed by force before does not count any more. */
export function noteOnPurpose(pending: Pending, id: string): void {
  pending.withdrawnServices.delete(id);
  pending.withdrawnChecks.delete(id);
  pending.onPurpose.add(id);
}
