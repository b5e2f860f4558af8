import type { ChangeSet } from "./change-set.ts";
import type { Tables } from "./tables.ts";

/** A check shows on the instance that it judges; a check of the node shows on every instance there. */
export function touchJudged(
  tables: Tables,
  changes: ChangeSet,
  check: { readonly Node: string; readonly ServiceID: string },
): void {
  if (check.ServiceID === "") {
    touchInstancesOn(tables, changes, check.Node);
    return;
  }
  const service = tables.services.get(check.Node, check.ServiceID);
  if (service !== undefined) tables.services.touchInstance(changes, service);
}

/** What is shown with every instance on the node changed. */
export function touchInstancesOn(tables: Tables, changes: ChangeSet, node: string): void {
  for (const service of tables.services.onNode(node)) tables.services.touchInstance(changes, service);
}
