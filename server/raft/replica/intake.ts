/**
 * What clients and operators ask of the leader: writes, membership changes, reads, transfers. Everything is refused or
 * under way when a function here returns; the answers of what is under way come when the log has decided.
 */
import type { ConfigChange, NodeId, ProposeOutcome, RaftCore } from "../core/types.ts";
import type { Applier } from "./applying.ts";
import type { DiskStall } from "./disk-stall.ts";
import type { EffectList, Refusal } from "./effect-list.ts";
import { encodeCommand } from "./envelope.ts";
import type { Proposals } from "./proposals.ts";
import type { Reads } from "./reads.ts";
import { requestIdProblem } from "./request-ids.ts";
import type { Transfers } from "./transfers.ts";

export interface Intake {
  propose(proposal: { id: number; requestId: string; data: string }): void;
  proposeChange(id: number, change: ConfigChange): void;
  read(id: number): void;
  transfer(id: number, to: NodeId): void;
  cancel(id: number): void;
}

export interface IntakeOptions {
  readonly core: RaftCore;
  readonly effects: EffectList;
  readonly applier: Applier;
  readonly proposals: Proposals;
  readonly reads: Reads;
  readonly transfers: Transfers;
  readonly stall: DiskStall;
  readonly maxQueuedProposals: number;
}

export function createIntake(options: IntakeOptions): Intake {
  const { core, effects, applier, proposals, reads, transfers, stall } = options;
  const isLeader = (): boolean => core.status.role === "leader";

  const keep = (proposal: { id: number; requestId: string }, proposed: ProposeOutcome): void => {
    if (proposed.ok) proposals.add({ ...proposal, index: proposed.index, term: proposed.term });
    else effects.refuse(proposal.id, refusalOf(proposed), proposed.message);
  };
  /** Why nothing more is taken on at the moment. */
  const obstacle = (requestId: string): { readonly reason: Refusal; readonly message: string } | undefined => {
    const problem = requestIdProblem(requestId);
    if (problem !== undefined) return { reason: "refused", message: problem };
    if (proposals.size >= options.maxQueuedProposals) {
      return { reason: "refused", message: "too many changes are under way" };
    }
    if (stall.isStalled)
      return { reason: "dropped", message: "the leader's disk does not answer; nothing was changed" };
    return undefined;
  };

  return {
    propose({ id, requestId, data }) {
      const remembered = requestId === "" ? undefined : applier.remembered(requestId);
      if (remembered !== undefined) {
        effects.answerAll([{ id, outcome: { ok: true, ...remembered } }]);
        return;
      }
      if (!isLeader()) {
        effects.refuseNotLeader(id);
        return;
      }
      const found = obstacle(requestId);
      if (found !== undefined) {
        effects.refuse(id, found.reason, found.message);
      } else if (requestId === "" || !proposals.join({ id, requestId, term: core.status.term })) {
        keep({ id, requestId }, core.propose(encodeCommand({ requestId, command: data })));
      }
    },
    proposeChange(id, change) {
      keep({ id, requestId: "" }, core.proposeChange(change));
    },
    read(id) {
      if (isLeader()) core.readIndex(reads.ask(id));
      else effects.refuseNotLeader(id);
    },
    transfer(id, to) {
      const proposed = core.transferLeadership(to);
      if (proposed.ok) transfers.add({ id, to });
      else effects.refuse(id, refusalOf(proposed), proposed.message);
    },
    cancel(id) {
      for (const waiting of [proposals, reads, transfers]) waiting.cancel(id);
    },
  };
}

/** Whether the caller should turn to the leader, try again, or take it as it is. */
function refusalOf({ reason }: Extract<ProposeOutcome, { readonly ok: false }>): Refusal {
  if (reason === "not-leader") return "not-leader";
  if (reason === "config-pending") return "pending";
  return reason === "transferring" ? "dropped" : "refused";
}
