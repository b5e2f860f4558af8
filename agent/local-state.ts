import { isDeepStrictEqual } from "node:util";
import type { CheckFields, CheckStatus, ServiceFields } from "../lib/contract/catalog.ts";
import { checkFields, serviceFields } from "./registration/catalog-fields.ts";
import type { CheckDefinition, ServiceDefinition } from "./service-definition.ts";

/**
 * What is registered on this agent right now: the truth that anti-entropy copies to the catalog. In memory only;
 * registrar.ts decides what may change and persistence.ts keeps it. Changes are synchronous, and observers are called
 * after a change is complete, so that they never see half of one. The cost of a change does not depend on how much else
 * is registered.
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

/**
 * What happened to one entry; whether it is still there is to be looked up. `serviceId` is empty for checks of the node.
 * A check that went from one service to another is told of once for each.
 */
export type LocalChange =
  | { readonly kind: "service"; readonly id: string }
  | { readonly kind: "check"; readonly id: string; readonly serviceId: string }
  | { readonly kind: "check-status"; readonly id: string; readonly serviceId: string; readonly isOutputOnly: boolean };

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
  /** The checks of one service; those of the node for the empty id. */
  checksOf(serviceId: string): readonly LocalCheck[];
  apply(update: LocalUpdate): void;
  /** Has no effect on a check that is gone: its probe may finish late. */
  setCheckStatus(checkId: string, status: CheckStatus, output: string): void;
  /** Whether checks from now on are kept without what they say; what they said last stays until they say something again. */
  discardOutput(isDiscarded: boolean): void;
  /** Takes over the catalog's tags of a service that allows that (EnableTagOverride). */
  adoptTags(serviceId: string, tags: readonly string[]): void;
  observe(listener: (changes: readonly LocalChange[]) => void): { close(): void };
}

export function createLocalState(nodeName: string): LocalState {
  return new MemoryState(nodeName);
}

class MemoryState implements LocalState {
  readonly nodeName: string;
  readonly #services = new Map<string, LocalService>();
  readonly #checks = new Map<string, LocalCheck>();
  readonly #checkIds = new Map<string, Set<string>>();
  readonly #listeners = new Set<(changes: readonly LocalChange[]) => void>();

  #isOutputDiscarded = false;

  constructor(nodeName: string) {
    this.nodeName = nodeName;
  }

  services(): ReadonlyMap<string, LocalService> {
    return this.#services;
  }

  checks(): ReadonlyMap<string, LocalCheck> {
    return this.#checks;
  }

  checksOf(serviceId: string): readonly LocalCheck[] {
    return [...(this.#checkIds.get(serviceId) ?? [])].flatMap((id) => this.#checks.get(id) ?? []);
  }

  apply(update: LocalUpdate): void {
    const changes: LocalChange[] = [];
    for (const id of update.removedServices ?? []) {
      if (this.#services.delete(id)) changes.push({ kind: "service", id });
    }
    const removed = new Map<string, LocalCheck>();
    for (const id of update.removedChecks ?? []) {
      const check = this.#removeCheck(id);
      if (check === undefined) continue;
      removed.set(id, check);
      changes.push({ kind: "check", id, serviceId: check.definition.serviceId });
    }
    for (const service of update.services ?? []) {
      this.#services.set(service.definition.id, { ...service, fields: serviceFields(service.definition) });
      changes.push({ kind: "service", id: service.definition.id });
    }
    for (const check of update.checks ?? []) {
      const { checkId, serviceId } = check.definition;
      const previous = this.#removeCheck(checkId) ?? removed.get(checkId);
      const previousOwner = previous?.definition.serviceId ?? serviceId;
      if (previousOwner !== serviceId) changes.push({ kind: "check", id: checkId, serviceId: previousOwner });
      this.#placeCheck(check, previous);
      changes.push({ kind: "check", id: checkId, serviceId });
    }
    const placed = new Set((update.checks ?? []).map((check) => check.definition.checkId));
    for (const service of update.services ?? []) changes.push(...this.#refreshChecks(service.definition.id, placed));
    this.#tell(changes);
  }

  setCheckStatus(checkId: string, status: CheckStatus, output: string): void {
    const check = this.#checks.get(checkId);
    if (check === undefined) return;
    const isSameStatus = check.fields.Status === status;
    const kept = this.#isOutputDiscarded ? "" : output;
    if (isSameStatus && check.fields.Output === kept) return;
    this.#checks.set(checkId, { ...check, fields: { ...check.fields, Status: status, Output: kept } });
    const { serviceId } = check.definition;
    this.#tell([{ kind: "check-status", id: checkId, serviceId, isOutputOnly: isSameStatus }]);
  }

  discardOutput(isDiscarded: boolean): void {
    this.#isOutputDiscarded = isDiscarded;
  }

  adoptTags(serviceId: string, tags: readonly string[]): void {
    const service = this.#services.get(serviceId);
    if (service === undefined) return;
    this.#services.set(serviceId, { ...service, fields: { ...service.fields, Tags: tags } });
    this.#tell([{ kind: "service", id: serviceId }, ...this.#refreshChecks(serviceId, new Set())]);
  }

  observe(listener: (changes: readonly LocalChange[]) => void): { close(): void } {
    this.#listeners.add(listener);
    return { close: () => this.#listeners.delete(listener) };
  }

  #removeCheck(id: string): LocalCheck | undefined {
    const check = this.#checks.get(id);
    if (check === undefined) return undefined;
    const { serviceId } = check.definition;
    const ids = this.#checkIds.get(serviceId);
    ids?.delete(id);
    if (ids?.size === 0) this.#checkIds.delete(serviceId);
    this.#checks.delete(id);
    return check;
  }

  #placeCheck(check: NewLocalCheck, previous: LocalCheck | undefined): void {
    const { definition, isStandalone, isPersisted } = check;
    const { checkId, serviceId } = definition;
    const service = this.#services.get(serviceId);
    const { status, output } = keptStatus(definition, previous) ??
      check.restored ?? { status: definition.initialStatus, output: "" };
    const fields = checkFields(definition, {
      node: this.nodeName,
      status,
      output: this.#isOutputDiscarded ? "" : output,
      ...(service !== undefined && {
        service: { id: serviceId, name: service.definition.name, tags: service.fields.Tags },
      }),
    });
    this.#checks.set(checkId, { definition, fields, isStandalone, isPersisted });
    const ids = this.#checkIds.get(serviceId) ?? new Set();
    this.#checkIds.set(serviceId, ids.add(checkId));
  }

  /** Checks repeat the name and tags of their service, which may have changed under them. */
  #refreshChecks(serviceId: string, placed: ReadonlySet<string>): LocalChange[] {
    const service = this.#services.get(serviceId);
    if (service === undefined) return [];
    const outdated = this.checksOf(serviceId).filter(
      ({ fields, definition }) => !placed.has(definition.checkId) && !describesService(fields, service),
    );
    return outdated.map((check) => {
      this.#placeCheck(check, check);
      return { kind: "check", id: check.definition.checkId, serviceId };
    });
  }

  #tell(changes: readonly LocalChange[]): void {
    if (changes.length === 0) return;
    for (const listener of [...this.#listeners]) listener(changes);
  }
}

function describesService(fields: CheckFields, service: LocalService): boolean {
  return fields.ServiceName === service.definition.name && isDeepStrictEqual(fields.ServiceTags, service.fields.Tags);
}

/** Another service's check of the same id, or another kind of probe, says nothing about this one. */
function keptStatus(
  definition: CheckDefinition,
  previous: LocalCheck | undefined,
): { readonly status: CheckStatus; readonly output: string } | undefined {
  if (previous === undefined || previous.definition.serviceId !== definition.serviceId) return undefined;
  if (previous.definition.probe.type !== definition.probe.type) return undefined;
  return { status: previous.fields.Status, output: previous.fields.Output };
}
