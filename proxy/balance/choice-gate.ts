import type { Candidate, Excluded, Gate } from "./candidate.ts";
import { type SlowStart, slowStartShare } from "./slow-start.ts";

/** From strict to lax: who has asked to be left alone, then who could not be reached, is chosen when nobody else is left. */
export const strictest = 0;
const admitsBackingOff = 1;
export const laxest = 2;

/** Who may be chosen for the request at hand. One object for all of them, set anew for each. */
export class ChoiceGate<T extends Candidate> implements Gate<T> {
  laxity = strictest;
  /** In panic everybody is as good as healthy. */
  ignoresHealth = false;
  readonly #clock: () => number;
  #slowStart: SlowStart;
  #excluded: Excluded<T>;
  #nowMs = -1;

  constructor(clock: () => number, slowStart: SlowStart, excluded: Excluded<T>) {
    this.#clock = clock;
    this.#slowStart = slowStart;
    this.#excluded = excluded;
  }

  configure(slowStart: SlowStart): void {
    this.#slowStart = slowStart;
  }

  begin(excluded: Excluded<T>): void {
    this.#excluded = excluded;
    this.laxity = strictest;
    this.#nowMs = -1;
  }

  /** The clock is read only by choices that need it. */
  nowMs(): number {
    if (this.#nowMs < 0) this.#nowMs = this.#clock();
    return this.#nowMs;
  }

  admits(candidate: T, chance: number): boolean {
    if (this.#excluded.size > 0 && this.#excluded.has(candidate)) return false;
    if (!candidate.isHealthy && !this.ignoresHealth) return false;
    if (this.laxity === laxest) return true;
    if (candidate.isSuspect) return false;
    if (this.laxity === admitsBackingOff) return true;
    if (candidate.backoffUntilMs > 0 && candidate.backoffUntilMs > this.nowMs()) return false;
    if (candidate.joinedAtMs < 0 || this.#slowStart.slowStartMs === 0) return true;
    return chance < slowStartShare(this.nowMs() - candidate.joinedAtMs, this.#slowStart);
  }
}
