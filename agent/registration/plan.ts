import { mustRunHere, type ScriptRights } from "../checks/check-host.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { LocalState, LocalUpdate, NewLocalCheck } from "../local-state.ts";
import type { CheckDefinition, ServiceDefinition } from "../service-definition.ts";
import { nameServiceChecks } from "./catalog-fields.ts";
import { expandSidecar, sidecarId } from "./sidecar.ts";
import { type PortRange, pickSidecarPort } from "./sidecar-ports.ts";

/**
 * What a registration or removal means for the local state: reads it, changes nothing, and throws an `AtollError` in
 * Consul's words when it cannot be done. So nothing is half-registered when a later part of a registration is refused.
 */
export interface PlanContext {
  readonly state: LocalState;
  readonly sidecarPorts: PortRange;
  readonly nodeAddress: string;
  /** Whose checks may run programs. */
  readonly scripts: ScriptRights;
}

export interface ServicePlanOptions {
  /** Removes checks of the service that the definition does not name; otherwise they stay. */
  readonly replaceExistingChecks: boolean;
  readonly isPersisted: boolean;
}

export function planService(
  definition: ServiceDefinition,
  options: ServicePlanOptions,
  context: PlanContext,
): LocalUpdate {
  const { sidecar, ...parent } = definition;
  const ownSidecarId = sidecarId(definition.id);
  const expanded =
    sidecar === undefined
      ? undefined
      : expandSidecar(definition, sidecar, {
          nodeAddress: context.nodeAddress,
          port:
            sidecar.port ||
            pickSidecarPort({
              sidecarId: ownSidecarId,
              range: context.sidecarPorts,
              portsInUse: portsInUse(parent, context.state),
            }),
        });
  const services = [parent, ...(expanded === undefined ? [] : [expanded])];
  const checks = services.flatMap(nameServiceChecks);
  refuseRepeatedIds(checks);
  for (const check of checks) mustRunHere(check, { isFromApi: options.isPersisted, rights: context.scripts });
  const outdated = expanded === undefined ? outdatedSidecar(definition.id, context.state) : undefined;
  return {
    removedServices: outdated === undefined ? [] : [outdated],
    removedChecks: [
      ...(outdated === undefined ? [] : checkIdsOf(outdated, context.state)),
      ...(options.replaceExistingChecks
        ? services.flatMap((service) => replacedChecks(service.id, options, context))
        : []),
    ],
    services: services.map((service) => ({
      definition: { ...service, checks: [] },
      ...(service !== parent && { parentId: parent.id }),
      isPersisted: options.isPersisted,
    })),
    checks: checks.map((check) => ({ definition: check, isStandalone: false, isPersisted: options.isPersisted })),
  };
}

/** Removes a service, its checks, and the sidecar that its registration asked for with that one's checks. */
export function planServiceRemoval(serviceId: string, context: Pick<PlanContext, "state">): LocalUpdate {
  if (!context.state.services().has(serviceId)) {
    const hint = "Ensure that the service ID is passed, not the service name.";
    throw new AtollError("NOT_FOUND", `Unknown service ID "${serviceId}". ${hint}`);
  }
  const sidecar = outdatedSidecar(serviceId, context.state);
  const removedServices = sidecar === undefined ? [serviceId] : [serviceId, sidecar];
  return { removedServices, removedChecks: removedServices.flatMap((id) => checkIdsOf(id, context.state)) };
}

export function planCheck(
  definition: CheckDefinition,
  options: { readonly isPersisted: boolean },
  context: Pick<PlanContext, "state" | "scripts">,
): LocalUpdate {
  const { serviceId } = definition;
  if (serviceId !== "" && !context.state.services().has(serviceId)) {
    throw new AtollError("NOT_FOUND", `ServiceID "${serviceId}" does not exist`);
  }
  mustRunHere(definition, { isFromApi: options.isPersisted, rights: context.scripts });
  const check: NewLocalCheck = { definition, isStandalone: true, isPersisted: options.isPersisted };
  return { checks: [check] };
}

export function planCheckRemoval(checkId: string, context: Pick<PlanContext, "state">): LocalUpdate {
  if (!context.state.checks().has(checkId)) {
    const hint = "Ensure that the check ID is passed, not the check name.";
    throw new AtollError("NOT_FOUND", `Unknown check ID "${checkId}". ${hint}`);
  }
  return { removedChecks: [checkId] };
}

function portsInUse(parent: ServiceDefinition, state: LocalState): ReadonlyMap<string, number> {
  const ports = new Map([...state.services()].map(([id, service]) => [id, service.definition.port]));
  return ports.set(parent.id, parent.port);
}

/** A file that is read again takes back what it said before, not what others have added over HTTP since. */
function replacedChecks(
  serviceId: string,
  { isPersisted: isFromApi }: ServicePlanOptions,
  { state }: Pick<PlanContext, "state">,
): string[] {
  return state
    .checksOf(serviceId)
    .filter((check) => isFromApi || !check.isStandalone)
    .map((check) => check.definition.checkId);
}

/** The sidecar that an earlier registration of the service made. One that was registered by hand is not its to remove. */
function outdatedSidecar(serviceId: string, state: LocalState): string | undefined {
  const id = sidecarId(serviceId);
  return state.services().get(id)?.parentId === serviceId ? id : undefined;
}

function checkIdsOf(serviceId: string, state: LocalState): string[] {
  return state.checksOf(serviceId).map((check) => check.definition.checkId);
}

function refuseRepeatedIds(checks: readonly CheckDefinition[]): void {
  const ids = checks.map((check) => check.checkId);
  const twice = ids.find((id, i) => ids.indexOf(id) !== i);
  if (twice === undefined) return;
  throw new AtollError(
    "INVALID_ARGUMENT",
    `Checks: the check id "${twice}" is used twice: give each check its own CheckID`,
  );
}
