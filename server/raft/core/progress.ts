import { assert } from "../../../lib/base/assert.ts";
import { Inflight } from "./inflight.ts";
import type { CoreConfig, LogIndex } from "./types.ts";

/**
 * What a leader knows of one member. `probe` finds the point where the logs agree with one append at a time; `replicate`
 * sends ahead within a window; `snapshot` waits, since the log no longer reaches back far enough. 0 <= match < next always.
 */
export class Progress {
  state: "probe" | "replicate" | "snapshot" = "probe";
  /** The highest entry known to be durable there. */
  match: LogIndex = 0;
  /** The first entry to send. */
  next: LogIndex;
  isRecentlyActive = false;
  /** In `probe`: an append is out, the next one follows its answer or a heartbeat's. */
  isPaused = false;
  /** One lost append per heartbeat interval is looked for, however many read rounds answer in between. */
  canRetry = false;
  /** The commit index of the last append, to see whether it has news for the member. */
  sentCommit: LogIndex = 0;
  /** The latest heartbeat round that was answered. */
  ackedRound = 0;
  readonly inflight: Inflight;
  /** The leader's tick at the last answer of any kind. */
  heardTick = 0;
  /** Catch-up rounds of thesis 4.2.1: caught up is who took in a round in less than an election timeout. */
  #round: { readonly target: LogIndex; readonly startTick: number };
  #isCaughtUp = false;

  constructor(options: { config: CoreConfig; lastIndex: LogIndex; tick: number }) {
    const { config, lastIndex, tick } = options;
    this.next = lastIndex + 1;
    this.#round = { target: lastIndex, startTick: tick };
    this.inflight = new Inflight({ maxMessages: config.maxInflightMessages, maxBytes: config.maxInflightBytes });
  }

  get isCaughtUp(): boolean {
    return this.#isCaughtUp && this.state === "replicate";
  }

  canSendEntries(): boolean {
    switch (this.state) {
      case "probe":
        return !this.isPaused;
      case "replicate":
        return !this.inflight.isFull;
      case "snapshot":
        return false;
    }
  }

  becomeProbe(next: LogIndex = this.match + 1): void {
    this.#reset("probe");
    this.next = Math.max(next, this.match + 1);
  }

  becomeReplicate(): void {
    this.#reset("replicate");
    this.next = this.match + 1;
  }

  becomeSnapshot(): void {
    this.#reset("snapshot");
  }

  /** Notes that entries up to `lastIndex` are on their way, in a state that allows it. */
  sent({ lastIndex, bytes }: { lastIndex: LogIndex; bytes: number }): void {
    assert(this.state !== "snapshot", "no append goes to a member that waits for a snapshot");
    if (this.state === "probe") {
      this.isPaused = true;
      return;
    }
    if (lastIndex < this.next) return;
    this.next = lastIndex + 1;
    this.inflight.add({ lastIndex, bytes });
  }

  /** Whether the answer taught anything; duplicates and old ones do not. */
  accepted(index: LogIndex): boolean {
    this.next = Math.max(this.next, index + 1);
    if (index <= this.match) return false;
    this.match = index;
    this.isPaused = false;
    return true;
  }

  /**
   * The append behind `rejectedIndex` did not fit; `hintIndex` is where the logs may agree. Old answers are recognised by an
   * index that is not the one being tried (probe) or that is known to match (replicate): they must not move anything.
   */
  rejected({ rejectedIndex, hintIndex }: { rejectedIndex: LogIndex; hintIndex: LogIndex }): boolean {
    if (this.state === "replicate") {
      if (rejectedIndex <= this.match) return false;
      this.becomeProbe();
      return true;
    }
    if (this.state === "snapshot" || rejectedIndex !== this.next - 1) return false;
    this.next = Math.max(Math.min(rejectedIndex, hintIndex + 1), this.match + 1);
    this.isPaused = false;
    return true;
  }

  /** Measures the catch-up of a learner after an answer. */
  noteRound({ lastIndex, tick, maxTicks }: { lastIndex: LogIndex; tick: number; maxTicks: number }): void {
    const isQuick = tick - this.#round.startTick < maxTicks;
    if (this.match < this.#round.target) {
      if (!isQuick) this.#isCaughtUp = false;
      return;
    }
    this.#isCaughtUp = isQuick || this.match >= lastIndex;
    this.#round = { target: lastIndex, startTick: tick };
  }

  #reset(state: Progress["state"]): void {
    this.state = state;
    this.isPaused = false;
    this.inflight.clear();
  }
}
