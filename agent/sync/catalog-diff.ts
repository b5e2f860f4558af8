import { isDeepStrictEqual } from "node:util";
import {
  type CheckFields,
  type NodeFields,
  type ServiceFields,
  type ServiceRecord,
  nodeLivenessCheckId,
} from "../../lib/contract/catalog.ts";
import type { Locality } from "../../lib/contract/locality.ts";
import { virtualAddressTag } from "../../lib/contract/virtual-address.ts";
import type { NodeRegistrations } from "../../lib/contract/topics.ts";

/** What the catalog should hold for this node. */
export interface LocalCatalog {
  readonly node: NodeFields;
  readonly services: ReadonlyMap<string, ServiceFields>;
  readonly checks: ReadonlyMap<string, CheckFields>;
  /** Checks whose newer output is held back: a difference in the output alone is no difference yet. */
  readonly deferredChecks: ReadonlySet<string>;
  /** Catalog services of this node that belong to the servers, not to the agent. */
  readonly foreignServiceIds: ReadonlySet<string>;
  /** What was removed by force and is not missed. */
  readonly withdrawnServices: ReadonlySet<string>;
  readonly withdrawnChecks: ReadonlySet<string>;
}

/** Ids that differ, whether they have to be written or (not being in the local catalog) removed. */
export interface CatalogDiff {
  readonly isNodeOutdated: boolean;
  readonly services: readonly string[];
  readonly checks: readonly string[];
  /** Tags that the catalog holds for services which let it decide (EnableTagOverride). */
  readonly tagsToAdopt: ReadonlyMap<string, readonly string[]>;
}

export function diffCatalog(local: LocalCatalog, catalog: NodeRegistrations): CatalogDiff {
  const remoteServices = new Map(catalog.services.map((service) => [service.ID, service]));
  const remoteChecks = new Map(catalog.checks.map((check) => [check.CheckID, check]));
  const tagsToAdopt = new Map<string, readonly string[]>();
  const services = [...local.services].flatMap(([id, service]) => {
    const remote = remoteServices.get(id);
    if (remote === undefined) return local.withdrawnServices.has(id) ? [] : [id];
    if (service.EnableTagOverride && !isDeepStrictEqual(remote.Tags, service.Tags)) tagsToAdopt.set(id, remote.Tags);
    return isSameService(service, remote) ? [] : [id];
  });
  const checks = [...local.checks].flatMap(([id, check]) => {
    const remote = remoteChecks.get(id);
    if (remote === undefined && isWithdrawn(check, local)) return [];
    const expected = local.deferredChecks.has(id) && remote !== undefined ? { ...check, Output: remote.Output } : check;
    return remote !== undefined && holdsAll(expected, remote) ? [] : [id];
  });
  return {
    isNodeOutdated: isNodeOutdated(local.node, catalog),
    services: [...services, ...unknownIds(remoteServices, local.services, local.foreignServiceIds)],
    checks: [...checks, ...unknownIds(remoteChecks, local.checks, new Set([nodeLivenessCheckId]))],
    tagsToAdopt,
  };
}

function isWithdrawn(check: CheckFields, local: LocalCatalog): boolean {
  return local.withdrawnChecks.has(check.CheckID) || local.withdrawnServices.has(check.ServiceID);
}

function isNodeOutdated(node: NodeFields, catalog: NodeRegistrations): boolean {
  const liveness = catalog.checks.find((check) => check.CheckID === nodeLivenessCheckId);
  if (catalog.node === undefined || liveness?.Status !== "passing") return true;
  return !holdsAll(node, catalog.node) || !isSameLocality(node, catalog.node);
}

function isSameService(local: ServiceFields, remote: ServiceRecord): boolean {
  const expected = local.EnableTagOverride ? { ...local, Tags: remote.Tags } : local;
  return holdsAll(expected, withoutVirtualAddress(remote)) && isSameLocality(local, remote);
}

/** Servers give it, and agents know nothing of it. */
function withoutVirtualAddress(remote: ServiceRecord): ServiceRecord {
  if (remote.TaggedAddresses[virtualAddressTag] === undefined) return remote;
  const { [virtualAddressTag]: _given, ...TaggedAddresses } = remote.TaggedAddresses;
  return { ...remote, TaggedAddresses };
}

/** It may be gone here and still be there. */
function isSameLocality(local: { readonly Locality?: Locality }, remote: { readonly Locality?: Locality }): boolean {
  return isDeepStrictEqual(local.Locality, remote.Locality);
}

/** Whether `remote` has every field of `local`; indexes and what servers add beside them do not count. */
function holdsAll(local: object, remote: object): boolean {
  return Object.entries(local).every(([key, value]) =>
    isDeepStrictEqual(value, Object.getOwnPropertyDescriptor(remote, key)?.value),
  );
}

function unknownIds(
  remote: ReadonlyMap<string, unknown>,
  local: ReadonlyMap<string, unknown>,
  exempt: ReadonlySet<string>,
): string[] {
  return [...remote.keys()].filter((id) => !local.has(id) && !exempt.has(id));
}
