import type { CheckRecord, ServiceRecord } from "../../lib/contract/catalog.ts";
import type { ChangeSet } from "./change-set.ts";
import { endSessionsOfCheck, endSessionsOnNode } from "./session-rules.ts";
import { connectDestination } from "./service-table.ts";
import type { Tables } from "./tables.ts";
import { touchJudged } from "./touch-judged.ts";
import { releaseVirtualAddress } from "./virtual-ips.ts";

/** Removes a node with everything on it. What is not there is gone already. */
export function removeNode(tables: Tables, changes: ChangeSet, node: string): void {
  for (const service of [...tables.services.onNode(node)]) removeService(tables, changes, service);
  for (const check of [...tables.checks.onNode(node)]) removeCheck(tables, changes, check);
  endSessionsOnNode(tables, changes, node);
  tables.coordinates.removeNode(changes, node);
  tables.nodes.remove(changes, node);
}

export function removeService(tables: Tables, changes: ChangeSet, service: ServiceRecord): void {
  for (const check of [...tables.checks.ofInstance(service.Node, service.ID)]) removeCheck(tables, changes, check);
  tables.services.remove(changes, service);
  releaseVirtualAddress(tables, changes, connectDestination(service));
}

export function removeCheck(tables: Tables, changes: ChangeSet, check: CheckRecord): void {
  tables.checks.remove(changes, check);
  endSessionsOfCheck(tables, changes, check);
  touchJudged(tables, changes, check);
}
