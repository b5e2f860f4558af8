import type { CheckFields, NodeFields } from "../../lib/contract/catalog.ts";
import { nodeLivenessCheckId } from "../../lib/contract/catalog.ts";
import type { DeregisterCommand, RegisterCommand } from "../../lib/contract/commands.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { LocalState } from "../local-state.ts";
import { aliveOutput } from "../../lib/contract/members.ts";
import { ownedCheck, ownedService } from "./owned.ts";
import type { Pending } from "./pending.ts";

export interface PushOptions {
  readonly node: NodeFields;
  readonly state: LocalState;
  readonly pending: Pending;
  /** `token` is what the write is asked for when it is of a service that the catalog has not got yet. */
  readonly write: (command: RegisterCommand | DeregisterCommand, token: string) => Promise<unknown>;
  /** Of a service that is registered here; of the agent itself for the empty id. */
  readonly tokenFor: (serviceId: string) => string;
  /** Called with each check that was written, whose held back output went with it. */
  readonly onCheckWritten: (checkId: string) => void;
  /** Called for what the servers will not take: it is left alone until the next comparison with the catalog. */
  readonly onRefused: (what: string, error: AtollError) => void;
}

/** Writes of one pass that are under way together: servers put them into one disk sync. */
const maxParallelWrites = 16;

/**
 * Brings everything pending to the catalog: the node first, since nothing can be registered on a node that is not there,
 * then services with their changed checks in one write each, then the checks that remain. What fails stays pending and
 * the failure is thrown; what changes while it is being written becomes pending again and is not lost.
 */
export async function pushPending(options: PushOptions): Promise<void> {
  const { pending } = options;
  if (pending.isNodeOutdated) await pushNode(options);
  await inParallel([...pending.services], (id) => pushService(id, options));
  const remaining = groupByService([...pending.checks], options);
  await inParallel([...remaining.keys()], (serviceId) => pushChecks(remaining.get(serviceId) ?? [], options));
}

async function pushNode(options: PushOptions): Promise<void> {
  const { pending, node } = options;
  pending.isNodeOutdated = false;
  const restore = (): void => {
    pending.isNodeOutdated = true;
  };
  const command = { type: "register", node, skipNodeUpdate: false, checks: [livenessCheck(node.Node)] } as const;
  // Without its node nothing else can be written, so a refusal ends the pass like any other failure.
  await attempt({ command, restore, what: undefined }, options);
}

async function pushService(id: string, options: PushOptions): Promise<void> {
  const { pending, state, node } = options;
  pending.services.delete(id);
  const restoreService = (): void => void pending.services.add(id);
  const service = state.services().get(id);
  if (service === undefined) {
    pending.onPurpose.delete(id);
    if (!pending.believedServices.has(id)) return;
    const command = { type: "deregister", node: node.Node, serviceId: id } as const;
    if (!(await attempt({ command, restore: restoreService, what: `service ${id}` }, options))) return;
    pending.believedServices.delete(id);
    for (const [checkId, serviceId] of pending.believedChecks) {
      if (serviceId === id) pending.believedChecks.delete(checkId);
    }
    return;
  }
  const checks = state
    .checksOf(id)
    .map((check) => ownedCheck(check.fields, node))
    .filter((check) => pending.checks.delete(check.CheckID));
  const isRepair = !pending.onPurpose.delete(id);
  for (const check of checks) pending.onPurpose.delete(check.CheckID);
  const restore = (): void => {
    restoreService();
    if (!isRepair) pending.onPurpose.add(id);
    for (const check of checks) pending.checks.add(check.CheckID);
  };
  const owned = ownedService(service.fields, node);
  const command = {
    type: "register",
    node,
    skipNodeUpdate: true,
    service: owned,
    checks,
    ...(isRepair && { isRepair }),
  } as const;
  pending.believedServices.add(id);
  await attemptChecks({ command, restore, what: `service ${id}` }, checks, options);
}

/** Writes or removes the changed checks of one service, or of the node. */
async function pushChecks(ids: readonly string[], options: PushOptions): Promise<void> {
  const { pending, state, node } = options;
  const present: CheckFields[] = [];
  const purposes: string[] = [];
  for (const id of ids) {
    if (!pending.checks.delete(id)) continue;
    const check = state.checks().get(id);
    if (pending.onPurpose.delete(id)) purposes.push(id);
    if (check === undefined) {
      if (pending.believedChecks.has(id)) await removeCheck(id, options);
    } else if (!isWithdrawn(check.fields, pending)) {
      present.push(ownedCheck(check.fields, node));
    }
  }
  if (present.length === 0) return;
  const restore = (): void => {
    for (const id of purposes) pending.onPurpose.add(id);
    for (const check of present) pending.checks.add(check.CheckID);
  };
  const isRepair = purposes.length === 0;
  const command = {
    type: "register",
    node,
    skipNodeUpdate: true,
    checks: present,
    ...(isRepair && { isRepair }),
  } as const;
  const what = `checks ${present.map((check) => check.CheckID).join(", ")}`;
  await attemptChecks({ command, restore, what }, present, options);
}

function isWithdrawn(check: CheckFields, pending: Pending): boolean {
  return pending.withdrawnChecks.has(check.CheckID) || pending.withdrawnServices.has(check.ServiceID);
}

async function removeCheck(checkId: string, options: PushOptions): Promise<void> {
  const { pending, node } = options;
  const restore = (): void => void pending.checks.add(checkId);
  const command = { type: "deregister", node: node.Node, checkId } as const;
  if (await attempt({ command, restore, what: `check ${checkId}` }, options)) pending.believedChecks.delete(checkId);
}

/** A write whose outcome is unknown may have been done, so it is believed from the moment it is sent. */
async function attemptChecks(step: Attempt, checks: readonly CheckFields[], options: PushOptions): Promise<void> {
  for (const check of checks) options.pending.believedChecks.set(check.CheckID, check.ServiceID);
  if (!(await attempt(step, options))) return;
  for (const check of checks) options.onCheckWritten(check.CheckID);
}

interface Attempt {
  readonly command: RegisterCommand | DeregisterCommand;
  readonly restore: () => void;
  /** Names it in the log; undefined when a refusal must be thrown. */
  readonly what: string | undefined;
}

/** True when the write is done; false when the servers refused it for good. Throws, with all of it pending again, otherwise. */
async function attempt(step: Attempt, options: PushOptions): Promise<boolean> {
  try {
    await options.write(step.command, options.tokenFor(serviceOf(step.command)));
    return true;
  } catch (error) {
    if (error instanceof AtollError && error.retryable === "no" && step.what !== undefined) {
      if (step.command.type === "deregister" && error.code === "NOT_FOUND") return true;
      options.onRefused(step.what, error);
      return false;
    }
    step.restore();
    throw error;
  }
}

function serviceOf(command: RegisterCommand | DeregisterCommand): string {
  return command.type === "register" ? (command.service?.ID ?? command.checks[0]?.ServiceID ?? "") : "";
}

function groupByService(checkIds: readonly string[], options: PushOptions): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const id of checkIds) {
    const serviceId = options.state.checks().get(id)?.definition.serviceId ?? "";
    groups.set(serviceId, [...(groups.get(serviceId) ?? []), id]);
  }
  return groups;
}

/** Runs all of them, a few at a time, and throws the first failure after every one has ended. */
async function inParallel(ids: readonly string[], run: (id: string) => Promise<void>): Promise<void> {
  const queue = [...ids];
  const failures: unknown[] = [];
  const worker = async (): Promise<void> => {
    for (let id = queue.shift(); id !== undefined && failures.length === 0; id = queue.shift()) {
      await run(id).catch((error: unknown) => failures.push(error));
    }
  };
  await Promise.all(Array.from({ length: Math.min(maxParallelWrites, ids.length) }, worker));
  if (failures.length > 0) throw failures[0];
}

/** What servers without leases are told; the others look at the lease. */
function livenessCheck(node: string): CheckFields {
  return {
    Node: node,
    CheckID: nodeLivenessCheckId,
    Name: "Serf Health Status",
    Status: "passing",
    Notes: "",
    Output: aliveOutput,
    ServiceID: "",
    ServiceName: "",
    ServiceTags: [],
    Type: "",
    Interval: "",
    Timeout: "",
    Definition: {},
  };
}
