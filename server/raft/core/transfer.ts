import type { CoreState, LeaderState } from "./core-state.ts";
import { isVoter } from "./quorum.ts";
import type { NodeId, ProposeOutcome } from "./types.ts";

/**
 * Hands the lead over (thesis 3.10): no proposals meanwhile, else the target never catches up (hashicorp took them on and lost
 * them until 1.6.1); over after an election timeout if the target does not take it. A new target replaces the old one.
 */
export function startTransfer(state: CoreState, leader: LeaderState, to: NodeId): ProposeOutcome {
  const { index, term } = { index: state.log.lastIndex, term: state.term };
  if (to === state.id) return { ok: false, reason: "bad-change", message: `server ${to} leads already` };
  if (!isVoter(state.membership, to) || !leader.progress.has(to)) {
    return { ok: false, reason: "bad-change", message: `server ${to} is not a voter and cannot lead` };
  }
  if (leader.transfer?.to === to) return { ok: true, index, term };
  leader.transfer = { to, elapsed: 0 };
  maybeSendTimeoutNow(state, leader);
  return { ok: true, index, term };
}

/** The target campaigns without asking first, and voters let it, once it has everything. */
export function maybeSendTimeoutNow(state: CoreState, leader: LeaderState): void {
  const to = leader.transfer?.to;
  if (to === undefined || leader.progress.get(to)?.match !== state.log.lastIndex) return;
  state.outbox.messages.push({ type: "timeout-now", from: state.id, to, term: state.term });
}
