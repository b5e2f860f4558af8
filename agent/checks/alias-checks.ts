import type { LocalChange, LocalState } from "../local-state.ts";
import { aliasStatus } from "./alias-status.ts";
import { capOutput } from "./probe-result.ts";

/** Aliases that follow each other in a circle would change for ever; a chain settles within its length. */
const maxTurnsPerAlias = 16;

/**
 * Keeps the alias checks of a local state equal to what they follow. A change is looked at by the aliases of that service
 * only; a change of a node check by all of them.
 */
export interface AliasChecks {
  add(checkId: string, serviceId: string): void;
  remove(checkId: string): void;
  onChanges(changes: readonly LocalChange[]): void;
}

export function createAliasChecks(state: LocalState): AliasChecks {
  const followers = new Map<string, Set<string>>();
  const followed = new Map<string, string>();
  const waiting = new Set<string>();
  let isSettling = false;

  const settle = (): void => {
    // Setting a status tells observers, this one included: what they bring is added to the turn that is running.
    if (isSettling) return;
    isSettling = true;
    const turns = new Map<string, number>();
    for (const checkId of waiting) {
      waiting.delete(checkId);
      const turn = (turns.get(checkId) ?? 0) + 1;
      turns.set(checkId, turn);
      if (turn <= maxTurnsPerAlias) update(checkId);
    }
    isSettling = false;
  };

  const update = (checkId: string): void => {
    const check = state.checks().get(checkId);
    const serviceId = followed.get(checkId);
    if (check === undefined || serviceId === undefined) return;
    const candidates = serviceId === "" ? state.checksOf("") : [...state.checksOf(""), ...state.checksOf(serviceId)];
    const others = candidates.map((candidate) => candidate.fields).filter((fields) => fields.CheckID !== checkId);
    const target = { serviceId, hasService: state.services().has(serviceId), nodeName: state.nodeName };
    const result = aliasStatus(target, others);
    state.setCheckStatus(checkId, result.status, capOutput(result.output, check.definition.outputMaxBytes));
  };

  const wakeFollowers = (serviceId: string): void => {
    for (const checkId of followers.get(serviceId) ?? []) waiting.add(checkId);
  };

  return {
    add(checkId, serviceId) {
      followed.set(checkId, serviceId);
      followers.set(serviceId, (followers.get(serviceId) ?? new Set()).add(checkId));
      waiting.add(checkId);
      settle();
    },
    remove(checkId) {
      const serviceId = followed.get(checkId);
      if (serviceId === undefined) return;
      followed.delete(checkId);
      waiting.delete(checkId);
      const others = followers.get(serviceId);
      others?.delete(checkId);
      if (others?.size === 0) followers.delete(serviceId);
    },
    onChanges(changes) {
      for (const change of changes) {
        if (change.kind === "service") wakeFollowers(change.id);
        else if (change.serviceId !== "") wakeFollowers(change.serviceId);
        else for (const checkId of followed.keys()) waiting.add(checkId);
      }
      settle();
    },
  };
}
