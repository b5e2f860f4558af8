import type { Proposed } from "./replicated-log.ts";

/** Writes remembered by their request id; the oldest is forgotten first. */
export const maxRememberedRequests = 16_384;

/**
 * What became of named writes, so that asking again does not do them again: a second proposal of an id shares the outcome
 * of the first, also while that one is still under way. A write that certainly had no effect is forgotten at once.
 */
export interface RequestMemory {
  run(requestId: string, propose: () => Promise<Proposed>): Promise<Proposed>;
}

export function createRequestMemory(hadNoEffect: (thrown: unknown) => boolean): RequestMemory {
  const outcomes = new Map<string, Promise<Proposed>>();
  return {
    run(requestId, propose) {
      const known = outcomes.get(requestId);
      if (known !== undefined) return known;
      const outcome = propose();
      outcomes.set(requestId, outcome);
      outcome.catch((thrown: unknown) => {
        if (hadNoEffect(thrown)) outcomes.delete(requestId);
      });
      for (const oldest of outcomes.keys()) {
        if (outcomes.size <= maxRememberedRequests) break;
        outcomes.delete(oldest);
      }
      return outcome;
    },
  };
}
