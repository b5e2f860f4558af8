/** Operators' leadership transfers that wait for the outcome: done when the target leads, given up after a while. */
import type { LogIndex, NodeId } from "../core/types.ts";
import type { Answer } from "./proposals.ts";

export interface Transfers {
  add(transfer: { id: number; to: NodeId }): void;
  cancel(id: number): void;
  /** Another server, or none yet (empty), is known to lead. */
  noteLeader(leader: { leader: NodeId; self: NodeId; commitIndex: LogIndex }): readonly Answer[];
  tick(leader: NodeId): readonly Answer[];
}

export function createTransfers({ patienceTicks }: { readonly patienceTicks: number }): Transfers {
  let waiting: { id: number; to: NodeId; ticksLeft: number }[] = [];
  const failed = (id: number, leader: NodeId, message: string): Answer => ({
    id,
    outcome: { ok: false, reason: "refused", message, leader },
  });
  return {
    add({ id, to }) {
      waiting.push({ id, to, ticksLeft: patienceTicks });
    },
    cancel(id) {
      waiting = waiting.filter((transfer) => transfer.id !== id);
    },
    noteLeader({ leader, self, commitIndex }) {
      if (leader === "" || leader === self) return [];
      const settled = waiting;
      waiting = [];
      return settled.map(({ id, to }) =>
        to === leader
          ? { id, outcome: { ok: true, index: commitIndex, result: null } }
          : failed(id, leader, `${leader} became the leader instead of ${to}`),
      );
    },
    tick(leader) {
      for (const transfer of waiting) transfer.ticksLeft--;
      const late = waiting.filter(({ ticksLeft }) => ticksLeft <= 0);
      waiting = waiting.filter(({ ticksLeft }) => ticksLeft > 0);
      return late.map(({ id, to }) => failed(id, leader, `${to} did not take over leadership in time`));
    },
  };
}
