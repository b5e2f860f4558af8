import type { LocalCheck, LocalService, LocalState, LocalUpdate } from "../local-state.ts";
import type { RegistrationStore } from "../persistence.ts";
import type { CheckDefinition, ServiceDefinition } from "../service-definition.ts";

/** One change of the files that keep the registrations. */
export type FileChange =
  | { readonly kind: "save-services"; readonly services: readonly ServiceDefinition[] }
  | { readonly kind: "remove-services"; readonly serviceId: string }
  | { readonly kind: "save-check"; readonly check: CheckDefinition }
  | { readonly kind: "remove-check"; readonly checkId: string };

type ServiceEntry = Omit<LocalService, "fields">;
type CheckEntry = Omit<LocalCheck, "fields">;

interface Entries {
  readonly services: ReadonlyMap<string, ServiceEntry>;
  readonly checks: ReadonlyMap<string, CheckEntry>;
}

/**
 * The files that have to change for `update`. A service, its sidecar and the checks that came with them are one file, so
 * a crash leaves the registration whole or absent. What is saved comes first: when two files claim one id, the newer one
 * is believed, so an interrupted list of changes still loads as the new state.
 */
export function filesForUpdate(state: LocalState, update: LocalUpdate): FileChange[] {
  const before: Entries = { services: state.services(), checks: state.checks() };
  const after = applyTo(before, update);
  const checkIds = [...(update.checks ?? []).map((check) => check.definition.checkId), ...(update.removedChecks ?? [])];
  const serviceIds = [
    ...(update.services ?? []).map((service) => service.definition.id),
    ...(update.removedServices ?? []),
    ...checkIds.flatMap((id) => embeddingServices(id, before, after)),
  ];
  const owners = new Set(serviceIds.flatMap((id) => [ownerOf(id, after), ownerOf(id, before)]));
  const changes = [
    ...[...owners].flatMap((id) => serviceFile(id, before, after)),
    ...[...new Set(checkIds)].flatMap((id) => checkFile(id, before, after)),
  ];
  const isSave = (change: FileChange): boolean => change.kind === "save-services" || change.kind === "save-check";
  return [...changes.filter(isSave), ...changes.filter((change) => !isSave(change))];
}

export function applyFileChange(store: RegistrationStore, change: FileChange): Promise<void> {
  switch (change.kind) {
    case "save-services":
      return store.saveServices(change.services);
    case "remove-services":
      return store.removeServices(change.serviceId);
    case "save-check":
      return store.saveCheck(change.check);
    case "remove-check":
      return store.removeCheck(change.checkId);
  }
}

function applyTo(before: Entries, update: LocalUpdate): Entries {
  const services = new Map(before.services);
  const checks = new Map(before.checks);
  for (const id of update.removedServices ?? []) services.delete(id);
  for (const id of update.removedChecks ?? []) checks.delete(id);
  const nextServices = new Map<string, ServiceEntry>(services);
  const nextChecks = new Map<string, CheckEntry>(checks);
  for (const service of update.services ?? []) nextServices.set(service.definition.id, service);
  for (const check of update.checks ?? []) nextChecks.set(check.definition.checkId, check);
  return { services: nextServices, checks: nextChecks };
}

/** Services in whose file the check is or was written. */
function embeddingServices(checkId: string, ...states: readonly Entries[]): string[] {
  return states.flatMap((entries) => {
    const check = entries.checks.get(checkId);
    return check === undefined || check.isStandalone ? [] : [check.definition.serviceId];
  });
}

/** The service whose registration a service belongs to: its parent, or itself. */
function ownerOf(serviceId: string, entries: Entries): string {
  return entries.services.get(serviceId)?.parentId ?? serviceId;
}

function serviceFile(id: string, before: Entries, after: Entries): FileChange[] {
  const owner = after.services.get(id);
  if (owner === undefined || owner.parentId !== undefined || !owner.isPersisted) {
    const old = before.services.get(id);
    const hadFile = old !== undefined && old.parentId === undefined && old.isPersisted;
    return hadFile ? [{ kind: "remove-services", serviceId: id }] : [];
  }
  const sidecars = [...after.services.values()].filter((service) => service.parentId === id);
  const services = [owner, ...sidecars].map(({ definition }) => ({
    ...definition,
    checks: [...after.checks.values()]
      .filter((check) => !check.isStandalone && check.definition.serviceId === definition.id)
      .map((check) => check.definition),
  }));
  return [{ kind: "save-services", services }];
}

function checkFile(id: string, before: Entries, after: Entries): FileChange[] {
  const check = after.checks.get(id);
  if (check?.isStandalone === true && check.isPersisted) return [{ kind: "save-check", check: check.definition }];
  const old = before.checks.get(id);
  return old?.isStandalone === true && old.isPersisted ? [{ kind: "remove-check", checkId: id }] : [];
}
