import { isDeepStrictEqual } from "node:util";
import type { CheckFields, CheckStatus, ServiceFields } from "../lib/contract/catalog.ts";
import { checkFields, serviceFields } from "./registration/catalog-fields.ts";
import type { CheckDefinition, ServiceDefinition } from "./service-definition.ts";

/**
 * What is registered on this agent right now: the truth that anti-entropy copies to the catalog. In memory only;
 * registrar.ts decides what may change and persistence.ts keeps it. Changes are synchronous, and observers are called
 * after a change is complete, so that they never see half of one.
 */
export interface LocalService {
  /** Expanded: no `sidecar`, and no `checks` (those are in the state's own map). */
  readonly definition: ServiceDefinition;
  readonly fields: ServiceFields;
  /** The service whose `Connect.SidecarService` made this one; absent for a service registered for itself. */
  readonly parentId?: string;
  /** False for services of a config file, which are registered anew at every start. */
  readonly isPersisted: boolean;
}

export interface LocalCheck {
  readonly definition: CheckDefinition;
  readonly fields: CheckFields;
  /** Registered by itself, not as a part of its service's registration. */
  readonly isStandalone: boolean;
  readonly isPersisted: boolean;
}

/** What happened to one entry; whether it is still there is to be looked up. */
export type LocalChange =
  | { readonly kind: "service"; readonly id: string }
  | { readonly kind: "check"; readonly id: string }
  | { readonly kind: "check-status"; readonly id: string; readonly isOutputOnly: boolean };

/** A set of changes that become visible together. Removals are done first. */
export interface LocalUpdate {
  readonly removedServices?: readonly string[];
  readonly removedChecks?: readonly string[];
  readonly services?: readonly Omit<LocalService, "fields">[];
  readonly checks?: readonly NewLocalCheck[];
}

/** A check keeps the status it has when it is registered again; `restored` is what it had before a restart. */
export interface NewLocalCheck extends Omit<LocalCheck, "fields"> {
  readonly restored?: { readonly status: CheckStatus; readonly output: string };
}

export interface LocalState {
  readonly nodeName: string;
  services(): ReadonlyMap<string, LocalService>;
  checks(): ReadonlyMap<string, LocalCheck>;
  checksOf(serviceId: string): readonly LocalCheck[];
  apply(update: LocalUpdate): void;
  /** Has no effect on a check that is gone: its probe may finish late. */
  setCheckStatus(checkId: string, status: CheckStatus, output: string): void;
  /** Takes over the catalog's tags of a service that allows that (EnableTagOverride). */
  adoptTags(serviceId: string, tags: readonly string[]): void;
  observe(listener: (changes: readonly LocalChange[]) => void): { close(): void };
}

export function createLocalState(nodeName: string): LocalState {
  const services = new Map<string, LocalService>();
  const checks = new Map<string, LocalCheck>();
  const listeners = new Set<(changes: readonly LocalChange[]) => void>();
  const tell = (changes: readonly LocalChange[]): void => {
    if (changes.length === 0) return;
    for (const listener of [...listeners]) listener(changes);
  };
  /** Checks repeat the name and tags of their service, which may have changed under them. */
  const refreshChecks = (placed: ReadonlySet<string>): LocalChange[] => {
    const outdated = [...checks].filter(([id, check]) => {
      const service = services.get(check.definition.serviceId);
      return !placed.has(id) && service !== undefined && !describesService(check.fields, service);
    });
    return outdated.map(([id, check]) => {
      checks.set(id, placeCheck(check, { nodeName, services, previous: check }));
      return { kind: "check", id };
    });
  };
  return {
    nodeName,
    services: () => services,
    checks: () => checks,
    checksOf: (serviceId) => [...checks.values()].filter((check) => check.definition.serviceId === serviceId),
    apply(update) {
      const changes: LocalChange[] = [];
      for (const id of update.removedServices ?? []) {
        if (services.delete(id)) changes.push({ kind: "service", id });
      }
      const before = new Map(checks);
      for (const id of update.removedChecks ?? []) {
        if (checks.delete(id)) changes.push({ kind: "check", id });
      }
      for (const service of update.services ?? []) {
        services.set(service.definition.id, { ...service, fields: serviceFields(service.definition) });
        changes.push({ kind: "service", id: service.definition.id });
      }
      for (const check of update.checks ?? []) {
        const id = check.definition.checkId;
        checks.set(id, placeCheck(check, { nodeName, services, previous: before.get(id) }));
        changes.push({ kind: "check", id });
      }
      changes.push(...refreshChecks(new Set((update.checks ?? []).map((check) => check.definition.checkId))));
      tell(changes);
    },
    setCheckStatus(checkId, status, output) {
      const check = checks.get(checkId);
      if (check === undefined) return;
      const isSameStatus = check.fields.Status === status;
      if (isSameStatus && check.fields.Output === output) return;
      checks.set(checkId, { ...check, fields: { ...check.fields, Status: status, Output: output } });
      tell([{ kind: "check-status", id: checkId, isOutputOnly: isSameStatus }]);
    },
    adoptTags(serviceId, tags) {
      const service = services.get(serviceId);
      if (service === undefined) return;
      services.set(serviceId, { ...service, fields: { ...service.fields, Tags: tags } });
      tell([{ kind: "service", id: serviceId }, ...refreshChecks(new Set())]);
    },
    observe(listener) {
      listeners.add(listener);
      return { close: () => listeners.delete(listener) };
    },
  };
}

interface Placement {
  readonly nodeName: string;
  readonly services: ReadonlyMap<string, LocalService>;
  readonly previous: LocalCheck | undefined;
}

/** Whether a check that was registered earlier still names its service as it is now. */
function describesService(fields: CheckFields, service: LocalService): boolean {
  return fields.ServiceName === service.definition.name && isDeepStrictEqual(fields.ServiceTags, service.fields.Tags);
}

function placeCheck(check: NewLocalCheck, placement: Placement): LocalCheck {
  const { definition, isStandalone, isPersisted } = check;
  const service = placement.services.get(definition.serviceId);
  const { previous } = placement;
  // Another service's check of the same id, or another kind of probe, says nothing about this one.
  const isSameCheck =
    previous?.definition.serviceId === definition.serviceId && previous.definition.probe.type === definition.probe.type;
  const kept =
    isSameCheck && previous !== undefined
      ? { status: previous.fields.Status, output: previous.fields.Output }
      : undefined;
  const { status, output } = kept ?? check.restored ?? { status: definition.initialStatus, output: "" };
  const fields = checkFields(definition, {
    node: placement.nodeName,
    status,
    output,
    ...(service !== undefined && {
      service: { id: service.definition.id, name: service.definition.name, tags: service.fields.Tags },
    }),
  });
  return { definition, fields, isStandalone, isPersisted };
}
