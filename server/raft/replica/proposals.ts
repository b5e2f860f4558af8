/**
 * Proposals that wait for their entry to be applied, keyed by index and term: when another term's entry is applied at the
 * index, the proposal is certainly gone (`dropped`), since a committed entry is never replaced. Mere truncation proves
 * nothing, because another server may still hold the entry and lead. So a deposed leader waits a while for the outcome and
 * then answers `unknown`.
 */
import { assert } from "../../../lib/base/assert.ts";
import type { LogIndex, NodeId, Term } from "../core/types.ts";
import type { Outcome } from "./replica-api.ts";

export interface Answer {
  readonly id: number;
  readonly outcome: Outcome;
}

interface Waiting {
  readonly index: LogIndex;
  readonly term: Term;
  readonly requestId: string;
  /** The first caller and those who retried with the same request id. */
  readonly ids: number[];
}

export interface Proposals {
  readonly size: number;
  add(proposal: { id: number; index: LogIndex; term: Term; requestId: string }): void;
  /** Lets `id` wait for the same request that is under way in `term`; false when there is none. */
  join(proposal: { id: number; requestId: string; term: Term }): boolean;
  cancel(id: number): void;
  /** The entry (`index`, `term`) was applied: its proposal gets `outcome`, another one at the index is dropped. */
  settle(entry: { index: LogIndex; term: Term }, outcome: Outcome): readonly Answer[];
  /** The state jumped to `index`: nobody can tell what became of the entries before it. */
  skipTo(index: LogIndex): readonly Answer[];
  /** Starts the time after which a deposed leader gives up, or stops it. */
  noteLeadership(isLeader: boolean): void;
  tick(): readonly Answer[];
}

export interface ProposalsOptions {
  readonly patienceTicks: number;
  readonly leader: () => NodeId;
}

export function createProposals({ patienceTicks, leader }: ProposalsOptions): Proposals {
  const byIndex = new Map<LogIndex, Waiting[]>();
  const byRequestId = new Map<string, Waiting>();
  let size = 0;
  let ticksLeft: number | undefined;

  const remove = (waiting: Waiting): void => {
    size -= waiting.ids.length;
    if (byRequestId.get(waiting.requestId) === waiting) byRequestId.delete(waiting.requestId);
  };
  const answer = (waiting: Waiting, outcome: Outcome): Answer[] => {
    remove(waiting);
    return waiting.ids.map((id) => ({ id, outcome }));
  };
  const takeUpTo = (index: LogIndex): Waiting[] => {
    const taken = [...byIndex].filter(([at]) => at <= index);
    for (const [at] of taken) byIndex.delete(at);
    return taken.flatMap(([, waiting]) => waiting);
  };
  const unknown = (message: string): Outcome => ({ ok: false, reason: "unknown", message, leader: leader() });

  return {
    get size() {
      return size;
    },
    add({ id, index, term, requestId }) {
      const waiting: Waiting = { index, term, requestId, ids: [id] };
      const others = byIndex.get(index);
      if (others === undefined) byIndex.set(index, [waiting]);
      else others.push(waiting);
      if (requestId !== "") byRequestId.set(requestId, waiting);
      size++;
    },
    join({ id, requestId, term }) {
      const waiting = byRequestId.get(requestId);
      // What an earlier term left behind may never be decided; a second entry is, and it has no second effect.
      if (waiting === undefined || waiting.term !== term) return false;
      assert(!waiting.ids.includes(id), "an id names one proposal");
      waiting.ids.push(id);
      size++;
      return true;
    },
    cancel(id) {
      for (const all of byIndex.values()) {
        for (const { ids } of all) {
          const at = ids.indexOf(id);
          if (at === -1) continue;
          ids.splice(at, 1);
          size--;
        }
      }
    },
    settle({ index, term }, outcome) {
      const waiting = byIndex.get(index);
      if (waiting === undefined) return [];
      byIndex.delete(index);
      const [only] = waiting;
      if (waiting.length === 1 && only?.term === term) return answer(only, outcome);
      const message = `another entry was committed at index ${index}; nothing was changed`;
      const dropped: Outcome = { ok: false, reason: "dropped", message, leader: leader() };
      return waiting.flatMap((one) => answer(one, one.term === term ? outcome : dropped));
    },
    skipTo(index) {
      const outcome = unknown("a snapshot replaced the state while the change was under way");
      return takeUpTo(index).flatMap((waiting) => answer(waiting, outcome));
    },
    noteLeadership(isLeader) {
      if (isLeader) ticksLeft = undefined;
      else ticksLeft ??= patienceTicks;
    },
    tick() {
      if (ticksLeft === undefined || size === 0 || --ticksLeft > 0) return [];
      const outcome = unknown("leadership was lost while the change was under way");
      return takeUpTo(Number.POSITIVE_INFINITY).flatMap((waiting) => answer(waiting, outcome));
    },
  };
}
