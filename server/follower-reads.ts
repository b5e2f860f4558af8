/**
 * Reads of a follower that are as new as the leader's: the leader names the index that its answer would show, the follower
 * answers from its own memory once it has applied that. Reads that come while the leader is asked share the next question,
 * since an index from before a read says nothing about what was written up to it (thesis 6.4).
 */
import type { Clock } from "../lib/base/clock.ts";
import { atEndOfTurn } from "../lib/base/turn.ts";

/** `leader`: what the leader has in memory. `consistent`: it made sure first that it still leads. */
export type Freshness = "leader" | "consistent";

export interface FollowerReads {
  /** Resolves with true when a read of the state here, made at once, is that fresh; with false when the leader has to be asked. */
  catchUp(freshness: Freshness): Promise<boolean>;
  close(): void;
}

export interface FollowerReadsOptions {
  /** Empty while nobody is known to lead. */
  readonly leaderAddress: () => string;
  readonly askIndex: (address: string, freshness: Freshness, signal: AbortSignal) => Promise<number>;
  readonly whenApplied: (index: number, signal: AbortSignal) => Promise<boolean>;
  readonly clock: Clock;
}

/** A follower that is farther behind has the leader answer. */
const patienceMs = 1_000;
/** After a question in vain (an older leader does not know it, or there is none) nobody is asked for so long. */
const pauseMs = 1_000;

export function createFollowerReads(options: FollowerReadsOptions): FollowerReads {
  const stop = new AbortController();
  const questions = { leader: createQuestion("leader"), consistent: createQuestion("consistent") };
  return {
    catchUp: (freshness) => questions[freshness](),
    close: () => stop.abort(),
  };

  function createQuestion(freshness: Freshness): () => Promise<boolean> {
    let next: PromiseWithResolvers<boolean> | undefined;
    let isAsking = false;
    let pausedUntilMs = Number.NEGATIVE_INFINITY;

    const ask = async (): Promise<void> => {
      const asked = next;
      next = undefined;
      if (asked === undefined) return;
      isAsking = true;
      const isFresh = await reach();
      isAsking = false;
      asked.resolve(isFresh);
      void ask();
    };
    const reach = async (): Promise<boolean> => {
      const address = options.leaderAddress();
      if (address === "" || stop.signal.aborted) return false;
      const giveUp = new AbortController();
      const abort = (): void => giveUp.abort();
      const timer = options.clock.after(patienceMs, abort);
      stop.signal.addEventListener("abort", abort, { once: true });
      try {
        const index = await options.askIndex(address, freshness, giveUp.signal);
        if (await options.whenApplied(index, giveUp.signal)) return true;
      } catch {
        // Whatever it was: the request itself goes to the leader now, and meets it there.
      } finally {
        timer.cancel();
        stop.signal.removeEventListener("abort", abort);
      }
      pausedUntilMs = options.clock.monotonicMs() + pauseMs;
      return false;
    };
    return () => {
      if (next !== undefined) return next.promise;
      if (options.clock.monotonicMs() < pausedUntilMs) return Promise.resolve(false);
      next = Promise.withResolvers();
      // What one turn of the loop brings is asked for together.
      if (!isAsking) atEndOfTurn(() => void ask());
      return next.promise;
    };
  }
}
