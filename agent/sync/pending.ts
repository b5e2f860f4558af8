import type { NodeRegistrations } from "../../lib/contract/topics.ts";

/**
 * What has to be brought to the catalog, by id: whether an id is written or removed is decided when its turn comes, by
 * whether the local state still has it. Beside that, what the catalog is believed to hold, so that nothing is removed that
 * is not there.
 */
export interface Pending {
  isNodeOutdated: boolean;
  readonly services: Set<string>;
  readonly checks: Set<string>;
  readonly believedServices: Set<string>;
  /** Ids that were registered, or taken back, here since the last comparison and not written yet: not by a repair. */
  readonly onPurpose: Set<string>;
  /** What is left out of the catalog, since an operator has removed it by force. */
  readonly withdrawnServices: Set<string>;
  readonly withdrawnChecks: Set<string>;
  /** Service id by check id. */
  readonly believedChecks: Map<string, string>;
}

export function createPending(): Pending {
  return {
    isNodeOutdated: true,
    services: new Set(),
    checks: new Set(),
    onPurpose: new Set(),
    withdrawnServices: new Set(),
    withdrawnChecks: new Set(),
    believedServices: new Set(),
    believedChecks: new Map(),
  };
}

export function pendingCount(pending: Pending): number {
  return (pending.isNodeOutdated ? 1 : 0) + pending.services.size + pending.checks.size;
}

/** Replaces the belief by what a server just answered. */
export function believe(pending: Pending, catalog: NodeRegistrations): void {
  pending.believedServices.clear();
  pending.believedChecks.clear();
  for (const service of catalog.services) pending.believedServices.add(service.ID);
  for (const check of catalog.checks) pending.believedChecks.set(check.CheckID, check.ServiceID);
}
