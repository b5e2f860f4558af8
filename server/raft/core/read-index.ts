import type { ConfirmedRead, LogIndex } from "./types.ts";

interface PendingRead extends ConfirmedRead {
  /** The first heartbeat round that begins after the read came: only that one, or a later one, can confirm it. */
  readonly round: number;
}

/**
 * Linearizable reads without a log entry (thesis 6.4). A read remembers the commit index of its arrival and waits until a
 * heartbeat round that began afterwards was answered by a quorum: then nobody can have led, and committed, in between.
 *
 * Rounds are told apart by a counter that only grows. etcd named them by the request and used the name again when it tried
 * once more; after a pause of the process an old answer then confirmed the new try and reads were stale (etcd #20418, in
 * releases for years). One round confirms everything that waits for it, so the cost does not grow with the reads.
 */
export class ReadQueue {
  /** Came before this leader had committed an entry of its term: its commit index may still be too low (etcd #7331). */
  #held: number[] = [];
  #pending: PendingRead[] = [];
  #round = 0;

  get round(): number {
    return this.#round;
  }

  get size(): number {
    return this.#held.length + this.#pending.length;
  }

  /** True when reads wait and none of them waits for a round that is under way. */
  get needsRound(): boolean {
    const oldest = this.#pending[0];
    return oldest !== undefined && oldest.round > this.#round;
  }

  hold(id: number): void {
    this.#held.push(id);
  }

  add(id: number, commitIndex: LogIndex): void {
    this.#pending.push({ id, index: commitIndex, round: this.#round + 1 });
  }

  /** The leader's commit index can be trusted from now on. */
  releaseHeld(commitIndex: LogIndex): void {
    for (const id of this.#held.splice(0)) this.add(id, commitIndex);
  }

  startRound(): number {
    this.#round += 1;
    return this.#round;
  }

  /** The reads that a quorum's answer to `round` confirms, in the order they came. */
  confirm(round: number): readonly ConfirmedRead[] {
    const unconfirmed = this.#pending.findIndex((read) => read.round > round);
    const count = unconfirmed === -1 ? this.#pending.length : unconfirmed;
    return this.#pending.splice(0, count).map(({ id, index }) => ({ id, index }));
  }

  /** Leadership is over: nothing that waits can be confirmed any more. */
  rejectAll(): readonly number[] {
    const ids = [...this.#held, ...this.#pending.map((read) => read.id)];
    this.#held = [];
    this.#pending = [];
    return ids;
  }
}
