import { errorMessage } from "../../lib/base/errors.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { Registrations } from "../registrations.ts";
import type { CheckDefinition, ServiceDefinition } from "../service-definition.ts";

/** What configuration files register. */
export interface Configured {
  readonly services: readonly ServiceDefinition[];
  readonly checks: readonly CheckDefinition[];
}

/**
 * Makes the registrations of configuration files those of `next`: what is gone is deregistered, the rest is registered
 * again. What came over the API is left alone. Rejects with every entry that did not fit, after doing all the others.
 */
export async function reloadConfigured(options: {
  readonly registrations: Pick<Registrations, "registrar" | "state">;
  readonly previous: Configured;
  readonly next: Configured;
}): Promise<void> {
  const { registrations, previous, next } = options;
  const { registrar, state } = registrations;
  const failures: string[] = [];
  const attempt = async (what: string, run: () => Promise<void>): Promise<void> => {
    try {
      await run();
    } catch (thrown) {
      failures.push(`${what}: ${errorMessage(thrown)}`);
    }
  };
  const services = new Set(next.services.map((service) => service.id));
  const checks = new Set(next.checks.map((check) => check.checkId));
  for (const { checkId } of previous.checks) {
    if (checks.has(checkId) || state.checks().get(checkId)?.isPersisted !== false) continue;
    await attempt(`check "${checkId}"`, () => registrar.deregisterCheck(checkId));
  }
  for (const { id } of previous.services) {
    if (services.has(id) || state.services().get(id)?.isPersisted !== false) continue;
    await attempt(`service "${id}"`, () => registrar.deregisterService(id));
  }
  // Applications before the proxies that name them.
  for (const service of next.services.toSorted((a, b) => a.kind.length - b.kind.length)) {
    const plan = { replaceExistingChecks: true, isPersisted: false };
    await attempt(`service "${service.id}"`, () => registrar.registerService(service, plan));
  }
  for (const check of next.checks) {
    await attempt(`check "${check.checkId}"`, () => registrar.registerCheck(check, { isPersisted: false }));
  }
  if (failures.length > 0) throw new AtollError("CONFIG_INVALID", `not registered: ${failures.join("; ")}`);
}
