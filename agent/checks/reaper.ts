import type { Timer } from "../../lib/base/clock.ts";
import { errorMessage } from "../../lib/base/errors.ts";
import type { Runtime } from "../../lib/base/runtime.ts";
import type { LocalState } from "../local-state.ts";

const reapIntervalMs = 30_000;

/**
 * Deregisters services whose check has been critical for its `DeregisterCriticalServiceAfter`: what remains of processes
 * that ended without saying so. The time counts from when this agent saw the check become critical, so a restart of the
 * agent starts it again.
 */
export function startReaper(options: {
  readonly runtime: Runtime;
  readonly state: LocalState;
  readonly deregisterService: (serviceId: string) => Promise<void>;
}): { stop(): void } {
  const { runtime, state } = options;
  const logger = runtime.logger.child("checks");
  const criticalSinceMs = new Map<string, number>();
  let timer: Timer;

  const look = (checkId: string): void => {
    const check = state.checks().get(checkId);
    const isWatched = check !== undefined && check.definition.deregisterCriticalServiceAfterMs > 0;
    if (!isWatched || check.fields.Status !== "critical") criticalSinceMs.delete(checkId);
    else if (!criticalSinceMs.has(checkId)) criticalSinceMs.set(checkId, runtime.clock.monotonicMs());
  };

  const reap = async (): Promise<void> => {
    for (const serviceId of overdueServices()) {
      logger.info("deregistering a service whose check stays critical", { service: serviceId });
      await options.deregisterService(serviceId).catch((error: unknown) => {
        logger.warn("a critical service could not be deregistered", { service: serviceId, error: errorMessage(error) });
      });
    }
  };

  const overdueServices = (): Set<string> => {
    const nowMs = runtime.clock.monotonicMs();
    const overdue = [...criticalSinceMs].flatMap(([checkId, sinceMs]) => {
      const definition = state.checks().get(checkId)?.definition;
      if (definition === undefined || definition.serviceId === "") return [];
      return nowMs - sinceMs >= definition.deregisterCriticalServiceAfterMs ? [definition.serviceId] : [];
    });
    return new Set(overdue);
  };

  const arm = (): void => {
    timer = runtime.clock.after(reapIntervalMs, () => {
      arm();
      void reap();
    });
  };
  for (const checkId of state.checks().keys()) look(checkId);
  const observer = state.observe((changes) => {
    for (const change of changes) if (change.kind !== "service") look(change.id);
  });
  arm();
  return {
    stop() {
      observer.close();
      timer.cancel();
    },
  };
}
