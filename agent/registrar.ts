import { errorMessage } from "../lib/base/errors.ts";
import type { LogFields, Logger } from "../lib/base/logger.ts";
import { createSerialQueue } from "../lib/base/serial-queue.ts";
import { AtollError } from "../lib/contract/error-codes.ts";
import type { LocalUpdate } from "./local-state.ts";
import type { RegistrationStore } from "./persistence.ts";
import { applyFileChange, filesForUpdate } from "./registration/files-for-update.ts";
import type { PlanContext, ServicePlanOptions } from "./registration/plan.ts";
import { planCheck, planCheckRemoval, planService, planServiceRemoval } from "./registration/plan.ts";
import type { CheckDefinition, ServiceDefinition } from "./service-definition.ts";

/**
 * The one door through which registrations change. Each change is planned on the state as it is, written to disk, and
 * only then made visible; changes run one after another, so a plan cannot be outdated when it is carried out.
 */
export interface Registrar {
  registerService(definition: ServiceDefinition, options: ServicePlanOptions): Promise<void>;
  deregisterService(serviceId: string): Promise<void>;
  registerCheck(definition: CheckDefinition, options: { readonly isPersisted: boolean }): Promise<void>;
  deregisterCheck(checkId: string): Promise<void>;
  /** Resolves when every change that was asked for has been made or refused. */
  drained(): Promise<void>;
}

/** More registrations than this waiting for the disk is a runaway client. */
const maxWaiting = 1_000;

export function createRegistrar(
  options: PlanContext & { readonly store: RegistrationStore; readonly logger: Logger },
): Registrar {
  const { state, store, logger } = options;
  const queue = createSerialQueue({
    maxWaiting,
    onFull: () => new AtollError("UNAVAILABLE", `${maxWaiting} registrations are waiting already: try again later`),
  });
  const change = (plan: () => LocalUpdate): Promise<void> =>
    queue.run(async () => {
      const update = plan();
      const [first, ...rest] = filesForUpdate(state, update);
      if (first !== undefined) await applyFileChange(store, first);
      for (const next of rest) {
        // The first file decides; what is left behind here is older than it and loses to it at the next start.
        await applyFileChange(store, next).catch((error: unknown) => {
          logger.error("an outdated registration file could not be replaced", { error: errorMessage(error) });
        });
      }
      state.apply(update);
      logger.debug("registrations changed", changedIds(update));
      for (const checkId of update.removedChecks ?? []) {
        if (!state.checks().has(checkId)) store.removeCheckState(checkId);
      }
    });
  return {
    registerService: (definition, plan) => change(() => planService(definition, plan, options)),
    deregisterService: (serviceId) => change(() => planServiceRemoval(serviceId, options)),
    registerCheck: (definition, plan) => change(() => planCheck(definition, plan, options)),
    deregisterCheck: (checkId) => change(() => planCheckRemoval(checkId, options)),
    drained: () => queue.drained(),
  };
}

/** As much of a change as is worth a line of the log. */
function changedIds(update: LocalUpdate): LogFields {
  const listed = (ids: readonly string[] | undefined): string | undefined =>
    ids === undefined || ids.length === 0 ? undefined : ids.join(", ");
  return {
    services: listed(update.services?.map(({ definition }) => definition.id)),
    checks: listed(update.checks?.map(({ definition }) => definition.checkId)),
    removedServices: listed(update.removedServices),
    removedChecks: listed(update.removedChecks),
  };
}
