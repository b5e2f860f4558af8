import { aggregateStatus, type CheckFields, type CheckStatus } from "../lib/contract/catalog.ts";
import { AtollError } from "../lib/contract/error-codes.ts";
import { maxCheckOutputBytes } from "./registration/decode-check.ts";
import type { LocalState } from "./local-state.ts";
import type { Registrar } from "./registrar.ts";
import type { CheckDefinition } from "./service-definition.ts";

/**
 * Maintenance: a critical check that takes a service, or the whole node, out of rotation for as long as somebody wants. It is a
 * check like others, so it is kept over restarts, in the catalog, and in every answer about health.
 */
export interface Maintenance {
  /** Does nothing when the service is in maintenance already. Rejects with `NOT_FOUND` for one that is not registered here. */
  setService(serviceId: string, wanted: MaintenanceWish): Promise<void>;
  setNode(wanted: MaintenanceWish): Promise<void>;
}

export interface MaintenanceWish {
  readonly isEnabled: boolean;
  /** Empty: a sentence that says that there is none. */
  readonly reason: string;
}

export const nodeMaintenanceCheckId = "_node_maintenance";
const servicePrefix = "_service_maintenance:";

export function serviceMaintenanceCheckId(serviceId: string): string {
  return `${servicePrefix}${serviceId}`;
}

export type AgentHealth = CheckStatus | "maintenance";

/** The worst of some checks, where maintenance is worse than critical. */
export function agentHealth(checks: readonly Pick<CheckFields, "CheckID" | "Status">[]): AgentHealth {
  const isMaintenance = ({ CheckID: id }: Pick<CheckFields, "CheckID">): boolean =>
    id === nodeMaintenanceCheckId || id.startsWith(servicePrefix);
  return checks.some(isMaintenance) ? "maintenance" : aggregateStatus(checks);
}

export function createMaintenance(options: {
  readonly state: LocalState;
  readonly registrar: Pick<Registrar, "registerCheck" | "deregisterCheck">;
}): Maintenance {
  const { state, registrar } = options;
  const set = async (check: CheckDefinition, isEnabled: boolean): Promise<void> => {
    if (state.checks().has(check.checkId) === isEnabled) return;
    if (isEnabled) await registrar.registerCheck(check, { isPersisted: true });
    else await registrar.deregisterCheck(check.checkId);
  };
  return {
    async setService(serviceId, { isEnabled, reason }) {
      if (!state.services().has(serviceId)) {
        const hint = "Ensure that the service ID is passed, not the service name.";
        throw new AtollError("NOT_FOUND", `Unknown service ID "${serviceId}". ${hint}`);
      }
      const checkId = serviceMaintenanceCheckId(serviceId);
      const name = "Service Maintenance Mode";
      await set(maintenanceCheck({ checkId, serviceId, name, reason: reason || noReason("service") }), isEnabled);
    },
    async setNode({ isEnabled, reason }) {
      const check = { checkId: nodeMaintenanceCheckId, serviceId: "", name: "Node Maintenance Mode" };
      await set(maintenanceCheck({ ...check, reason: reason || noReason("node") }), isEnabled);
    },
  };
}

function noReason(what: "service" | "node"): string {
  return `Maintenance mode is enabled for this ${what}, but no reason was provided. This is a default message.`;
}

function maintenanceCheck(fields: {
  readonly checkId: string;
  readonly serviceId: string;
  readonly name: string;
  readonly reason: string;
}): CheckDefinition {
  return {
    checkId: fields.checkId,
    name: fields.name,
    notes: fields.reason,
    serviceId: fields.serviceId,
    initialStatus: "critical",
    successBeforePassing: 0,
    failuresBeforeWarning: 0,
    failuresBeforeCritical: 0,
    deregisterCriticalServiceAfterMs: 0,
    outputMaxBytes: maxCheckOutputBytes,
    probe: { type: "maintenance" },
  };
}
