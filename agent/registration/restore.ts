import type { Logger } from "../../lib/base/logger.ts";
import type { LocalService, NewLocalCheck } from "../local-state.ts";
import type { SavedRegistrations } from "../persistence.ts";

export interface Restored {
  readonly services: readonly Omit<LocalService, "fields">[];
  readonly checks: readonly NewLocalCheck[];
  /** Checks of services of the configuration files, which are registered after this. */
  readonly lateChecks: readonly NewLocalCheck[];
  /** Files of checks whose service is gone: the agent was stopped while it deregistered the service. */
  readonly orphanedCheckIds: readonly string[];
}

/**
 * The local state that saved registrations stand for. When two files claim one id, after a crash between writing one and
 * removing the other, the later one is right. Checks keep the status that they had: an agent's restart must not take
 * healthy services out of rotation until each of them has been probed again.
 */
export function restoreUpdate(
  saved: SavedRegistrations,
  options: { readonly configuredServiceIds: ReadonlySet<string>; readonly logger: Logger },
): Restored {
  const { configuredServiceIds, logger } = options;
  const services = new Map<string, Omit<LocalService, "fields">>();
  const checks = new Map<string, NewLocalCheck>();
  const withState = (check: Omit<NewLocalCheck, "restored">): NewLocalCheck => {
    const state = saved.states.get(check.definition.checkId);
    return state === undefined ? check : { ...check, restored: { status: state.status, output: state.output } };
  };
  const documents = [
    ...saved.registrations.map((document) => ({ ...document, check: undefined })),
    ...saved.checks.map((document) => ({ ...document, services: [] })),
  ].sort((a, b) => a.sequence - b.sequence);
  for (const document of documents) {
    const [parent] = document.services;
    for (const { checks: own, ...definition } of document.services) {
      const isSidecar = parent !== undefined && definition.id !== parent.id;
      services.set(definition.id, {
        definition: { ...definition, checks: [] },
        ...(isSidecar && { parentId: parent.id }),
        isPersisted: true,
      });
      for (const check of own) {
        checks.set(check.checkId, withState({ definition: check, isStandalone: false, isPersisted: true }));
      }
    }
    if (document.check !== undefined) {
      const check = withState({ definition: document.check, isStandalone: true, isPersisted: true });
      checks.set(document.check.checkId, check);
    }
  }
  const isEarly = ({ definition }: NewLocalCheck): boolean =>
    definition.serviceId === "" || services.has(definition.serviceId);
  const isLate = (check: NewLocalCheck): boolean =>
    !isEarly(check) && configuredServiceIds.has(check.definition.serviceId);
  const all = [...checks.values()];
  const orphanedCheckIds = all
    .filter((check) => !isEarly(check) && !isLate(check))
    .map((check) => check.definition.checkId);
  for (const check of orphanedCheckIds) {
    logger.warn("a saved check is dropped: its service is not registered any more", { check });
  }
  return {
    services: [...services.values()],
    checks: all.filter(isEarly),
    lateChecks: all.filter(isLate),
    orphanedCheckIds,
  };
}
