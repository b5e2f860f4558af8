import type { CheckRecord, ServiceRecord } from "../../lib/contract/catalog.ts";

/** Orders text by code units: the same on every machine, whatever its locale. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** Services of one node by name, then ID. */
export function compareServices(a: ServiceRecord, b: ServiceRecord): number {
  return compareText(a.Service, b.Service) || compareText(a.ID, b.ID);
}

/** Instances by node, then ID. */
export function compareInstances(a: ServiceRecord, b: ServiceRecord): number {
  return compareText(a.Node, b.Node) || compareText(a.ID, b.ID);
}

/** Checks by node, then ID. */
export function compareChecks(a: CheckRecord, b: CheckRecord): number {
  return compareText(a.Node, b.Node) || compareText(a.CheckID, b.CheckID);
}

/**
 * The row key of something that is named within a node. Names never hold control characters (`name-rules.ts`), so the
 * separator cannot be forged.
 */
export function withinNode(node: string, id: string): string {
  return `${node}\u0000${id}`;
}
