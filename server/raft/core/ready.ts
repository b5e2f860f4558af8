import type { CoreState } from "./core-state.ts";
import { flushLeader, hasFlush } from "./leader.ts";
import { emptyOutbox, isOutboxEmpty } from "./outbox.ts";
import type { CoreStatus, HardState, LogIndex, Ready } from "./types.ts";

/** Collects what the core wants done and remembers what it said last, so that only news is said. */
export class ReadyBuilder {
  readonly #state: CoreState;
  #hardState: HardState;
  #status: CoreStatus;

  constructor(state: CoreState, hardState: HardState) {
    this.#state = state;
    this.#hardState = hardState;
    this.#status = statusOf(state);
  }

  hasReady(): boolean {
    const state = this.#state;
    return (
      !isOutboxEmpty(state.outbox) ||
      state.log.hasUnstored ||
      state.log.hasApplicable ||
      this.#changedHardState() !== undefined ||
      this.#changedStatus() !== undefined ||
      (state.role.role === "leader" && hasFlush(state, state.role))
    );
  }

  take(): Ready {
    const state = this.#state;
    const { log } = state;
    if (state.role.role === "leader") flushLeader(state, state.role);
    const { outbox } = state;
    state.outbox = emptyOutbox();
    const entries = log.takeUnstored();
    const hardState = this.#changedHardState();
    const status = this.#changedStatus();
    const last = { index: log.lastIndex, term: log.lastTerm };
    const isWrite = entries.length > 0 || hardState !== undefined;
    const mustSync = entries.length > 0 || this.#isSyncNeeded(hardState);
    if (hardState !== undefined) this.#hardState = hardState;
    if (status !== undefined) this.#status = status;
    return {
      messages: outbox.messages,
      messagesAfterStore: outbox.messagesAfterStore,
      reads: outbox.reads,
      rejectedReads: outbox.rejectedReads,
      snapshotsWanted: [...outbox.snapshotsWanted],
      entries,
      mustSync,
      mark: isWrite ? log.marks.issue(last, this.#hardState) : log.marks.latest(last),
      committed: log.takeApplicable(state.config.maxApplyBytes),
      ...(hardState === undefined ? {} : { hardState }),
      ...(outbox.install === undefined ? {} : { install: outbox.install }),
      ...(status === undefined ? {} : { status }),
    };
  }

  #changedHardState(): HardState | undefined {
    const { term, vote, log } = this.#state;
    const before = this.#hardState;
    const isSame = term === before.term && vote === before.vote && log.commit === before.commit;
    return isSame ? undefined : { term, vote, commit: log.commit };
  }

  #changedStatus(): CoreStatus | undefined {
    const status = statusOf(this.#state);
    const before = this.#status;
    const isSame = status.role === before.role && status.term === before.term && status.leader === before.leader;
    return isSame ? undefined : status;
  }

  /**
   * Term and vote were promised, the commit index can be learned again; but a server that forgets that a configuration
   * change was committed may have to ask servers that were removed by it (rule 12).
   */
  #isSyncNeeded(hardState: HardState | undefined): boolean {
    if (hardState === undefined) return false;
    const before = this.#hardState;
    if (hardState.term !== before.term || hardState.vote !== before.vote) return true;
    return this.#hasConfigBetween(before.commit + 1, hardState.commit);
  }

  #hasConfigBetween(from: LogIndex, to: LogIndex): boolean {
    for (let index = from; index <= to; index++) {
      if (this.#state.log.entryAt(index)?.kind === "config") return true;
    }
    return false;
  }
}

export function statusOf(state: CoreState): CoreStatus {
  return { role: state.role.role, term: state.term, leader: state.leader };
}
