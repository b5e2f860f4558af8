import type { LocalCheck, LocalService, LocalState, LocalUpdate } from "../local-state.ts";
import type { RegistrationStore } from "../persistence.ts";
import type { CheckDefinition, ServiceDefinition } from "../service-definition.ts";
import { sidecarId } from "./sidecar.ts";

/** One change of the files that keep the registrations. */
export type FileChange =
  | { readonly kind: "save-services"; readonly services: readonly ServiceDefinition[] }
  | { readonly kind: "remove-services"; readonly serviceId: string }
  | { readonly kind: "save-check"; readonly check: CheckDefinition }
  | { readonly kind: "remove-check"; readonly checkId: string };

type ServiceEntry = Omit<LocalService, "fields">;
type CheckEntry = Omit<LocalCheck, "fields">;

/** A local state as it is or as it will be; looked up by id, so that nothing depends on how much is registered. */
interface View {
  service(id: string): ServiceEntry | undefined;
  check(id: string): CheckEntry | undefined;
  checksOf(serviceId: string): readonly CheckEntry[];
}

/**
 * The files that have to change for `update`. A service, its sidecar and the checks that came with them are one file, so
 * a crash leaves the registration whole or absent. What is saved comes first: when two files claim one id, the newer one
 * is believed, so an interrupted list of changes still loads as the new state.
 */
export function filesForUpdate(state: LocalState, update: LocalUpdate): FileChange[] {
  const before = viewOf(state);
  const after = viewAfter(before, update);
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

function viewOf(state: LocalState): View {
  return {
    service: (id) => state.services().get(id),
    check: (id) => state.checks().get(id),
    checksOf: (serviceId) => state.checksOf(serviceId),
  };
}

function viewAfter(before: View, update: LocalUpdate): View {
  const services = new Map<string, ServiceEntry | undefined>();
  const checks = new Map<string, CheckEntry | undefined>();
  for (const id of update.removedServices ?? []) services.set(id, undefined);
  for (const id of update.removedChecks ?? []) checks.set(id, undefined);
  for (const service of update.services ?? []) services.set(service.definition.id, service);
  for (const check of update.checks ?? []) checks.set(check.definition.checkId, check);
  return {
    service: (id) => (services.has(id) ? services.get(id) : before.service(id)),
    check: (id) => (checks.has(id) ? checks.get(id) : before.check(id)),
    checksOf: (serviceId) => [
      ...before.checksOf(serviceId).filter((check) => !checks.has(check.definition.checkId)),
      ...[...checks.values()].flatMap((check) => (check?.definition.serviceId === serviceId ? [check] : [])),
    ],
  };
}

/** Services in whose file the check is or was written. */
function embeddingServices(checkId: string, ...views: readonly View[]): string[] {
  return views.flatMap((view) => {
    const check = view.check(checkId);
    return check === undefined || check.isStandalone ? [] : [check.definition.serviceId];
  });
}

/** The service whose registration a service belongs to: its parent, or itself. */
function ownerOf(serviceId: string, view: View): string {
  return view.service(serviceId)?.parentId ?? serviceId;
}

function serviceFile(id: string, before: View, after: View): FileChange[] {
  const owner = after.service(id);
  if (owner === undefined || owner.parentId !== undefined || !owner.isPersisted) {
    const old = before.service(id);
    const hadFile = old !== undefined && old.parentId === undefined && old.isPersisted;
    return hadFile ? [{ kind: "remove-services", serviceId: id }] : [];
  }
  const sidecar = after.service(sidecarId(id));
  const services = [owner, ...(sidecar?.parentId === id ? [sidecar] : [])].map(({ definition }) => ({
    ...definition,
    checks: after
      .checksOf(definition.id)
      .filter((check) => !check.isStandalone)
      .map((check) => check.definition),
  }));
  return [{ kind: "save-services", services }];
}

function checkFile(id: string, before: View, after: View): FileChange[] {
  const check = after.check(id);
  if (check?.isStandalone === true && check.isPersisted) return [{ kind: "save-check", check: check.definition }];
  const old = before.check(id);
  return old?.isStandalone === true && old.isPersisted ? [{ kind: "remove-check", checkId: id }] : [];
}
