import type { NodeId } from "../core/types.ts";
import type { Answer } from "./proposals.ts";
import type { Effect, Outcome } from "./replica-api.ts";

export type Refusal = Extract<Outcome, { readonly ok: false }>["reason"];

/** What one input has brought about so far, in order; nothing follows a halt. */
export interface EffectList {
  readonly isHalted: boolean;
  add(effect: Effect): void;
  answerAll(answers: readonly Answer[]): void;
  refuse(id: number, reason: Refusal, message: string): void;
  refuseNotLeader(id: number): void;
  halt(reason: string): void;
  take(): readonly Effect[];
}

export function createEffectList({ leader }: { readonly leader: () => NodeId }): EffectList {
  let effects: Effect[] = [];
  let isHalted = false;
  const refuse = (id: number, reason: Refusal, message: string): void => {
    effects.push({ type: "answer", id, outcome: { ok: false, reason, message, leader: leader() } });
  };
  return {
    get isHalted() {
      return isHalted;
    },
    add(effect) {
      if (!isHalted) effects.push(effect);
    },
    answerAll(answers) {
      for (const answer of answers) effects.push({ type: "answer", ...answer });
    },
    refuse,
    refuseNotLeader: (id) => refuse(id, "not-leader", "this server is not the leader"),
    halt(reason) {
      if (!isHalted) effects.push({ type: "halt", reason });
      isHalted = true;
    },
    take() {
      const taken = effects;
      effects = [];
      return taken;
    },
  };
}
